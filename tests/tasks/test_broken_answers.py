"""Answers as models break them: one line each in `broken_answers.jsonl` (of boxes, in `tests/data/broken_answers/`),
with what must be read from it.

`expect` is "nothing", "unreadable", or the items with whether they are all and how many were dropped. Boxes are
[label, box_1000], segments [start_s, end_s, label], charts and data as they leave the program. Data (`doc`) fits its
schema or is unreadable, and then asked for once more. Whenever a model breaks an answer in a new way, a line is added.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ernie_cli.errors import AnswerError
from ernie_cli.tasks import chart, ground, structured, video
from ernie_cli.tasks.fields import parse_short
from ernie_cli.tasks.reading import Reading

FILES = (
    Path(__file__).with_name("broken_answers.jsonl"),
    Path(__file__).parents[1] / "data" / "broken_answers" / "ground.jsonl",
)
CASES = [json.loads(line) for file in FILES for line in file.read_text("utf-8").splitlines()]


def read(case: dict[str, Any]) -> Reading[Any]:
    """The reading of a case's answer, with items written as in the file."""
    answer = case["answer"]
    if case["task"] == "ground":
        boxes = ground.read(answer, (1000, 1000), label="red car")
        return written(boxes, [[box.label, list(box.box_1000)] for box in boxes.items])
    if case["task"] == "video":
        found = video.read(answer, 12.0, label="event")
        return written(found, [[one.start_s, one.end_s, one.label] for one in found.items])
    if case["task"] == "chart":
        charts = chart.read(answer)
        return written(charts, [one.model_dump(mode="json") for one in charts.items])
    return Reading((structured.read(answer, parse_short(case["schema"])),))


def written(reading: Reading[Any], items: list[Any]) -> Reading[Any]:
    return Reading(tuple(items), reading.complete, reading.dropped, reading.notes)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['task']}: {case['why']}" for case in CASES])
def test_broken_answer(case: dict[str, Any]) -> None:
    expected = case["expect"]
    if expected == "unreadable":
        with pytest.raises(AnswerError) as error:
            read(case)
        assert error.value.message
        assert error.value.hint
        return
    reading = read(case)
    if expected == "nothing":
        assert reading.nothing
    else:
        assert list(reading.items) == expected["items"]
        assert (reading.complete, reading.dropped) == (expected["complete"], expected["dropped"])


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 70
    assert {case["task"] for case in CASES} == {"ground", "chart", "video", "doc"}


@pytest.mark.parametrize("task", ["ground", "chart", "video"])
def test_no_broken_answer_turns_into_nothing_by_being_cut(task: str) -> None:
    for case in CASES:
        # Words cannot show that they were cut: "There is no" of "There is no doubt". The finish reason does.
        if case["task"] != task or case["expect"] == "nothing" or re.search("[Nn]ot? ", case["answer"]):
            continue
        for end in range(min(len(case["answer"]), 600)):
            try:
                assert not read({**case, "answer": case["answer"][:end]}).nothing, case["answer"][:end]
            except AnswerError:
                continue


def test_data_that_was_cut_is_read_whole_or_not_at_all() -> None:
    for case in CASES:
        if case["task"] != "doc" or case["expect"] == "unreadable":
            continue
        for end in range(len(case["answer"])):
            try:
                reading = read({**case, "answer": case["answer"][:end]})
            except AnswerError:
                continue
            assert list(reading.items) == case["expect"]["items"], case["answer"][:end]
