"""Which token comes next, given the logits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """Temperature 0 is greedy. `top_p` keeps the likeliest tokens that together reach that probability."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


class Sampler:
    """Draws tokens; with a seed, the same ones on every run on the same device."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._random = torch.Generator()
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    def pick(self, logits: Tensor) -> int:
        """The next token's id from logits (vocabulary,)."""
        if self._sampling.temperature <= 0:
            return int(logits.argmax())
        # On the CPU, so that a seed means the same draw whichever device computed the logits.
        probabilities = (logits.cpu().double() / self._sampling.temperature).softmax(-1)
        if self._sampling.top_p < 1:
            probabilities = _nucleus(probabilities, self._sampling.top_p)
        return int(torch.multinomial(probabilities, 1, generator=self._random))


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zeroes all but the smallest set of likeliest tokens whose sum reaches `top_p` (Holtzman et al., 2019)."""
    ordered, ids = probabilities.sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered >= top_p] = 0
    return torch.zeros_like(probabilities).scatter(0, ids, ordered)
