"""Experts and quantized matrices on a GPU, by the Triton programs of `programs.py`: what to launch, and for which rows.

Needs triton to be imported. Never waits for the device: how the tokens spread over the experts is worked out on it, and
the launch covers the most tiles there can be. Holds activations only: (pairs, intermediate) in x's dtype and
(pairs, hidden) in float32, with pairs = tokens * k, and a few integers a pair; no weight is ever written in full
precision.

The tile sizes follow from the loads, not from trials: no GPU has timed them yet.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ernie_cli.runtime.kernels import programs
from ernie_cli.runtime.kernels.weights import Int8Weight, Nf4Weight, Weight, nf4_values

GATHERED = 32
"""Up to this many pairs the gathered product reads little twice: 32 draws of 64 experts hit 25 different ones."""


def experts(x: Tensor, chosen: Tensor, weights: Tensor, gate_up: Weight, down: Weight) -> Tensor:
    """See `kernels.experts`."""
    run = _gathered_experts if chosen.numel() <= GATHERED else _grouped_experts
    with _on(x.device):
        answers = run(x.contiguous(), chosen.contiguous(), weights.contiguous(), gate_up, down)
    return answers.view(*chosen.shape, -1).sum(dim=1).to(x.dtype)


def linear(x: Tensor, weight: Weight) -> Tensor:
    """`x @ weight.T`: (tokens, in) by (out, in) to (tokens, out): one expert, chosen by all."""
    x, tokens, width = x.contiguous(), len(x), weight.shape[0]
    with _on(x.device):
        if tokens <= GATHERED // 2:
            return _gather(x, torch.zeros(tokens, dtype=torch.int64, device=x.device), weight, width)
        return _group(x, _one_group(tokens, x.device), weight, width)


def _gathered_experts(x: Tensor, chosen: Tensor, weights: Tensor, gate_up: Weight, down: Weight) -> Tensor:
    """Each pair's weighed answer (pairs, hidden), for few pairs."""
    chosen_flat, k = chosen.flatten(), chosen.shape[1]
    inner = _gather(x, chosen_flat, gate_up, gate_up.shape[1] // 2, fan_out=k, swiglu=True)
    return _gather(inner, chosen_flat, down, down.shape[1], routing=weights)


def _grouped_experts(x: Tensor, chosen: Tensor, weights: Tensor, gate_up: Weight, down: Weight) -> Tensor:
    """Each pair's weighed answer (pairs, hidden), for many pairs."""
    groups = _groups(chosen, gate_up.shape[0])
    inner = _group(x, groups, gate_up, gate_up.shape[1] // 2, fan_out=chosen.shape[1], swiglu=True)
    return _group(inner, groups, down, down.shape[1], routing=weights)


def _gather(
    x: Tensor,
    chosen: Tensor,
    weight: Weight,
    width: int,
    fan_out: int = 0,
    swiglu: bool = False,
    routing: Tensor | None = None,
) -> Tensor:
    """Launches `programs.gathered`: (pairs, width), in float32 if weighed, since they are to be summed."""
    out = x.new_empty(len(chosen), width, dtype=x.dtype if routing is None else torch.float32)
    block_n = _tile(width, 32)
    programs.gathered[(len(chosen), -(-width // block_n))](
        x, out, chosen, chosen if routing is None else routing, *_pointers(weight), x.shape[1], width,
        FAN_OUT=fan_out, WEIGHED=routing is not None, SWIGLU=swiglu, KIND=_kind(weight), BLOCKSIZE=_blocksize(weight),
        BLOCK_N=block_n, BLOCK_K=_block_k(weight, 128),
    )  # fmt: skip
    return out


@dataclass(frozen=True)
class _Groups:
    """Pairs sorted by expert, cut into tiles of `block` pairs at most."""

    pairs: Tensor  # (pairs,) int64: where each sorted pair stood before
    expert: Tensor  # (tiles,) int64: the tile's expert; `count` for a tile that is not needed
    start: Tensor  # (tiles,) int64: the tile's first pair
    end: Tensor  # (tiles,) int64: the end of its expert's pairs
    block: int
    count: int  # experts


def _groups(chosen: Tensor, count: int) -> _Groups:
    """Sorts the pairs and cuts them, without asking the device how many there are of each."""
    flat = chosen.flatten()
    pairs = flat.argsort(stable=True)
    block = _block_m(len(flat) // count)
    loads = torch.zeros(count, dtype=torch.int64, device=flat.device).scatter_add_(0, flat, torch.ones_like(flat))
    ends = loads.cumsum(0)
    last_tile = ((loads + block - 1) // block).cumsum(0)
    tiles = torch.arange(min(len(flat), len(flat) // block + count), device=flat.device)
    expert = torch.searchsorted(last_tile, tiles, right=True)
    known = expert.clamp(max=count - 1)
    before = last_tile[known] - (loads[known] + block - 1) // block
    start = ends[known] - loads[known] + (tiles - before) * block
    return _Groups(pairs, expert, start, ends[known], block, count)


def _one_group(tokens: int, device: torch.device) -> _Groups:
    """All tokens, in order, for a single matrix."""
    block = _block_m(tokens)
    start = torch.arange(0, tokens, block, device=device)
    pairs = torch.arange(tokens, device=device)
    return _Groups(pairs, torch.zeros_like(start), start, torch.full_like(start, tokens), block, 1)


def _group(
    x: Tensor,
    groups: _Groups,
    weight: Weight,
    width: int,
    fan_out: int = 0,
    swiglu: bool = False,
    routing: Tensor | None = None,
) -> Tensor:
    """Launches `programs.grouped`: (pairs, width) in their sorted order.

    With `routing`, weighed by it, in the order before, and in float32, since they are to be summed.
    """
    out = x.new_empty(len(groups.pairs), width, dtype=x.dtype if routing is None else torch.float32)
    block_n = _tile(width, 64)
    programs.grouped[(len(groups.expert), -(-width // block_n))](
        x, out, groups.pairs, groups.pairs if routing is None else routing,
        groups.expert, groups.start, groups.end, *_pointers(weight), x.shape[1], width, groups.count,
        FAN_OUT=fan_out, SCATTER=routing is not None, SWIGLU=swiglu, KIND=_kind(weight), BLOCKSIZE=_blocksize(weight),
        BLOCK_M=groups.block, BLOCK_N=block_n, BLOCK_K=_block_k(weight, 64),
        WIDEN=x.device.type == "cpu" and x.dtype == torch.bfloat16,
        num_warps=8 if groups.block == 128 else 4, num_stages=_stages(weight, groups.block),
    )  # fmt: skip
    return out


def _pointers(weight: Weight) -> tuple[Tensor, Tensor, Tensor]:
    """The weight, its scales and the table of nf4; what a kind of weight does not have is never read."""
    if isinstance(weight, Int8Weight):
        return weight.q, weight.scale, weight.scale
    if isinstance(weight, Nf4Weight):
        return weight.packed, weight.absmax, nf4_values(weight.device)
    if not weight.is_contiguous():
        raise ValueError(f"A weight must be contiguous; {tuple(weight.shape)} has strides {weight.stride()}.")
    return weight, weight, weight


def _kind(weight: Weight) -> int:
    kinds: list[Any] = [programs.INT8, programs.NF4, programs.PLAIN]
    return int(kinds[0 if isinstance(weight, Int8Weight) else 1 if isinstance(weight, Nf4Weight) else 2].value)


def _blocksize(weight: Weight) -> int:
    return weight.blocksize if isinstance(weight, Nf4Weight) else 1


def _block_k(weight: Weight, most: int) -> int:
    """Columns a tile; of nf4, within one block."""
    return min(most, weight.blocksize) if isinstance(weight, Nf4Weight) else _tile(weight.shape[-1], most)


def _block_m(load: int) -> int:
    """Pairs a tile, for so many pairs an expert: few waste a large tile, many would read each weight often."""
    return 16 if load <= 32 else 64 if load <= 256 else 128


def _stages(weight: Weight, block: int) -> int:
    """Tiles in flight, within 99 KB of shared memory; of nf4 one, since Triton would run its look-ups ahead too."""
    return 1 if isinstance(weight, Nf4Weight) else 2 if block == 128 else 3


def _tile(size: int, most: int) -> int:
    """The side of a tile: a power of two, as Triton wants it, and at least the 16 of its matrix product."""
    return max(16, min(most, 1 << (size - 1).bit_length()))


def _on(device: torch.device) -> AbstractContextManager[Any]:
    """Triton launches on the current GPU, which need not be the one that holds the tensors."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
