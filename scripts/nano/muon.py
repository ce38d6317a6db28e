"""Muon for many small matrices: torch's, its orthogonalisation in any precision and shared by processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from math import sqrt
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

COEFFICIENTS, STEPS = (3.4445, -4.7750, 2.0315), 5  # of the Newton-Schulz iteration (Keller Jordan, "Muon", 2024)
RMS = 0.2  # of an update whose learning rate is 1, as AdamW's (Liu et al., arXiv:2502.16982)


class Muon(torch.optim.Muon):
    """`torch.optim.Muon` with Nesterov momentum and AdamW's learning rates, and its state.

    Torch's own orthogonalises matrix after matrix, in bfloat16, for which many CPUs have no instructions, and in each
    of several processes anew. Here matrices of one shape are computed at once, in a `precision` that is asked for, and
    of several processes, whose gradients must be the same, each computes its part. Some weights may learn so many
    `times` as fast.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        times: Mapping[Tensor, float] | None = None,
        precision: torch.dtype = torch.float32,
        **settings: Any,
    ) -> None:
        super().__init__(params, **settings)
        self._times, self._precision = dict(times or {}), precision

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        assert closure is None
        for group in self.param_groups:
            weights = sorted((w for w in group["params"] if w.grad is not None), key=lambda w: tuple(w.shape))
            stacks = [self._moved(list(same), group["momentum"]) for _, same in groupby(weights, lambda w: w.shape)]
            updates = [update for stack in _shared(stacks, self._precision) for update in stack]
            for weight, update in zip(weights, updates, strict=True):
                rate = group["lr"] * self._times.get(weight, 1.0)
                weight.mul_(1 - rate * group["weight_decay"])
                weight.add_(update, alpha=-rate * RMS * sqrt(max(weight.shape)))

    def _moved(self, weights: Sequence[Tensor], momentum: float) -> Tensor:
        """Gradients of one shape with their momentum, (matrices, rows, columns)."""
        moved = []
        for weight in weights:
            state: dict[str, Any] = self.state[weight]
            kept = state.setdefault("momentum_buffer", torch.zeros_like(weight))
            kept.lerp_(weight.grad, 1 - momentum)
            moved.append(weight.grad.lerp(kept, momentum))
        return torch.stack(moved)


def _shared(stacks: Sequence[Tensor], precision: torch.dtype) -> list[Tensor]:
    """All matrices orthogonalised: of two processes, each does every second of a stack."""
    if not (dist.is_initialized() and stacks):
        return [orthogonal(stack.to(precision)).to(stack.dtype) for stack in stacks]
    rank, world = dist.get_rank(), dist.get_world_size()
    flat = torch.zeros(sum(stack.numel() for stack in stacks), device=stacks[0].device)
    done = [part.view_as(stack) for part, stack in zip(flat.split([s.numel() for s in stacks]), stacks, strict=True)]
    for part, stack in zip(done, stacks, strict=True):
        part[rank::world] = orthogonal(stack[rank::world].to(precision))
    dist.all_reduce(flat)
    return done


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (matrices, rows, columns) with all singular values brought near 1, between 0.5 and 1.5."""
    a, b, c = COEFFICIENTS
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT
