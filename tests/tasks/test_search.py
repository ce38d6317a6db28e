"""The search through time, with an eye that sees exactly what happens in the frames it is shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from ernie_cli.tasks.findings import Found, Plan, Seen, Window
from ernie_cli.tasks.search import Search, merge, windows

FPS = 25.0


def plan(
    duration: float, *, resolution: float = 0.0, fps: float = 2.0, most: int = 180, frame_s: float = 1 / FPS
) -> Plan:
    return Plan((0.0, duration), fps, 16, most, resolution, frame_s)


@dataclass
class Eye:
    """Sees for each event when it holds, in the frames of a look; `looks` are what it was shown."""

    events: dict[str, list[Window]]
    looks: list[tuple[Window, int]] = field(default_factory=list)
    duration: float = 1e9

    def __call__(self, event: str, window: Window, count: int) -> Seen:
        self.looks.append((window, count))
        step = (window[1] - window[0]) / count
        shown = [math.floor((window[0] + place * step) * FPS + 1e-6) / FPS for place in range(count)]
        times = sorted(set(shown))
        spans = [
            (held[0], held[-1])
            for start, end in self.events[event]
            if (held := [time for time in times if start <= time < end])
        ]
        gaps = [b - a for a, b in pairwise(times) if b - a > 1.5 / FPS]
        return Seen(tuple(spans), tuple(times), max(gaps, default=1 / FPS))


def search(eye: Eye, plan: Plan, told: Callable[[Search], None] = lambda search: None) -> Search:
    found = Search(eye, plan, list(eye.events), told)
    found.run()
    return found


def spans(found: Sequence[Found]) -> list[Window]:
    return [(one.start_s, one.end_s) for one in found]


def test_a_short_clip_is_one_look_when_that_is_enough() -> None:
    eye = Eye({"a": [(4.4, 7.2)]})
    found = search(eye, plan(12, resolution=0.5))
    assert spans(found.found) == [(4.48, 7.0)]
    assert found.found[0].resolution_s == pytest.approx(0.52)  # every 12th or 13th frame
    assert eye.looks == [((0.0, 12.0), 24)]
    assert found.complete


@pytest.mark.parametrize("event", [(4.52, 7.2), (0.0, 3.0), (8.0, 12.0), (0.0, 12.0), (5.01, 5.9), (11.2, 12.0)])
def test_edges_are_found_to_the_frame(event: Window) -> None:
    found = search(Eye({"a": [event]}), plan(12))
    (one,) = found.found
    assert one.resolution_s == pytest.approx(1 / FPS, abs=1e-3) or event == (0.0, 12.0)
    first, last = math.ceil(event[0] * FPS - 1e-6) / FPS, (math.ceil(event[1] * FPS - 1e-6) - 1) / FPS
    assert one.start_s == pytest.approx(first, abs=1.01 / FPS)
    assert one.end_s == pytest.approx(last, abs=max(1.01 / FPS, 0.5 * (event[1] == 12.0)))


def test_a_wanted_resolution_is_reached_and_not_much_more() -> None:
    eye = Eye({"a": [(33.3, 48.1)]})
    (one,) = search(eye, plan(90, resolution=0.1)).found
    assert one.resolution_s <= 0.11
    assert abs(one.start_s - 33.3) <= 0.11
    assert abs(one.end_s - 48.1) <= 0.15
    assert len(eye.looks) <= 7


def test_a_long_clip_is_gone_through_in_overlapping_windows() -> None:
    long = plan(3600, resolution=0.5)
    parts = windows(long)
    assert parts[0][0] == 0
    assert parts[-1][1] == pytest.approx(3600)
    assert all(end - start <= 90.0 + 1e-6 for start, end in parts)
    assert all(a[1] - b[0] >= 2.0 for a, b in pairwise(parts))
    seams = [(a[1] + b[0]) / 2 for a, b in pairwise(parts)]
    events = [(seams[3] - 1, seams[3] + 1), (1000.0, 1002.0), (2000.0, 2300.0), (3599.0, 3600.0)]
    found = search(Eye({"a": events}), long)
    assert len(found.found) == len(events)
    for one, (start, end) in zip(found.found, events, strict=True):
        assert abs(one.start_s - start) <= 0.55
        assert abs(one.end_s - end) <= 1.05


@pytest.mark.parametrize("at", [7.0, 123.4, 311.1, 598.0])
def test_two_seconds_in_ten_minutes(at: float) -> None:
    (one,) = search(Eye({"a": [(at, at + 2)]}), plan(600)).found
    assert one.start_s == pytest.approx(at, abs=1.01 / FPS)
    assert one.end_s == pytest.approx(at + 2, abs=2.01 / FPS)


def test_a_sparse_first_look_is_refined() -> None:
    (one,) = search(Eye({"a": [(40.0, 63.0)]}), plan(600, fps=0.25)).found
    assert one.start_s == pytest.approx(40.0, abs=1.01 / FPS)
    assert one.end_s == pytest.approx(63.0, abs=2.01 / FPS)


def test_what_looks_like_one_from_afar_may_be_two() -> None:
    found = search(Eye({"a": [(5.0, 5.4), (5.9, 6.3)]}), plan(60, fps=1.0))
    assert len(found.found) == 2


def test_several_events_are_kept_apart() -> None:
    found = search(Eye({"a": [(1.0, 3.0)], "b": [(2.0, 9.0)]}), plan(12, resolution=0.5))
    assert [one.event for one in found.found] == ["a", "b"]


def test_few_frames_a_look() -> None:
    eye = Eye({"a": [(4.52, 7.2)]})
    (one,) = search(eye, plan(12, most=16)).found
    assert max(count for _, count in eye.looks) == 16
    assert one.start_s == pytest.approx(4.52, abs=1.01 / FPS)


def mistaken(eye: Eye, *first: tuple[Window, ...]) -> Callable[[str, Window, int], Seen]:
    """The same eye, but what its first looks see is given."""

    def look(event: str, window: Window, count: int) -> Seen:
        seen = eye(event, window, count)
        return replace(seen, spans=first[len(eye.looks) - 1]) if len(eye.looks) <= len(first) else seen

    return look


@pytest.mark.parametrize("seen", [(4.5, 7.0), (1.0, 9.0)])
def test_what_no_closer_look_sees_was_nothing(seen: Window) -> None:
    found = Search(mistaken(Eye({"a": []}), (seen,)), plan(12), ["a"])
    found.run()
    assert found.found == []


@pytest.mark.parametrize("seen", [(4.5, 7.0), (1.0, 9.0)])
def test_a_closer_look_whose_answer_is_not_whole_tells_nothing(seen: Window) -> None:
    look = mistaken(Eye({"a": []}), (seen,))
    looks: list[Window] = []

    def broken(event: str, window: Window, count: int) -> Seen:
        looks.append(window)
        return replace(look(event, window, count), complete=len(looks) == 1)

    found = Search(broken, plan(12), ["a"])
    found.run()
    assert spans(found.found) == [seen]
    assert not found.complete


@pytest.mark.parametrize("event", [(11.7, 40.0), (0.0, 5.3), (7.2, 16.8), (2.0, 33.3)])
@pytest.mark.parametrize("seen", [(0.0, 39.5), (8.0, 15.5), (3.0, 25.0)])
def test_an_edge_that_is_not_where_it_was_seen_is_looked_for(event: Window, seen: Window) -> None:
    eye = Eye({"a": [event]})
    found = Search(mistaken(eye, (seen,)), plan(40, most=80), ["a"])
    found.run()
    assert len(eye.looks) == len(set(eye.looks)) < 20
    (one,) = found.found
    assert one.start_s == pytest.approx(event[0], abs=1.01 / FPS)
    assert one.end_s == pytest.approx(event[1], abs=2.01 / FPS)


@pytest.mark.parametrize(
    ("events", "seen"),
    [
        ([(0.4, 26.8), (28.9, 33.4)], (2.0, 28.5)),
        ([(0.4, 26.8), (28.9, 33.4)], (0.5, 28.5)),
        ([(0.0, 4.5), (11.1, 20.4)], (0.0, 10.0)),
        ([(1.0, 4.2), (5.6, 30.0)], (3.0, 29.5)),
        ([(1.0, 4.2), (5.6, 30.0)], (4.5, 29.5)),
    ],
)
def test_a_gap_that_a_closer_look_sees(events: list[Window], seen: Window) -> None:
    eye = Eye({"a": events})
    found = Search(mistaken(eye, (seen,)), plan(36, most=80), ["a"])
    found.run()
    assert len(eye.looks) == len(set(eye.looks)) < 30
    assert len(found.found) == len(events)
    for one, (start, end) in zip(found.found, events, strict=True):
        assert one.start_s == pytest.approx(start, abs=1.01 / FPS)
        assert one.end_s == pytest.approx(end, abs=2.01 / FPS)


def test_a_gap_that_one_look_alone_sees_is_none() -> None:
    """Others see a thing all the time: it was not well looked at."""
    eye = Eye({"a": [(5.0, 30.0)]})

    def look(event: str, window: Window, count: int) -> Seen:
        seen = eye(event, window, count)
        behind = [time for time in seen.times if 29.0 <= time < 30.0]
        return replace(seen, spans=((behind[0], behind[-1]),)) if len(eye.looks) == 3 and behind else seen

    found = Search(look, plan(36, most=80), ["a"])
    found.run()
    assert any(window[1] > 29.0 for window, _ in eye.looks[2:3])
    assert spans(found.found) == [(5.0, 29.96)]


@pytest.mark.parametrize("shown", [(29.5, 29.96), (27.0, 28.5)])
def test_a_gap_needs_its_other_edge(shown: Window) -> None:
    """The look at a gap's other side sees an edge, but not one that ends what came before the gap."""
    eye = Eye({"a": [(5.0, 30.0)]})

    def look(event: str, window: Window, count: int) -> Seen:
        seen = eye(event, window, count)
        if len(eye.looks) == 3:  # at the end: it holds again behind a gap
            return replace(seen, spans=((29.6, 29.96),))
        if len(eye.looks) == 4:  # at the gap's other side
            held = [time for time in seen.times if shown[0] <= time <= shown[1]]
            return replace(seen, spans=((held[0], held[-1]),) if held else ())
        return seen

    found = Search(look, plan(36, most=80), ["a"])
    found.run()
    assert spans(found.found)[0][1] == (29.96 if shown[0] > 29 else 28.48)
    assert len(found.found) == (1 if shown[0] > 29 else 2)


