"""A training's steps go on for its minutes, slow down at the end, are told of, and are saved however it ends."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pace import Pace, arguments, kept


class _Counted:
    """What is saved, counted."""

    saved = 0

    def save(self) -> None:
        self.saved += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("pace.time.monotonic", lambda: now.seconds)
    return now


def _pace(folder: Path, trainer: Any) -> Pace:
    given = ["--minutes", "10", "--decay-minutes", "4", "--folder", str(folder)]
    return Pace(trainer, arguments(None).parse_args(given), lambda: {"step": 7})


def test_steps_slow_down_in_the_last_minutes_and_are_saved_and_told_of(tmp_path: Path, clock: SimpleNamespace) -> None:
    trainer, scales = _Counted(), []
    pace = _pace(tmp_path, trainer)
    for scale in pace:
        scales.append(scale)
        pace.tell({"loss": len(scales), "nothing": 0.0})
        clock.seconds += 20
    assert scales == pytest.approx([1.0] * 18 + [1 - i / 12 for i in range(12)])
    assert trainer.saved == 3  # each time that more than three minutes have gone by
    noted = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert noted[0] == {"step": 7, "minutes": 0.3, "loss": 1.5}
    assert [record["loss"] for record in noted] == [1.5 + 2 * i for i in range(15)]


@pytest.mark.parametrize(("ends", "quietly"), [(KeyboardInterrupt, True), (ValueError, False)])
def test_however_it_ends_it_is_saved(ends: type[BaseException], quietly: bool) -> None:
    trainer, ended = _Counted(), False
    try:
        with kept(trainer):  # type: ignore[arg-type]
            raise ends
    except ends:
        ended = True
    assert trainer.saved == 1
    assert ended is not quietly
