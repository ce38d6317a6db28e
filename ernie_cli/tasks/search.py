"""The search through time: from a first look at all of a clip to the edges of what happens in it.

Pure logic. Who looks is given as a function: it shows so many frames of a window to the model and says what was seen.
Long clips are gone through in windows that overlap; then every edge is looked at again, more closely (`refine.py`).
What was not found at all is looked for once more, in windows half as long: in many frames, few are easily overlooked.

All times are seconds in the clip. The time resolution of an edge is the distance of the frames it was seen in. What was
found at any moment is in `Search.found`, so that an interruption loses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ernie_cli.tasks.findings import EPSILON, Found, Look, Plan, Seen, Window, found_in
from ernie_cli.tasks.refine import GAIN, Refiner

OVERLAP = 0.1  # of a window


def windows(plan: Plan, length: float = math.inf) -> list[Window]:
    """Windows of equal length over the span, each short enough for one look, and each overlapping the next.

    None is longer than `length`, in seconds.
    """
    start, end = plan.span
    length = min(length, plan.most / plan.fps)
    if end - start <= length + EPSILON:
        return [plan.span]
    overlap = min(max(OVERLAP * length, 4 / plan.fps), length / 2)
    count = max(math.ceil((end - start - overlap) / (length - overlap) - EPSILON), 2)
    step = (end - start - length) / (count - 1)
    return [(start + place * step, start + place * step + length) for place in range(count)]


@dataclass
class Search:
    """One search for some events. `run` fills `found`; `told` is called first and after every look.

    With `again`, what is not found is looked for once more. Events that are given twice are one. `windows` are all that
    were to be looked at so far, `closer_looks` those of all `looks` that were for edges.
    """

    look: Look
    plan: Plan
    events: Sequence[str]
    told: Callable[[Search], None] = lambda search: None
    again: bool = True
    found: list[Found] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    windows_done: int = 0
    looks: int = 0
    closer_looks: int = 0
    complete: bool = True
    _seen: dict[tuple[str, Window, int], Seen] = field(default_factory=dict)

    def run(self) -> None:
        """First all windows, then all edges. Whatever `look` raises ends it, and leaves what was found."""
        events = list(dict.fromkeys(self.events))
        first = windows(self.plan)
        self._pass(events, first)
        if self.again and (missing := [event for event in events if all(one.event != event for one in self.found)]):
            self._pass(missing, self._shorter(first[0][1] - first[0][0]))

    def _shorter(self, length: float) -> list[Window]:
        """Windows for another pass, half as long as those of the first; none where these held few frames already."""
        least, look = self.plan.least / self.plan.fps, self.plan.most / self.plan.fps
        shorter = max(length / 2, least)
        return windows(self.plan, shorter) if length > look / 2 + EPSILON and shorter <= GAIN * length else []

    def _pass(self, events: Sequence[str], parts: Sequence[Window]) -> None:
        """Looks for events in some windows, and then at the edges of what is found."""
        self.windows += parts
        self.told(self)
        for window in parts:
            for event in events:
                seen = self._look(event, window, self._count(window))
                new = [found_in(event, one, seen, window, self.plan.span) for one in seen.spans]
                self.found = merge([*self.found, *new], seen.spacing_s)
                self.told(self)
            self.windows_done += 1
        refiner = Refiner(self._look_again, self.plan)
        for one in [one for one in self.found if one.event in events]:
            # What was looked at closely is no part of anything that another window has seen, unless they overlap.
            finer = [replace(part, cut=(False, False)) for part in refiner.refined(one)]
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

    def _look_again(self, event: str, window: Window, count: int) -> Seen:
        """A closer look, once: another one would show the same."""
        asked = event, window, count
        if asked not in self._seen:
            self._seen[asked] = self._look(event, window, count)
            self.closer_looks += 1
            self.told(self)
        return self._seen[asked]


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
