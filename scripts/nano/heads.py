"""What linear readers of token states have in common: what is asked of whom, and how far off the answers are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LAYER = 3  # of the decoder: its output is asked as well as what the eyes hand on
IGNORED = -100  # where nothing is asked


def cell(place: float, count: int) -> int:
    """Which of `count` equal parts a place, in fractions of the whole, lies in."""
    return max(0, min(count - 1, int(place * count)))


def split(logits: Tensor, sizes: dict[str, int]) -> dict[str, Tensor]:
    """The answers of heads that are one matrix, by name."""
    return dict(zip(sizes, logits.float().split(list(sizes.values()), dim=-1), strict=True))


def mistakes(logits: Tensor, expected: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross entropy; for `expected` (pictures, tokens, questions), the last dimension holds each one's choices."""
    return wrong(logits.unflatten(-1, (expected.shape[-1], -1)).flatten(0, -2), expected.flatten(), weights)


def wrong(choices: Tensor, expected: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross entropy; 0 where nothing is asked."""
    if not (expected != IGNORED).any():
        return choices.sum() * 0
    return F.cross_entropy(choices, expected, weights, ignore_index=IGNORED)


def scaled(state: Tensor) -> Tensor:
    """States of one mean square, in float32."""
    wide = state.float()
    return wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
