"""Closer looks at what a first look found: each edge again, in a window a few frames wide and so at a higher rate.

That goes on until the wanted resolution or single frames are reached, or a look brings nothing more. A close look may
see that an edge is not there: it holds all the time, or never. Then the edge is looked for in wider windows, further
out or further in, until one shows it, or two beside each other have it between them. What no look sees again was
nothing. And a close look may see a gap further in: if another look, at the other side of that gap, agrees, then what
seemed to be one are two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ernie_cli.tasks.findings import EPSILON, Found, Look, Plan, Seen, Window, found_in

REACH = 2.0  # how far around an edge to look again, in frames of the last look
NEAR = 1.5  # how far an edge may lie from where it was seen before, in frames of that look
GAIN = 0.75  # a look that is not at least so much finer is not worth it
ROUNDS = 8
CLOSE_UP = 4  # times the least number of frames, at most, to look at an edge
WIDER = 4  # windows, at most, in which to look for an edge that is not where it was seen
PARTS = 3  # how often one may turn out to be two


@dataclass(frozen=True)
class CloseUp:
    """A look for an edge. `edge` is the one that it shows, if any, `holds` whether there was anything at all.

    `outermost` is the time of its first frame for a start, and of its last for an end, and `goes_on` whether it holds
    there, so that the edge is further out. `gaps` are those further in, from the outermost: where it ceases to hold,
    seen from outside, and where it holds again, or the innermost frame. `spacing_s` is infinite if the answer was not
    whole: then it tells nothing.
    """

    edge: float | None
    holds: bool
    goes_on: bool
    outermost: float
    gaps: tuple[Window, ...]
    spacing_s: float


@dataclass
class Refiner:
    """Refines findings of one search: `look` shows so many frames of a window to the model and says what was seen."""

    look: Look
    plan: Plan

    def refined(self, one: Found, parts: int = PARTS) -> list[Found]:
        """The same, seen more closely; any one may turn out to be several, `parts` times, or to be nothing."""
        for _ in range(ROUNDS):
            target = self.plan.target_s
            if one.resolution_s <= target:
                break
            if one.end_s - one.start_s <= 2 * REACH * one.resolution_s:
                closer = self._whole(one)
                if len(closer) != 1:
                    # A part that is no finer would be looked at again and again, a little further along each time.
                    enough = GAIN * one.resolution_s
                    again = [self.refined(part, parts) if part.resolution_s <= enough else [part] for part in closer]
                    return [finer for found in again for finer in found]
                before, one = one, closer[0]
                if one.resolution_s > GAIN * before.resolution_s and _lies_in(one, before):
                    return [before]
                continue
            finer = [one]
            if one.start_res_s > target:
                finer = self._edge(one, parts, start=True)
            if len(finer) == 1 and one.end_res_s > target:
                finer = self._edge(finer[0], parts, start=False)
            if len(finer) != 1:
                return [closer for part in finer for closer in self.refined(part, parts - 1)]
            if finer == [one]:
                break
            (one,) = finer
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
        return parts

    def _edge(self, one: Found, parts: int, *, start: bool) -> list[Found]:
        """The same with one edge seen more closely, if it can be; nothing if nothing of it is seen any more.

        Or two, if a gap is seen and `parts` are left.
        """
        at, coarse = (one.start_s, one.start_res_s) if start else (one.end_s, one.end_res_s)
        closer = self._close_up(one.event, at, coarse, start=start)
        tried = [closer]
        if closer.spacing_s <= GAIN * coarse and (closer.edge is None or abs(closer.edge - at) > NEAR * coarse):
            found = self._elsewhere(one, at, coarse, tried, start=start)
            if found is None:
                return []
            closer = found
        for seen in tried if parts else ():
            if two := self._parted(one, seen, at, coarse, start=start):
                return two
        if closer.edge is None or closer.spacing_s > GAIN * coarse:
            return [one]
        return [_with_edge(one, closer.edge, closer.spacing_s, start=start)]

    def _parted(self, one: Found, seen: CloseUp, at: float, coarse: float, *, start: bool) -> list[Found]:
        """Both parts of one in which a look has seen a gap, in order of time; nothing if another does not agree.

        The other looks where the inner part would begin, and looks on if it does not hold there either.
        """
        far, inward = (one.end_s, 1) if start else (one.start_s, -1)
        inside = ((out, back) for out, back in seen.gaps if NEAR * coarse < inward * (back - at) < inward * (far - at))
        out, back = next(inside, (at, at))
        if out == back or seen.spacing_s > GAIN * coarse:
            return []

        def agrees(closer: CloseUp) -> bool:
            return (
                closer.edge is not None
                and closer.spacing_s <= GAIN * coarse
                and inward * (closer.edge - out) > max(closer.spacing_s, seen.spacing_s)
            )

        closer = self._close_up(one.event, back, coarse, start=start)
        if not agrees(closer) and (not closer.holds or closer.gaps):
            closer = self._elsewhere(one, back, coarse, [], start=start) or closer
        if closer.edge is None or not agrees(closer):
            return []
        inner = _with_edge(one, closer.edge, closer.spacing_s, start=start)
        outer = _with_edge(one, out, seen.spacing_s, start=not start)
        if seen.edge is not None and inward * (out - seen.edge) >= 0:
            outer = _with_edge(outer, seen.edge, seen.spacing_s, start=start)
        elif seen.goes_on:
            outer = _with_edge(outer, seen.outermost, coarse, start=start)
        return [outer, inner] if start else [inner, outer]

    def _elsewhere(self, one: Found, at: float, coarse: float, tried: list[CloseUp], *, start: bool) -> CloseUp | None:
        """An edge that is not where it was seen, in wider looks: around that, then further out or in.

        None if nothing is seen all the way in. All looks are added to those that were `tried`.
        """
        width, out = self.plan.most * coarse / 2, -1 if start else 1
        far = one.end_s if start else one.start_s
        went, held, seen = 0, None, False
        for _ in range(WIDER):
            window = max(at - width / 2, self.plan.span[0]), min(at + width / 2, self.plan.span[1])
            closer = self._shown(one.event, window, self.plan.most, at, start=start)
            tried.append(closer)
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

    def _close_up(self, event: str, at: float, coarse: float, *, start: bool) -> CloseUp:
        """A close look for an edge that was seen at a time."""
        window = self._window(at, at, coarse)
        return self._shown(event, window, self._frames(window), at, start=start)

    def _shown(self, event: str, window: Window, count: int, at: float, *, start: bool) -> CloseUp:
        """A look for an edge near a time. One that a window cuts off is none, but where the clip itself ends."""
        seen = self.look(event, window, count)
        parts = [found_in(event, span, seen, window, self.plan.span) for span in seen.spans]
        edges = [part.start_s if start else part.end_s for part in parts if not part.cut[0 if start else 1]]
        return CloseUp(
            min(edges, key=lambda edge: abs(edge - at), default=None),
            bool(parts),
            any(part.cut[0 if start else 1] for part in parts),
            seen.times[0] if start else seen.times[-1],
            _gaps(seen, start=start),
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


def _gaps(seen: Seen, *, start: bool) -> tuple[Window, ...]:
    """The gaps of a look further in than what is outermost in it, as `CloseUp` has them."""
    spans: list[Window] = []
    for first, last in sorted(seen.spans):
        if spans and first <= spans[-1][1]:  # an answer may tell of one thing twice
            spans[-1] = spans[-1][0], max(last, spans[-1][1])
        else:
            spans.append((first, last))
    if not start:
        spans = [(last, first) for first, last in reversed(spans)]
    begins = [first for first, _ in spans[1:]] + [seen.times[-1] if start else seen.times[0]]
    gaps = [(last, begin) for (_, last), begin in zip(spans, begins, strict=False)]
    return tuple(gap for gap in gaps if abs(gap[1] - gap[0]) > seen.spacing_s + EPSILON)


def _with_edge(one: Found, edge: float, spacing_s: float, *, start: bool) -> Found:
    """The same with another start, or end, seen in frames so far apart: never behind its end, or before its start."""
    if start:
        return replace(one, start_s=edge, start_res_s=spacing_s, end_s=max(edge, one.end_s))
    return replace(one, end_s=edge, end_res_s=spacing_s, start_s=min(edge, one.start_s))


def _lies_in(one: Found, other: Found) -> bool:
    return one.start_s >= other.start_s - EPSILON and one.end_s <= other.end_s + EPSILON
