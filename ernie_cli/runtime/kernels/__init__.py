"""Computing with quantized experts: the two functions a model needs, whatever its weights and wherever they lie.

Knows tensors and devices; knows no checkpoint, config or module. Weights are plain tensors, `Int8Weight` or
`Nf4Weight`; activations bfloat16 (float32 for a small model on a CPU), and so are the results; sums are taken in
float32. For inference: there are no gradients.

On CUDA the Triton kernels of `gpu.py` run, if triton can be imported; everywhere else `reference.py`. triton is never
imported for another device, but with TRITON_INTERPRET=1, its own switch for running kernels in Python.
"""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from ernie_cli.runtime.kernels import reference
from ernie_cli.runtime.kernels.weights import Int8Weight, Nf4Weight, Weight

__all__ = ["TOKENS", "Int8Weight", "Nf4Weight", "Weight", "experts", "linear", "scratch_bytes"]

TOKENS = 4096  # taken at a time, which bounds what a long prompt needs beside its own hidden states


def experts(x: Tensor, chosen: Tensor, weights: Tensor, gate_up: Weight, down: Weight) -> Tensor:
    """What the chosen experts say of each token, weighed and summed: SwiGLU, `down(silu(gate) * up)`.

    `x` (tokens, hidden); `chosen` (tokens, k) int64, the experts of each token; `weights` (tokens, k), how much each
    counts; `gate_up` (experts, 2 * intermediate, hidden), the gate in the first half of the rows; `down` (experts,
    hidden, intermediate). Gives (tokens, hidden) in x's dtype. As transformers' `Ernie4_5_VLMoeMoeExperts`.

    Memory beside the result: `scratch_bytes`, whatever the number of tokens.
    """
    if not len(x):
        return torch.empty_like(x)
    run = _backend(x.device.type)
    if len(x) <= TOKENS:
        answer: Tensor = run.experts(x, chosen, weights, gate_up, down)
        return answer
    out = torch.empty_like(x)
    for rows in (slice(start, start + TOKENS) for start in range(0, len(x), TOKENS)):
        out[rows] = run.experts(x[rows], chosen[rows], weights[rows], gate_up, down)
    return out


def linear(x: Tensor, weight: Weight, bias: Tensor | None = None) -> Tensor:
    """`x @ weight.T + bias`: (..., in) by a matrix (out, in) to (..., out), in x's dtype."""
    rows = x.reshape(-1, x.shape[-1])
    if isinstance(weight, Tensor) or not len(rows):
        answer = reference.linear(rows, weight)
    else:
        answer = _backend(x.device.type).linear(rows, weight)
    if bias is not None:
        answer = answer + bias
    return answer.view(*x.shape[:-1], answer.shape[-1])


def scratch_bytes(tokens: int, top_k: int, hidden: int, intermediate: int, size: int = 2, device: str = "cuda") -> int:
    """The most that `experts` holds besides its arguments and its result, for activations of `size` bytes.

    On CUDA every pair of a token and an expert has its activations at once; elsewhere one expert's tokens have, which
    may be all, and a strip of weights in full precision.
    """
    tokens = min(tokens, TOKENS)
    integers = tokens * top_k * 40
    if device == "cuda":
        return integers + tokens * top_k * (intermediate * size + hidden * 4) + tokens * hidden * 4
    return integers + tokens * (hidden * (16 + 2 * size) + intermediate * (16 + 4 * size)) + reference.STRIP * 10


@cache
def _backend(device: str) -> ModuleType:
    """The module that computes on this kind of device."""
    if device == "cuda" or os.environ.get("TRITON_INTERPRET") == "1":
        try:
            from ernie_cli.runtime.kernels import gpu
        except ImportError:
            return reference
        return gpu
    return reference
