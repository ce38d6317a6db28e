"""The search through time: from a first look at all of a clip to the edges of what happens in it.

Pure logic. Who looks is given as a function: it shows so many frames of a window to the model and says what was seen.
Long clips are gone through in windows that overlap; then every edge is looked at again, in a window a few frames wide
and so at a higher rate, until the wanted resolution or single frames are reached, or a look brings nothing more.

All times are seconds in the clip. The time resolution of an edge is the distance of the frames it was seen in. What was
found at any moment is in `Search.found`, so that an interruption loses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

Window: TypeAlias = tuple[float, float]

EPSILON = 1e-6
OVERLAP = 0.1  # of a window
REACH = 2.0  # how far around an edge to look again, in frames of the last look
GAIN = 0.75  # a look that is not at least so much finer is not worth it
ROUNDS = 8
CLOSE_UP = 4  # times the least number of frames, at most, to look at an edge


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


def windows(plan: Plan) -> list[Window]:
    """Windows of equal length over the span, each short enough for one look, and each overlapping the next."""
    start, end = plan.span
    length = plan.most / plan.fps
    if end - start <= length + EPSILON:
        return [plan.span]
    overlap = min(max(OVERLAP * length, 4 / plan.fps), length / 2)
    count = math.ceil((end - start - overlap) / (length - overlap) - EPSILON)
    step = (end - start - length) / (count - 1)
    return [(start + place * step, start + place * step + length) for place in range(count)]


@dataclass
class Search:
    """One search for some events. `run` fills `found`; `told` is called first and after every look."""

    look: Look
    plan: Plan
    events: Sequence[str]
    told: Callable[[Search], None] = lambda search: None
    found: list[Found] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    windows_done: int = 0
    looks: int = 0
    complete: bool = True

    def run(self) -> None:
        """First all windows, then all edges. Whatever `look` raises ends it, and leaves what was found."""
        self.windows = windows(self.plan)
        self.told(self)
        for window in self.windows:
            for event in self.events:
                seen = self._look(event, window, self._count(window))
                self.found = merge([*self.found, *_findings(event, seen, window, self.plan.span)], seen.spacing_s)
                self.told(self)
            self.windows_done += 1
        for one in list(self.found):
            finer = self._refined(one)
            at = self.found.index(one)
            self.found[at : at + 1] = finer
        self.found = merge(self.found, 0.0)

    def _count(self, window: Window) -> int:
        wanted = math.ceil((window[1] - window[0]) * self.plan.fps - EPSILON)
        return min(max(wanted, self.plan.least), self.plan.most)

    def _look(self, event: str, window: Window, count: int) -> Seen:
        seen = self.look(event, window, count)
        self.looks += 1
        self.complete = self.complete and seen.complete
        return seen

    def _refined(self, one: Found) -> list[Found]:
        """The same, seen more closely; a short one may turn out to be several."""
        for _ in range(ROUNDS):
            target = self.plan.target_s
            if one.resolution_s <= target:
                break
            if one.end_s - one.start_s <= 2 * REACH * one.resolution_s:
                closer = self._closer(one)
                if len(closer) != 1:
                    return [finer for part in closer for finer in self._refined(part)] or [one]
                if closer[0].resolution_s > GAIN * one.resolution_s:
                    break
                one = closer[0]
                continue
            finer = one
            if one.start_res_s > target:
                finer = self._edge(finer, start=True)
            if one.end_res_s > target:
                finer = self._edge(finer, start=False)
            if finer == one:
                break
            one = finer
        return [one]

    def _closer(self, one: Found) -> list[Found]:
        """All of a short one in one window."""
        reach = one.resolution_s
        window = self._window(one.start_s, one.end_s, reach)
        seen = self._look(one.event, window, self._close_up(window))
        self.told(self)
        if seen.spacing_s > GAIN * one.resolution_s:
            return [one]
        near = [span for span in seen.spans if span[1] >= one.start_s - reach and span[0] <= one.end_s + reach]
        parts = [_found(one.event, span, seen, window, self.plan.span) for span in near]
        if not parts:
            return [one]
        # Where the closer window was itself too narrow, the edge seen before still holds.
        first, last = parts[0], parts[-1]
        if first.cut[0]:
            parts[0] = replace(first, start_s=min(one.start_s, first.start_s), start_res_s=one.start_res_s)
        if last.cut[1]:
            last = parts[-1]
            parts[-1] = replace(last, end_s=max(one.end_s, last.end_s), end_res_s=one.end_res_s)
        return [replace(part, cut=(False, False)) for part in parts]

    def _edge(self, one: Found, *, start: bool) -> Found:
        """The same with one edge seen more closely, if it can be."""
        at, coarse = (one.start_s, one.start_res_s) if start else (one.end_s, one.end_res_s)
        window = self._window(at, at, coarse)
        seen = self._look(one.event, window, self._close_up(window))
        self.told(self)
        parts = [_found(one.event, span, seen, window, self.plan.span) for span in seen.spans]
        edges = [part.start_s if start else part.end_s for part in parts if not part.cut[0 if start else 1]]
        near = [edge for edge in edges if abs(edge - at) <= 1.5 * coarse]
        if seen.spacing_s > GAIN * coarse or not near:
            return one
        best = min(near, key=lambda edge: abs(edge - at))
        if start:
            return replace(one, start_s=min(best, one.end_s), start_res_s=seen.spacing_s)
        return replace(one, end_s=max(best, one.start_s), end_res_s=seen.spacing_s)

    def _window(self, start_s: float, end_s: float, reach_s: float) -> Window:
        """Around something, as far as an edge may be off, and wide enough to hold the frames of one look."""
        around = max(REACH * reach_s, (self.plan.least * self.plan.frame_s - (end_s - start_s)) / 2)
        return max(start_s - around, self.plan.span[0]), min(end_s + around, self.plan.span[1])

    def _close_up(self, window: Window) -> int:
        frame_s = self.plan.frame_s
        step = max(math.floor(self.plan.resolution_s / frame_s + EPSILON), 1) * frame_s  # whole frames
        wanted = math.ceil((window[1] - window[0]) / step - EPSILON)
        return min(max(wanted, self.plan.least), CLOSE_UP * self.plan.least, max(self.plan.most, self.plan.least))


def _findings(event: str, seen: Seen, window: Window, span: Window) -> list[Found]:
    return [_found(event, one, seen, window, span) for one in seen.spans]


def _found(event: str, one: Window, seen: Seen, window: Window, span: Window) -> Found:
    """A span that was seen; what begins with a window's first frame may have begun before, but not before the clip."""
    cut = (
        window[0] > span[0] + EPSILON and one[0] <= seen.times[0] + EPSILON,
        window[1] < span[1] - EPSILON and one[1] >= seen.times[-1] - EPSILON,
    )
    return Found(event, one[0], one[1], seen.spacing_s, seen.spacing_s, cut)


