"""Random experts in each precision, and tokens that choose among them unevenly."""

from __future__ import annotations

import torch
from torch import Tensor

from ernie_cli.runtime.kernels import Int8Weight, Nf4Weight, Weight
from ernie_cli.runtime.kernels.bits import bitsandbytes

KINDS = ("plain", "int8", "nf4")


def weight(kind: str, *shape: int, dtype: torch.dtype = torch.bfloat16, blocksize: int = 32) -> Weight:
    plain = (torch.randn(shape) / shape[-1] ** 0.5).to(dtype)
    if kind == "plain":
        return plain
    return int8(plain) if kind == "int8" else nf4(plain, blocksize)


def int8(plain: Tensor) -> Int8Weight:
    scale = plain.float().abs().amax(-1) / 127
    return Int8Weight((plain.float() / scale[..., None]).round().to(torch.int8), scale)


def nf4(plain: Tensor, blocksize: int) -> Nf4Weight:
    quantize = bitsandbytes().functional.quantize_4bit
    packed, state = quantize(plain, blocksize=blocksize, quant_type="nf4", compress_statistics=False)
    rows = plain.shape[:-1]
    return Nf4Weight(packed.view(*rows, -1), state.absmax.view(*rows, -1))


def numbers(of: Weight) -> Tensor:
    """What a weight stands for, in float32."""
    return of.float() if isinstance(of, Tensor) else of.dequantize(dtype=torch.float32)


def moved(of: Weight, device: str) -> Weight:
    if isinstance(of, Int8Weight):
        return Int8Weight(of.q.to(device), of.scale.to(device))
    if isinstance(of, Nf4Weight):
        return Nf4Weight(of.packed.to(device), of.absmax.to(device))
    return of.to(device)


def tensors(of: Weight) -> list[Tensor]:
    """What a weight is made of."""
    if isinstance(of, Int8Weight):
        return [of.q, of.scale]
    return [of.packed, of.absmax] if isinstance(of, Nf4Weight) else [of]


def choices(tokens: int, k: int, count: int) -> tuple[Tensor, Tensor]:
    """`chosen` (tokens, k), distinct experts a token, and their weights (tokens, k).

    The first expert is chosen by nearly all, the others ever less; the third and the last by nobody.
    """
    liking = torch.tensor([0.5**place for place in range(count)])
    liking[0], liking[2], liking[-1] = 4.0, 0.0, 0.0
    chosen = torch.multinomial(liking.expand(tokens, count), k)
    weights = torch.rand(tokens, k)
    return chosen, weights / weights.sum(1, keepdim=True)


def difference(a: Tensor, b: Tensor) -> float:
    """Relative, of norms."""
    return float((a.float() - b.float()).norm() / b.float().norm())
