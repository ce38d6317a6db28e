# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# Triton reads the signatures: what is annotated is a compile-time constant, all else a pointer or an integer.
"""The Triton programs: one matrix product for many tokens, one for few; each for plain, int8 and nf4 weights.

Both know three pieces of arithmetic and nothing else of the model: an input row may be a token's (`FAN_OUT` pairs a
token) or the pair's own, two halves of an expert may be joined by SwiGLU, and a result may be weighed and put back
where its pair came from. Weights become numbers tile by tile, in registers; sums are float32; nothing is written but
the result. Offsets are 64-bit.
"""

from __future__ import annotations

import triton
import triton.language as tl

PLAIN = tl.constexpr(0)
INT8 = tl.constexpr(1)
NF4 = tl.constexpr(2)


@triton.jit
def tile(
    weight, scale, table, rows, wanted, first, columns,
    KIND: tl.constexpr, BLOCKSIZE: tl.constexpr, BLOCK_K: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    """(rows, BLOCK_K) numbers of a weight from column `first` on; int8 comes unscaled. Rows not `wanted` are zero.

    nf4: BLOCK_K divides BLOCKSIZE or is it, so one scale serves a row of the tile.
    """
    if KIND == NF4:
        bytes_ = first // 2 + tl.arange(0, BLOCK_K // 2)
        packed = tl.load(weight + rows[:, None] * (columns // 2) + bytes_[None, :], mask=wanted[:, None], other=0)
        packed = packed.to(tl.int32)
        numbers = tl.interleave(tl.load(table + (packed >> 4)), tl.load(table + (packed & 15)))
        largest = tl.load(scale + rows * (columns // BLOCKSIZE) + first // BLOCKSIZE, mask=wanted, other=0.0)
        numbers *= largest[:, None]
    else:
        places = first + tl.arange(0, BLOCK_K)
        inside = wanted[:, None] & (places < columns)[None, :]
        numbers = tl.load(weight + rows[:, None] * columns + places[None, :], mask=inside, other=0).to(tl.float32)
    return numbers.to(DTYPE)


@triton.jit
def grouped(
    x, out, pairs, routing, tile_expert, tile_start, tile_end, weight, scale, table, columns, width, experts,
    FAN_OUT: tl.constexpr, SCATTER: tl.constexpr, SWIGLU: tl.constexpr, KIND: tl.constexpr, BLOCKSIZE: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, WIDEN: tl.constexpr,
):  # fmt: skip
    """Grouped matrix product: program (m, n) computes BLOCK_N of `width` results for up to BLOCK_M pairs of one expert.

    Pairs are sorted by expert; tile m holds those from `tile_start[m]` to `tile_end[m]` at most. A tile whose expert is
    `experts` is one too many and has nothing to do. `pairs` (pairs,) says where a sorted pair stood before. WIDEN is
    for Triton's interpreter, which cannot multiply bfloat16 (triton-lang/triton#11584): the same numbers, as float32.
    """
    m = tl.program_id(0)
    expert = tl.load(tile_expert + m)
    if expert >= experts:
        return
    ranks = tl.load(tile_start + m) + tl.arange(0, BLOCK_M)
    busy = ranks < tl.load(tile_end + m)
    origin = tl.load(pairs + ranks, mask=busy, other=0)
    inputs = origin // FAN_OUT if FAN_OUT else ranks.to(tl.int64)
    columns_out = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    wanted = columns_out < width
    rows = expert.to(tl.int64) * (2 * width if SWIGLU else width) + columns_out
    kind = tl.float32 if WIDEN else x.dtype.element_ty
    first_sum = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    second_sum = first_sum
    for k in range(0, columns, BLOCK_K):
        places = k + tl.arange(0, BLOCK_K)
        inside = busy[:, None] & (places < columns)[None, :]
        states = tl.load(x + inputs[:, None] * columns + places[None, :], mask=inside, other=0.0).to(kind)
        numbers = tile(weight, scale, table, rows, wanted, k, columns, KIND, BLOCKSIZE, BLOCK_K, kind)
        first_sum = tl.dot(states, tl.trans(numbers), first_sum, input_precision="ieee")
        if SWIGLU:
            numbers = tile(weight, scale, table, rows + width, wanted, k, columns, KIND, BLOCKSIZE, BLOCK_K, kind)
            second_sum = tl.dot(states, tl.trans(numbers), second_sum, input_precision="ieee")
    if KIND == INT8:
        first_sum *= tl.load(scale + rows, mask=wanted, other=0.0)[None, :]
    if SWIGLU:
        if KIND == INT8:
            second_sum *= tl.load(scale + rows + width, mask=wanted, other=0.0)[None, :]
        first_sum = first_sum / (1 + tl.exp(-first_sum)) * second_sum
    if SCATTER:
        first_sum *= tl.load(routing + origin, mask=busy, other=0.0).to(tl.float32)[:, None]
    outputs = origin if SCATTER else ranks.to(tl.int64)
    target = out + outputs[:, None] * width + columns_out[None, :]
    tl.store(target, first_sum.to(out.dtype.element_ty), mask=busy[:, None] & wanted[None, :])


@triton.jit
def gathered(
    x, out, chosen, routing, weight, scale, table, columns, width,
    FAN_OUT: tl.constexpr, WEIGHED: tl.constexpr, SWIGLU: tl.constexpr, KIND: tl.constexpr, BLOCKSIZE: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Gathered matrix-vector product: program (pair, n) computes BLOCK_N of `width` results of the pair's expert.

    Reads the rows of the chosen experts and no others.
    """
    pair = tl.program_id(0).to(tl.int64)
    columns_out = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    wanted = columns_out < width
    expert = tl.load(chosen + pair).to(tl.int64)
    rows = expert * (2 * width if SWIGLU else width) + columns_out
    source = x + (pair // FAN_OUT if FAN_OUT else pair) * columns
    products = tl.zeros((BLOCK_N, BLOCK_K), tl.float32)
    second = products
    for k in range(0, columns, BLOCK_K):
        places = k + tl.arange(0, BLOCK_K)
        state = tl.load(source + places, mask=places < columns, other=0.0).to(tl.float32)[None, :]
        products += tile(weight, scale, table, rows, wanted, k, columns, KIND, BLOCKSIZE, BLOCK_K, tl.float32) * state
        if SWIGLU:
            lower = rows + width
            second += (
                tile(weight, scale, table, lower, wanted, k, columns, KIND, BLOCKSIZE, BLOCK_K, tl.float32) * state
            )
    answer = tl.sum(products, axis=1)
    if KIND == INT8:
        answer *= tl.load(scale + rows, mask=wanted, other=0.0)
    if SWIGLU:
        up = tl.sum(second, axis=1)
        if KIND == INT8:
            up *= tl.load(scale + rows + width, mask=wanted, other=0.0)
        answer = answer / (1 + tl.exp(-answer)) * up
    if WEIGHED:
        answer *= tl.load(routing + pair).to(tl.float32)
    tl.store(out + pair * width + columns_out, answer.to(out.dtype.element_ty), mask=wanted)
