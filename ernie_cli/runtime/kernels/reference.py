"""Experts and quantized matrices in torch alone: what runs on a CPU, and what the GPU kernels are held against.

Never holds more of a quantized weight in full precision than one strip of rows: at most `STRIP` numbers, 2 MB in
bfloat16 (nf4 where bitsandbytes is missing: 10 MB with all that unpacking takes). Beside it there are activations only,
of one expert's tokens at a time: `kernels.experts` bounds how many tokens that can be.

How and why, in times of a plain matrix of the same type, one core with AVX-512 (`scripts/bench_kernels.py --parts`):
* int8 by torch's int8 kernel, which reads the rows as they are: bfloat16 only. One token 0.5 to 0.6, 4 tokens 0.6 to
  0.9; it goes token by token, 16 tokens 1.6, so it is for fewer than `FEW`.
* int8 else: the integers are cast as they are (exact in bfloat16), the product is scaled. One token in bfloat16 1.5 to
  1.6, where scaling the weights takes 4 to 5. In strips, which stay in the cache, 1.3 to 1.4; in float32 0.7, where
  whole matrices take 2.0 to 2.2.
* nf4 by bitsandbytes' unpacking: one token 1.8 to 2.1, in strips 1.5 to 1.7. Its 4-bit matrix kernel for the CPU reads
  another layout than `quantize_4bit` writes, and ends the process for some sizes: not used.
All of `experts` in times of transformers' `grouped_mm` in bfloat16 (the same script): int8 0.5 for one token, 0.5 to
0.7 for 4, 1.1 to 1.3 for 256; nf4 1.5 to 1.7, 1.6 to 2.0, 1.3.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ernie_cli.runtime.kernels.weights import Nf4Weight, Weight, unpack

STRIP = 2**20  # weights in full precision at a time
FEW = 8  # tokens below which torch's int8 kernel is the faster


def linear(x: Tensor, weight: Weight, expert: int | None = None) -> Tensor:
    """`x @ weight.T`: (tokens, in) by (out, in), or by one expert's, to (tokens, out), in x's dtype."""
    return _product(x, weight, expert).to(x.dtype)


def experts(x: Tensor, chosen: Tensor, weights: Tensor, gate_up: Weight, down: Weight) -> Tensor:
    """See `kernels.experts`. One expert at a time, those without a token skipped; sums in float32."""
    total = torch.zeros(x.shape, dtype=torch.float32, device=x.device)
    for expert, pairs in _loads(chosen, gate_up.shape[0]):
        tokens = pairs // chosen.shape[1]
        gate, up = _product(x[tokens], gate_up, expert).float().chunk(2, dim=-1)
        answer = _product((F.silu(gate) * up).to(x.dtype), down, expert).float()
        total.index_add_(0, tokens, answer * weights.flatten()[pairs, None].float())
    return total.to(x.dtype)


def _product(x: Tensor, weight: Weight, expert: int | None) -> Tensor:
    """`x @ weight.T`, (tokens, out): in x's dtype, or in float32 where scales came last."""
    if isinstance(weight, Tensor):
        return F.linear(x, weight if expert is None else weight[expert])
    if isinstance(weight, Nf4Weight):
        return _nf4(x, weight, expert)
    q, scale = (weight.q, weight.scale) if expert is None else (weight.q[expert], weight.scale[expert])
    return _int8(x, q) * scale


def _loads(chosen: Tensor, count: int) -> Iterator[tuple[int, Tensor]]:
    """Each expert that was chosen, with the places in `chosen.flatten()` where it was, in order."""
    flat = chosen.flatten()
    order = flat.argsort(stable=True)
    loads: list[int] = flat.bincount(minlength=count).tolist()
    for expert, pairs in enumerate(torch.split(order, loads)):
        if len(pairs):
            yield expert, pairs


def _int8(x: Tensor, q: Tensor) -> Tensor:
    """`x @ q.T` for int8 rows (out, in), unscaled."""
    if x.device.type == "cpu" and x.dtype == torch.bfloat16 and len(x) < FEW:
        return torch._weight_int8pack_mm(x.contiguous(), q, torch.ones(len(q), dtype=x.dtype))
    return _joined([F.linear(x, q[rows].to(x.dtype)) for rows in _strips(q.shape)])


def _nf4(x: Tensor, weight: Nf4Weight, expert: int | None) -> Tensor:
    packed, absmax = weight.packed, weight.absmax
    if expert is not None:
        packed, absmax = packed[expert], absmax[expert]
    strips = _strips(weight.shape)
    return _joined([F.linear(x, unpack(packed[rows], absmax[rows], weight.blocksize, x.dtype)) for rows in strips])


def _strips(shape: torch.Size) -> list[slice]:
    """The rows of a matrix (..., out, in), at most `STRIP` weights at a time."""
    step = max(1, STRIP // shape[-1])
    return [slice(start, start + step) for start in range(0, shape[-2], step)]


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
