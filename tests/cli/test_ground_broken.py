"""Every broken answer of `tests/data/broken_answers/ground.jsonl`, through the command as a user runs it.

`exit` is how the command must end. Whatever it prints is the boxes that are there; where none could be read, it prints
nothing at all, and never an empty list.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import Result

from ernie_cli.messages import Answer, Finish

from .conftest import FakeEngine

FILE = Path(__file__).parents[1] / "data" / "broken_answers" / "ground.jsonl"
CASES = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
WIDTH, HEIGHT = 640, 333


def test_there_are_enough() -> None:
    assert len({(case["answer"], case["finish"]) for case in CASES}) >= 60
    assert {case["exit"] for case in CASES} == {0, 5, 6}


@pytest.mark.parametrize("case", CASES, ids=[f"{case['why']}, {case['finish']}" for case in CASES])
def test_broken_answer(ernie: Callable[..., Result], fake: FakeEngine, tmp_path: Path, case: dict[str, Any]) -> None:
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "photo.png")
    fake.queue = [[Answer(case["answer"]), Finish(case["finish"], "fake")]]
    result = ernie("ground", tmp_path / "photo.png", "red car")
    assert result.exit_code == case["exit"]
    expected = case["expect"]
    readable = expected != "unreadable" and not (expected == "nothing" and case["exit"])
    if not readable:
        assert result.stdout == ""
        shown = case["answer"].strip()
        assert case["exit"] == 6 or (shown or "The answer was empty.") in result.stderr
        return
    found = [] if expected == "nothing" else expected["items"]
    # The edge is at 999 already; everything else is plain proportion.
    ends = (WIDTH, HEIGHT, WIDTH, HEIGHT)
    boxes = [
        {
            "label": label,
            "box": [round((1000 if at >= 999 else at) * end / 1000, 1) for at, end in zip(box, ends, strict=True)],
            "box_1000": box,
        }
        for label, box in found
    ]
    told = json.loads(result.stdout)
    assert told["boxes"] == boxes
    assert told["complete"] is (case["exit"] == 0)
    assert ("cut off" in result.stderr) is (case["exit"] == 6)
