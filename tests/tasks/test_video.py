"""Segments: the wording, the many ways to write a time, merging, and answers cut at every character."""

from __future__ import annotations

import json
import re

import pytest

from ernie_cli.errors import AnswerError
from ernie_cli.tasks import video
from ernie_cli.tasks.video import Segment, seconds


def test_wording() -> None:
    assert video.request("a red ball appears") == (
        'When does this happen: a red ball appears? Answer with JSON only: a list of {"start": "HH:MM:SS.ss",'
        ' "end": "HH:MM:SS.ss", "label": "..."}, read from the clock in the frames, or [] if never.'
    )


def test_the_schema_takes_the_clock_and_nothing_else() -> None:
    pattern = video.schema()["items"]["properties"]["start"]["pattern"]
    assert re.search(pattern, "00:01:59.50")
    assert not re.search(pattern, "1:59")
    assert not re.search(pattern, "00:61:00.00")


def test_where_frames_were_shown_only_their_times_can_be_said() -> None:
    properties = video.schema([0.0, 0.48, 0.4801, 61.5])["items"]["properties"]
    assert properties["start"] == properties["end"] == {"enum": ["00:00:00.00", "00:00:00.48", "00:01:01.50"]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (4.5, 4.5),
        ("4.5", 4.5),
        ("4.5s", 4.5),
        ("4.5 sec", 4.5),
        ("12 seconds", 12),
        ("1:05", 65),
        ("01:02:03.25", 3723.25),
        ("00:00:04,5", 4.5),
        ("time: 00:00:01.50", 1.5),
        ("1 min 5 s", 65),
        ("1m30s", 90),
        ("2 minutes", 120),
        ("about 3 s", 3),
        ("soon", None),
        ("", None),
        (None, None),
        (True, None),
        ("5 cars", None),
    ],
)
def test_seconds(value: object, expected: float | None) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize(
    ("answer", "spans"),
    [
        ("From 3 to 7 s.", [(3, 7)]),
        ("00:03-00:07", [(3, 7)]),
        ("At 3s and at 9s.", [(3, 3), (9, 9)]),
        ("At 3 s and 9 s.", [(3, 3), (9, 9)]),
        ("Between 3 s and 9 s.", [(3, 9)]),
        ("It lasts from 1 to 2 minutes.", [(60, 120)]),
        ("It starts at 00:03, and stops at 00:08.", [(3, 8)]),
        ("1. 00:00:01.00 - 00:00:02.50: first\n2. 00:00:04.00 - 00:00:05.00: second", [(1, 2.5), (4, 5)]),
        ("\u4ece3\u52307\u79d2".replace("\u79d2", " s"), [(3, 7)]),
    ],
)
def test_sentences(answer: str, spans: list[tuple[float, float]]) -> None:
    reading = video.read(answer, 300)
    assert [(one.start_s, one.end_s) for one in reading.items] == spans
    assert reading.notes == ("The times were read from a sentence.",)


@pytest.mark.parametrize("answer", ["Two to three people walk by.", "The car drives 4 m.", "In 2022 it was new."])
def test_numbers_that_are_no_times(answer: str) -> None:
    with pytest.raises(AnswerError):
        video.read(answer, 300)


def test_merging_is_told_and_keeps_labels_apart() -> None:
    spans = [(1, 3, "a"), (3, 4, "a"), (2, 9, "b")]
    answer = json.dumps([{"start": start, "end": end, "label": label} for start, end, label in spans])
    reading = video.read(answer, 5)
    assert reading.items == (
        Segment(start_s=1, end_s=4, label="a"),
        Segment(start_s=2, end_s=5, label="b"),
    )
    assert reading.notes == (
        "1 segment ended after the clip (5 s): shortened.",
        "3 segments overlapped: merged into 2.",
    )


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_answer_cut_anywhere_gives_its_first_segments_or_none(indent: int | None, wrapped: bool) -> None:
    items = [
        {"start": f"00:00:{at:02}.00", "end": f"00:00:{at + 1:02}.50", "label": "a, 3 s"} for at in range(1, 12, 3)
    ]
    answer = json.dumps({"segments": items} if wrapped else items, indent=indent)
    whole = video.read(answer, 60)
    assert len(whole.items) == len(items)
    for end in range(len(answer)):
        try:
            part = video.read(answer[:end], 60)
        except AnswerError:
            continue
        assert part.items, answer[:end]
        assert not part.complete, answer[:end]
        assert part.items == whole.items[: len(part.items)], answer[:end]


def test_times_become_those_of_the_frames_that_were_shown() -> None:
    frames = [1.0, 1.5, 2.0333333, 2.5]
    answer = json.dumps([{"start": "00:00:01.50", "end": "00:00:02.03", "label": "a"}])
    exact = video.read(answer, 3.0, start_s=1.0, frames=frames)
    assert (exact.items[0].start_s, exact.items[0].end_s) == (1.5, 2.0333333)
    assert exact.notes == ()
    between = video.read('[{"start": "00:00:01.60", "end": "00:00:02.40"}]', 3.0, start_s=1.0, frames=frames)
    assert (between.items[0].start_s, between.items[0].end_s) == (1.5, 2.5)
    assert between.notes == ("2 times lay between the frames that were shown: moved to the nearest one.",)


def test_a_window_has_a_start_too() -> None:
    answer = json.dumps([{"start": 8, "end": 12}, {"start": 1, "end": 2}])
    reading = video.read(answer, 20.0, start_s=10.0)
    assert [(one.start_s, one.end_s) for one in reading.items] == [(10.0, 12.0)]
    assert reading.dropped == 1
    assert "1 segment began before the part that was shown (10 s)" in reading.notes[0]
