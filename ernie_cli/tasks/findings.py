"""What a search through time is told to do, what one look at a clip saw, and what was found.

Pure data. All times are seconds in the clip. The time resolution of an edge is the distance of the frames it was seen
in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Window: TypeAlias = tuple[float, float]

EPSILON = 1e-6


@dataclass(frozen=True)
class Seen:
    """What one look saw: (start, end) pairs, the frames' times, and the longest gap between two of them."""

    spans: tuple[Window, ...]
    times: tuple[float, ...]
    spacing_s: float
    complete: bool = True


Look: TypeAlias = Callable[[str, Window, int], Seen]


@dataclass(frozen=True)
class Plan:
    """What to search: `span` of the clip at `fps` first, then down to `resolution_s`; `frame_s` is a frame's length.

    A look takes at least `least` frames, which is what the model was trained on, and at most `most`.
    """

    span: Window
    fps: float
    least: int
    most: int
    resolution_s: float
    frame_s: float

    @property
    def target_s(self) -> float:
        """Where to stop: the wanted resolution, but never finer than the clip's frames.

        Frames of a first look that are to be 0.5 s apart are now and then a frame further apart; if that was the
        resolution that was wanted, it is no reason to look again.
        """
        enough = 1 / self.fps <= self.resolution_s + EPSILON
        return (self.resolution_s + self.frame_s if enough else max(self.resolution_s, self.frame_s)) + 1e-3


@dataclass(frozen=True)
class Found:
    """One thing that happens. Each edge has the resolution it was seen at; `cut` tells which one a window cut off."""

    event: str
    start_s: float
    end_s: float
    start_res_s: float
    end_res_s: float
    cut: tuple[bool, bool] = (False, False)

    @property
    def resolution_s(self) -> float:
        return max(self.start_res_s, self.end_res_s)


def found_in(event: str, one: Window, seen: Seen, window: Window, span: Window) -> Found:
    """A span that was seen; what begins with a window's first frame may have begun before, but not before the clip."""
    cut = (
        window[0] > span[0] + EPSILON and one[0] <= seen.times[0] + EPSILON,
        window[1] < span[1] - EPSILON and one[1] >= seen.times[-1] - EPSILON,
    )
    return Found(event, one[0], one[1], seen.spacing_s, seen.spacing_s, cut)
