"""Which token comes next, given the logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """Temperature 0 is greedy. `top_p` keeps the likeliest tokens that together reach it; `top_k` so many.

    `repetition_penalty` above 1 makes tokens that the prompt or the answer has already less likely: positive logits are
    divided by it, negative ones multiplied (Keskar et al., 2019, section 4.1).
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int | None = None


class Sampler:
    """Draws tokens; with a seed, the same ones on every run on the same device."""

    def __init__(self, sampling: Sampling, prompt: np.ndarray[Any, np.dtype[np.int64]] | None = None) -> None:
        self._sampling = sampling
        self._random = torch.Generator()
        self._seen = set() if prompt is None else set(prompt.tolist())
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    def pick(self, logits: Tensor, allowed: np.ndarray[Any, np.dtype[np.bool_]] | None = None) -> int:
        """The next token's id from logits (vocabulary,), among those `allowed` (vocabulary,) if given."""
        logits = self._penalized(logits)
        if allowed is not None:
            mask = torch.from_numpy(allowed).to(logits.device)
            logits = logits[: len(mask)].masked_fill(~mask, -torch.inf)
        token = self._draw(logits)
        self._seen.add(token)
        return token

    def _draw(self, logits: Tensor) -> int:
        if self._sampling.temperature <= 0:
            return int(logits.argmax())
        # On the CPU, so that a seed means the same draw whichever device computed the logits.
        scores = logits.cpu().double() / self._sampling.temperature
        if self._sampling.top_k:
            least = scores.topk(min(self._sampling.top_k, len(scores))).values[-1]
            scores = scores.masked_fill(scores < least, -torch.inf)
        probabilities = scores.softmax(-1)
        if self._sampling.top_p < 1:
            probabilities = _nucleus(probabilities, self._sampling.top_p)
        return int(torch.multinomial(probabilities, 1, generator=self._random))

    def _penalized(self, logits: Tensor) -> Tensor:
        penalty = self._sampling.repetition_penalty
        if penalty == 1 or not self._seen:
            return logits
        seen = torch.tensor(sorted(self._seen), device=logits.device)
        scores = logits[seen]
        return logits.index_put((seen,), torch.where(scores < 0, scores * penalty, scores / penalty))


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zeroes all but the smallest set of likeliest tokens whose sum reaches `top_p` (Holtzman et al., 2019)."""
    ordered, ids = probabilities.sort(descending=True)
    ordered[1:][(ordered.cumsum(-1) - ordered >= top_p)[1:]] = 0
    return torch.zeros_like(probabilities).scatter(0, ids, ordered)