def test_an_answer_that_tells_of_one_thing_twice_has_no_gap() -> None:
    eye = Eye({"a": [(2.0, 30.0)]})

    def look(event: str, window: Window, count: int) -> Seen:
        seen = eye(event, window, count)
        return replace(seen, spans=tuple(part for a, b in seen.spans for part in ((a, b), (a, min(a + 0.2, b)))))

    found = Search(look, plan(36, most=80), ["a"])
    found.run()
    assert spans(found.found) == [(2.0, 29.96)]
    assert len(eye.looks) == 3


@pytest.mark.parametrize(("most", "fps"), [(80, 1.0), (180, 1.0), (180, 2.0)])
def test_an_eye_that_sees_gaps_everywhere_comes_to_an_end(most: int, fps: float) -> None:
    eye = Eye({"a": [(0.0, 200.0)]})

    def look(event: str, window: Window, count: int) -> Seen:
        seen = eye(event, window, count)
        times = seen.times
        return replace(
            seen, spans=((times[0], times[len(times) // 5]), (times[len(times) // 2], times[-1])), spacing_s=3 / FPS
        )

    found = Search(look, plan(200, most=most, fps=fps), ["a"])
    found.run()
    assert found.looks < 200


def test_an_edge_between_two_looks_is_where_one_of_them_ends() -> None:
    eye = Eye({"a": [(11.7, 20.0)]})

    def all_or_nothing(event: str, window: Window, count: int) -> Seen:
        """Sees no edges, but whether it holds for most of the time."""
        seen = eye(event, window, count)
        held = sum(end - start for start, end in seen.spans) > (window[1] - window[0]) / 2
        return replace(seen, spans=((seen.times[0], seen.times[-1]),) if held else ())

    look = mistaken(eye, ((0.0, 19.5),))
    found = Search(lambda *asked: look(*asked) if not eye.looks else all_or_nothing(*asked), plan(20, most=40), ["a"])
    found.run()
    (one,) = found.found
    assert one.start_s == pytest.approx(11.7, abs=0.5)
    assert one.end_s == pytest.approx(20.0, abs=0.5)


def test_an_edge_is_looked_for_only_so_far() -> None:
    """Something that seems to hold wherever one looks closely ends where it was first seen to end."""
    eye = Eye({"a": [(0.0, 600.0)]})
    wanted = plan(600, most=32)
    found = Search(mistaken(eye, ((2.0, 10.0),), *[()] * (len(windows(wanted)) - 1)), wanted, ["a"])
    found.run()
    assert len(eye.looks) < len(found.windows) + 10
    assert spans(found.found) == [(0.0, 10.0)]


def test_nothing_is_nothing() -> None:
    found = search(Eye({"a": []}), plan(200))
    assert found.found == []
    assert found.windows_done == len(found.windows) == found.looks == 3 + 5
    assert found.closer_looks == 0


def inattentive(eye: Eye) -> Callable[[str, Window, int], Seen]:
    """The same eye, but it overlooks what is in less than one of 50 frames."""

    def look(event: str, window: Window, count: int) -> Seen:
        seen = eye(event, window, count)
        shown = {span: sum(span[0] <= time <= span[1] for time in seen.times) for span in seen.spans}
        return replace(seen, spans=tuple(span for span, frames in shown.items() if frames >= len(seen.times) / 50))

    return look


def test_what_is_overlooked_in_long_windows_is_looked_for_in_shorter_ones() -> None:
    eye = Eye({"a": [(123.0, 124.0)], "b": [(30.0, 60.0)]})
    found = Search(inattentive(eye), plan(200), ["a", "b"])
    found.run()
    assert [one.event for one in found.found] == ["b", "a"]
    assert found.found[1].start_s == pytest.approx(123.0, abs=1.01 / FPS)
    assert len(found.windows) == 3 + 5
    assert found.looks - found.closer_looks == 2 * 3 + 5  # b was found: it is not looked for again
    eye = Eye({"a": [(123.0, 124.0)]})
    found = Search(inattentive(eye), plan(200), ["a"], again=False)
    found.run()
    assert found.found == []
    assert found.looks == 3


def test_looking_for_one_thing_again_leaves_another_as_it_was() -> None:
    """A gap between two looks of the first pass that was seen closely stays one."""
    events = {"a": [], "b": [(60.0, 89.95), (90.4, 100.0)]}
    alone = spans(search(Eye({"b": events["b"]}), plan(200)).found)
    assert alone == [(60.0, pytest.approx(89.92)), (90.4, pytest.approx(99.96))]
    assert spans(search(Eye(events), plan(200)).found) == alone


@pytest.mark.parametrize(("duration", "fps"), [(90.00002, 2.0), (45.00002, 2.0), (1800.001, 0.1), (1800.001, 0.05)])
def test_a_clip_hardly_longer_than_a_window_has_two(duration: float, fps: float) -> None:
    parts = windows(plan(duration, fps=fps))
    assert (parts[0][0], parts[-1][1]) == (0, pytest.approx(duration))
    assert search(Eye({"a": [], "b": [(3.0, 40.0)]}), plan(duration, fps=fps)).found


def test_an_event_that_is_given_twice_is_one() -> None:
    found = Search(Eye({"a": [(1.0, 3.0)]}), plan(12, resolution=0.5), ["a", "a"])
    found.run()
    assert found.looks == len(found.found) == 1


def test_a_clip_that_is_short_enough_is_not_looked_at_again() -> None:
    assert search(Eye({"a": []}), plan(45)).looks == 1
    assert search(Eye({"a": []}), plan(46)).looks == 1 + 3  # of 23 s
    assert search(Eye({"a": []}), plan(46, most=16)).looks == 8  # half of so few frames is no look


def test_an_interruption_keeps_what_was_found() -> None:
    eye = Eye({"a": [(10.0, 20.0), (500.0, 510.0)]})

    def interrupt(state: Search) -> None:
        if state.windows_done == 3:
            raise KeyboardInterrupt

    found = Search(eye, plan(600), ["a"], interrupt)
    with pytest.raises(KeyboardInterrupt):
        found.run()
    assert spans(found.found) == [(10.0, 19.48)]
    assert found.windows_done == 3


def test_merging() -> None:
    parts = [Found("a", 1, 3, 0.5, 0.5), Found("b", 2, 5, 0.5, 0.5), Found("a", 3, 4, 0.1, 0.1), Found("a", 6, 7, 1, 1)]
    merged = merge(parts, 0.5)
    assert [(one.event, one.start_s, one.end_s, one.end_res_s) for one in merged] == [
        ("a", 1, 4, 0.1),
        ("b", 2, 5, 0.5),
        ("a", 6, 7, 1),
    ]
    cut = [Found("a", 1, 3, 0.5, 0.5, (False, True)), Found("a", 3.5, 4, 0.5, 0.5)]
    assert spans(merge(cut, 0.5)) == [(1, 4)]
    assert len(merge(cut, 0.4)) == 2


def test_of_two_windows_the_one_that_goes_on_is_trusted_about_an_end() -> None:
    ahead = Found("a", 0, 15.5, 0.5, 0.5, (False, True))
    behind = Found("a", 10.5, 14.5, 0.5, 0.5, (True, False))
    assert merge([ahead, behind], 0.5) == [Found("a", 0, 14.5, 0.5, 0.5)]
    # But not about something that began within what the first one saw.
    within = Found("a", 11.0, 14.5, 0.5, 0.5)
    assert merge([ahead, within], 0.5) == [ahead]
    whole = Found("a", 0, 15.5, 0.5, 0.5)
    assert merge([whole, behind], 0.5) == [whole]
    # Whichever of them begins first, and about starts as well.
    ahead, behind = Found("a", 10.5, 15.5, 0.5, 0.5, (False, True)), Found("a", 10.5, 14.5, 0.5, 0.5, (True, False))
    assert merge([ahead, behind], 0.5) == merge([behind, ahead], 0.5) == [Found("a", 10.5, 14.5, 0.5, 0.5)]
    later = replace(ahead, start_s=12.0)
    assert merge([later, behind], 0.5) == [Found("a", 12.0, 14.5, 0.5, 0.5)]


def test_what_happens_between_the_first_two_frames_is_looked_at_again() -> None:
    @dataclass
    class OfSteps(Eye):
        """Tells of a movement from the last frame before it to the first one behind it."""

        def __call__(self, event: str, window: Window, count: int) -> Seen:
            seen = super().__call__(event, window, count)
            ((start, end),) = self.events[event]
            before = [time for time in seen.times if time <= start]
            after = [time for time in seen.times if time >= end]
            inside = any(start < time < end for time in seen.times) or (before and after)
            span = (before[-1] if before else seen.times[0], after[0] if after else seen.times[-1])
            return replace(seen, spans=(span,) if inside else ())

    (one,) = search(OfSteps({"a": [(0.44, 5.0)]}), plan(20)).found
    assert (one.start_s, one.end_s) == (0.44, 5.0)
