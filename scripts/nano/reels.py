"""Clips that the eyes have seen, asked about again and again: for trainings in which the eyes learn nothing.

What takes long about a clip is to draw it and to see it. Where the eyes stay as they are, what they make of it stays as
well, and new questions about it cost the decoder's work alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeAlias

import numpy as np
import torch
from curriculum import AGAIN, FILM, FILMS, FRAMES
from data import Sample
from moments import Seen, film
from torch import Tensor

from ernie_cli.messages import Video
from ernie_cli.runtime.vision import patchify_video

MOST = 2_000  # clips of a kind, a size and a length that are kept in memory, some 70 kB each

See: TypeAlias = Callable[[Tensor, tuple[int, int, int]], Tensor]  # pixels of media of one grid as token embeddings


class Reels:
    """Draws clips like the makers in `FILMS`, each `AGAIN` times; they have no frames any more, but are `seen`."""

    def __init__(self, see: See, random: Random) -> None:
        self._see, self._random = see, random
        self._clips: dict[tuple[str, tuple[int, int], int], list[Sample]] = {}
        self._drawn: Counter[tuple[str, tuple[int, int], int]] = Counter()
        self._made: Counter[tuple[str, tuple[int, int], int]] = Counter()

    def __call__(self, kind: str, size: tuple[int, int], frames: int) -> Sample:
        """A clip of a kind, of so many frames of a size (width, height)."""
        key = kind, size, frames
        if self._drawn[key] >= AGAIN * self._made[key]:
            self._film(key)
        self._drawn[key] += 1
        return self._random.choice(self._clips[key])

    def _film(self, key: tuple[str, tuple[int, int], int]) -> None:
        kind, size, frames = key
        samples = [FILMS[kind](self._random, *size, frames) for _ in range(max(1, FILM // 2 // frames))]
        media = [patchify_video(sample.medium.frames, FRAMES) for sample in samples if isinstance(sample.medium, Video)]
        grid, merged = media[0].grid, media[0].merged_grid
        with torch.no_grad():
            states = self._see(torch.from_numpy(np.stack([patches.pixels for patches in media])), grid).bfloat16()
        kept = self._clips.setdefault(key, [])
        for sample, state in zip(samples, states, strict=True):
            assert sample.clip
            seen = Seen(grid, merged, state, film([sample.clip], merged).to(torch.int8))
            kept.append(replace(sample, medium=Video([], sample.clip.times), seen=seen))
        self._made[key] += len(samples)
        del kept[:-MOST]
