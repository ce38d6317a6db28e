"""Closer looks at what a first look found: each edge again, in a window a few frames wide and so at a higher rate.

That goes on until the wanted resolution or single frames are reached, or a look brings nothing more. A close look may
see that an edge is not there: it holds all the time, or never. Then the edge is looked for in wider windows, further
out or further in, until one shows it, or two beside each other have it between them. What no look sees again was
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ernie_cli.tasks.findings import EPSILON, Found, Look, Plan, Window, found_in

REACH = 2.0  # how far around an edge to look again, in frames of the last look
NEAR = 1.5  # how far an edge may lie from where it was seen before, in frames of that look
GAIN = 0.75  # a look that is not at least so much finer is not worth it
ROUNDS = 8
CLOSE_UP = 4  # times the least number of frames, at most, to look at an edge
WIDER = 4  # windows, at most, in which to look for an edge that is not where it was seen


@dataclass(frozen=True)
class CloseUp:
    """A look for an edge. `edge` is the one that it shows, if any, `holds` whether there was anything at all.

    `outermost` is the time of its first frame for a start, and of its last for an end, and `goes_on` whether it holds
    there, so that the edge is further out. `spacing_s` is infinite if the answer was not whole: then it tells nothing.
    """

    edge: float | None
    holds: bool
    goes_on: bool
    outermost: float
    spacing_s: float


@dataclass
class Refiner:
    """Refines findings of one search: `look` shows so many frames of a window to the model and says what was seen."""

    look: Look
    plan: Plan

    def refined(self, one: Found) -> list[Found]:
        """The same, seen more closely; a short one may turn out to be several, and any one to be nothing."""
        for _ in range(ROUNDS):
            target = self.plan.target_s
            if one.resolution_s <= target:
                break
            if one.end_s - one.start_s <= 2 * REACH * one.resolution_s:
                closer = self._whole(one)
                if len(closer) != 1:
                    return [finer for part in closer for finer in self.refined(part)]
                if closer[0].resolution_s > GAIN * one.resolution_s:
                    break
                one = closer[0]
                continue
            finer: Found | None = one
            if one.start_res_s > target:
                finer = self._edge(one, start=True)
            if finer and one.end_res_s > target:
                finer = self._edge(finer, start=False)
            if finer is None:
                return []
            if finer == one:
                break
            one = finer
        return [one]

    def _whole(self, one: Found) -> list[Found]:
        """All of a short one in one window."""
        reach = one.resolution_s
        window = self._window(one.start_s, one.end_s, reach)
        seen = self.look(one.event, window, self._frames(window))
        if not seen.complete or seen.spacing_s > GAIN * one.resolution_s:
            return [one]
        near = [span for span in seen.spans if span[1] >= one.start_s - reach and span[0] <= one.end_s + reach]
        parts = [found_in(one.event, span, seen, window, self.plan.span) for span in near]
        if not parts:
            return []
        # Where the closer window was itself too narrow, the edge seen before still holds.
        first, last = parts[0], parts[-1]
        if first.cut[0]:
            parts[0] = replace(first, start_s=min(one.start_s, first.start_s), start_res_s=one.start_res_s)
        if last.cut[1]:
            last = parts[-1]
            parts[-1] = replace(last, end_s=max(one.end_s, last.end_s), end_res_s=one.end_res_s)
        return [replace(part, cut=(False, False)) for part in parts]

    def _edge(self, one: Found, *, start: bool) -> Found | None:
        """The same with one edge seen more closely, if it can be; None if nothing of it is seen any more."""
        at, coarse = (one.start_s, one.start_res_s) if start else (one.end_s, one.end_res_s)
        window = self._window(at, at, coarse)
        closer = self._close_up(one.event, window, self._frames(window), at, start=start)
        if closer.spacing_s <= GAIN * coarse and (closer.edge is None or abs(closer.edge - at) > NEAR * coarse):
            wider = self._elsewhere(one, at, coarse, start=start)
            if wider is None:
                return None
            closer = wider
        if closer.edge is None or closer.spacing_s > GAIN * coarse:
            return one
        if start:
            return replace(one, start_s=min(closer.edge, one.end_s), start_res_s=closer.spacing_s)
        return replace(one, end_s=max(closer.edge, one.start_s), end_res_s=closer.spacing_s)

    def _elsewhere(self, one: Found, at: float, coarse: float, *, start: bool) -> CloseUp | None:
        """An edge that is not where it was seen, in wider looks: around that, then further out or in.

        None if nothing is seen all the way in.
        """
        width, out = self.plan.most * coarse / 2, -1 if start else 1
        far = one.end_s if start else one.start_s
        went, held, seen = 0, None, False
        for _ in range(WIDER):
            window = max(at - width / 2, self.plan.span[0]), min(at + width / 2, self.plan.span[1])
            closer = self._close_up(one.event, window, self.plan.most, at, start=start)
            seen = seen or closer.holds
            if closer.edge is not None or closer.spacing_s > GAIN * coarse:
                return closer
            held = closer if closer.goes_on else held
            way = out if closer.goes_on else -out
            if way == -went:
                assert held
                return replace(held, edge=held.outermost)  # it holds up to the end of one window, and not in the next
            at, went = at + way * width, way
            if way == -out and out * (far - at) > width / 2:
                return closer if seen else None
        return closer

    def _close_up(self, event: str, window: Window, count: int, at: float, *, start: bool) -> CloseUp:
        """A look for an edge near a time. One that a window cuts off is none, but where the clip itself ends."""
        seen = self.look(event, window, count)
        parts = [found_in(event, span, seen, window, self.plan.span) for span in seen.spans]
        edges = [part.start_s if start else part.end_s for part in parts if not part.cut[0 if start else 1]]
        return CloseUp(
            min(edges, key=lambda edge: abs(edge - at), default=None),
            bool(parts),
            any(part.cut[0 if start else 1] for part in parts),
            seen.times[0] if start else seen.times[-1],
            seen.spacing_s if seen.complete else math.inf,
        )

    def _window(self, start_s: float, end_s: float, reach_s: float) -> Window:
        """Around something, as far as an edge may be off, and wide enough to hold the frames of one look."""
        around = max(REACH * reach_s, (self.plan.least * self.plan.frame_s - (end_s - start_s)) / 2)
        return max(start_s - around, self.plan.span[0]), min(end_s + around, self.plan.span[1])

    def _frames(self, window: Window) -> int:
        """How many frames of a narrow window to look at."""
        frame_s = self.plan.frame_s
        step = max(math.floor(self.plan.resolution_s / frame_s + EPSILON), 1) * frame_s  # whole frames
        wanted = math.ceil((window[1] - window[0]) / step - EPSILON)
        return min(max(wanted, self.plan.least), CLOSE_UP * self.plan.least, max(self.plan.most, self.plan.least))