def merge(found: Sequence[Found], gap_s: float) -> list[Found]:
    """In order of time; those of one event that overlap or touch made one.

    Where windows cut one off, a gap of `gap_s` between the two parts is none: nobody looked in between.
    """
    merged: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start_s, one.end_s)):
        at = next((at for at in reversed(range(len(merged))) if merged[at].event == one.event), None)
        if at is not None:
            last = merged[at]
            gap = gap_s if last.cut[1] or one.cut[0] else 0.0
            if one.start_s <= last.end_s + gap + EPSILON:
                merged[at] = _joined(last, one)
                continue
        merged.append(one)
    return merged


def _joined(last: Found, one: Found) -> Found:
    """Two that overlap, or touch, as one: from the first start to the last end, but for edges that a window cut off.

    What goes on from before a window and ends in it was seen to end there, whatever a window ahead of it made of its
    last frames; and so with starts.
    """
    starts = one if last.cut[0] and one.cut == (False, True) else last
    if one.end_s > last.end_s:
        ends = last if one.cut[1] and last.cut == (True, False) else one
    else:
        ends = one if last.cut[1] and one.cut == (True, False) else last
    return Found(
        last.event, starts.start_s, ends.end_s, starts.start_res_s, ends.end_res_s, (starts.cut[0], ends.cut[1])
    )
