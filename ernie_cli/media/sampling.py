"""Which frames of a clip the model gets to see: even in time, as it was trained.

Twice a second, at least 16 and at most 180, at equal intervals, of each interval the frame that is shown as it begins.
Pure arithmetic on the times of frames.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

EPSILON = 1e-6  # seconds; times are sums of fractions
PRINTED = 5.1e-4  # seconds: a time that was printed, and so rounded to a millisecond, still means its own frame


@dataclass(frozen=True)
class Sampling:
    """How densely to look: `fps` frames a second, but at least `least` and at most `most` of them."""

    fps: float = 2.0
    least: int = 16
    most: int = 180


@dataclass(frozen=True)
class Span:
    """A part of a clip, in seconds from its first frame."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


def choose(times: Sequence[float], span: Span, sampling: Sampling, cuts: Sequence[float] = ()) -> list[int]:
    """The places, ascending, of the frames to look at; `times` are those of all frames, ascending, in seconds.

    With `cuts`, every shot that would get no frame gets its first one, if another shot has one to spare.
    """
    first = max(bisect_right(times, span.start_s + PRINTED) - 1, 0)
    last = max(bisect_left(times, span.end_s - PRINTED), first + 1)
    count = min(max(math.ceil(span.length_s * sampling.fps - EPSILON), sampling.least), sampling.most)
    if last - first <= count:
        return list(range(first, last))
    step = span.length_s / count
    shown = (bisect_right(times, span.start_s + place * step + EPSILON) - 1 for place in range(count))
    chosen = sorted({max(place, first) for place in shown})
    return _fill_shots(chosen, times, cuts, last)


def _fill_shots(chosen: list[int], times: Sequence[float], cuts: Sequence[float], end: int) -> list[int]:
    """The same number of frames, with one in every shot that begins before the place `end`, where that can be."""
    bounds = [bisect_left(times, cut - EPSILON) for cut in cuts]
    shots = [bisect_right(bounds, place) for place in chosen]
    begun = bisect_left(bounds, end)
    empty = [shot for shot in range(shots[0], begun + 1) if shot not in set(shots)]
    kept = list(chosen)
    for shot in empty:
        spare = max(set(shots), key=shots.count)
        if shots.count(spare) < 2:
            break
        at = shots.index(spare) + 1  # its first frame stays
        kept[at], shots[at] = bounds[shot - 1], shot
    return sorted(kept)
