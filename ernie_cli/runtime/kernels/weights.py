"""Weights as they lie in memory: plain, int8 with a scale a row, nf4 with a scale a block.

Knows their layouts and how to get numbers back; does not know how to quantize, and multiplies nothing. A weight is 2-D,
`(out, in)`, or 3-D, `(experts, out, in)`, always contiguous, so that a kernel can find a row by arithmetic alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from ernie_cli.runtime.kernels.bits import bitsandbytes

NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
    -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
    0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""The sixteen values of NormalFloat4: Dettmers et al., QLoRA, 2023, appendix E."""


@dataclass(frozen=True)
class Int8Weight:
    """Weight-only int8: `weight = q * scale`, with `scale` = the row's largest magnitude / 127."""

    q: Tensor  # (..., out, in) int8
    scale: Tensor  # (..., out) float32

    def __post_init__(self) -> None:
        _check(self.q, torch.int8, self.q.shape)
        _check(self.scale, torch.float32, self.q.shape[:-1])

    @property
    def shape(self) -> torch.Size:
        return self.q.shape

    @property
    def device(self) -> torch.device:
        return self.q.device

    @property
    def nbytes(self) -> int:
        return self.q.nbytes + self.scale.nbytes

    def dequantize(self, expert: int | None = None, dtype: torch.dtype = torch.bfloat16) -> Tensor:
        """The numbers: of all, or of one expert `(out, in)`."""
        q, scale = (self.q, self.scale) if expert is None else (self.q[expert], self.scale[expert])
        return q.float().mul_(scale[..., None]).to(dtype)


@dataclass(frozen=True)
class Nf4Weight:
    """bitsandbytes' nf4 without its second quantization: `weight = NF4[nibble] * absmax` of the block it lies in.

    A byte holds two neighbours of a row, the first in its high half. Blocks lie within rows; their size follows from
    the shapes and is a power of two.
    """

    packed: Tensor  # (..., out, in / 2) uint8
    absmax: Tensor  # (..., out, in / blocksize) float32

    def __post_init__(self) -> None:
        rows, blocks = self.packed.shape[:-1], self.absmax.shape[-1]
        _check(self.packed, torch.uint8, self.packed.shape)
        _check(self.absmax, torch.float32, (*rows, blocks))
        if blocks * self.blocksize != self.shape[-1] or self.blocksize & (self.blocksize - 1):
            raise ValueError(f"Rows of {self.shape[-1]} weights cannot be {blocks} blocks of a power of two.")

    @property
    def shape(self) -> torch.Size:
        return torch.Size((*self.packed.shape[:-1], 2 * self.packed.shape[-1]))

    @property
    def device(self) -> torch.device:
        return self.packed.device

    @property
    def nbytes(self) -> int:
        return self.packed.nbytes + self.absmax.nbytes

    @property
    def blocksize(self) -> int:
        return 2 * self.packed.shape[-1] // self.absmax.shape[-1]

    def dequantize(self, expert: int | None = None, dtype: torch.dtype = torch.bfloat16) -> Tensor:
        """The numbers: of all, or of one expert `(out, in)`."""
        packed, absmax = (self.packed, self.absmax) if expert is None else (self.packed[expert], self.absmax[expert])
        return unpack(packed, absmax, self.blocksize, dtype)


Weight: TypeAlias = "Tensor | Int8Weight | Nf4Weight"
"""What every function here takes; a plain tensor stands for itself."""


def unpack(packed: Tensor, absmax: Tensor, blocksize: int, dtype: torch.dtype) -> Tensor:
    """The numbers (..., in) of nf4 rows: packed (..., in / 2), absmax (..., in / blocksize).

    bitsandbytes' own routine on CPU and CUDA; where there is none, a table of all 256 bytes, which takes several times
    as long on a CPU and, in bfloat16, five times the memory of the result.
    """
    shape = (*packed.shape[:-1], 2 * packed.shape[-1])
    if packed.device.type in ("cpu", "cuda") and bitsandbytes() is not None:
        op: Any = torch.ops.bitsandbytes.dequantize_4bit
        flat: Tensor = op(packed.reshape(-1, 1), absmax.reshape(-1), blocksize, "nf4", shape, dtype)
        return flat.view(shape)
    return unpack_by_table(packed, absmax, blocksize, dtype)


def unpack_by_table(packed: Tensor, absmax: Tensor, blocksize: int, dtype: torch.dtype) -> Tensor:
    """`unpack` in torch alone."""
    pairs = F.embedding(packed.int(), _pairs(packed.device))
    blocks = pairs.view(*absmax.shape, blocksize) * absmax[..., None]
    return blocks.view(*packed.shape[:-1], 2 * packed.shape[-1]).to(dtype)


@cache
def nf4_values(device: torch.device) -> Tensor:
    """(16,) float32."""
    return torch.tensor(NF4, device=device)


@cache
def _pairs(device: torch.device) -> Tensor:
    """(256, 2) float32: the two values of each byte."""
    values = nf4_values(device)
    return torch.cartesian_prod(values, values)


def _check(tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    if tensor.dtype != dtype or tensor.shape != shape:
        raise ValueError(f"Expected {dtype} {tuple(shape)}, got {tensor.dtype} {tuple(tensor.shape)}.")
    if not tensor.is_contiguous():
        raise ValueError(f"A quantized weight must be contiguous; {tuple(shape)} has strides {tensor.stride()}.")
