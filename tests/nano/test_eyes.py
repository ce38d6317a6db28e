"""The eyes learn print by themselves, and what they make of all else is held to what it was."""

from __future__ import annotations

from pathlib import Path

import eyes
import pytest
import torch
from curriculum import Curriculum
from eyes import KEPT, Reader, batches
from trainer import packaged


def test_others_are_held_to_what_they_were(tmp_path: Path) -> None:
    reader = Reader(tmp_path, 1e-3)
    for jobs, rows in zip(KEPT, (2, 1), strict=True):
        other = next(batches(Curriculum(0, jobs), reader.tokenizer, 2))
        assert reader._apart(other) < 1e-9
        assert other.layout.branches == 0
        assert len(other.ids) == rows
    with torch.no_grad():
        reader.model.model.vision_tower.ln.weight.mul_(1.5)
    assert reader._apart(other) > 1e-3


def _learned(folder: Path, held: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Reader, list[dict[str, float]]]:
    """Eyes after some steps with the same two pages, held to so much about the same two pictures, and what was told."""
    monkeypatch.setattr(eyes, "HELD", held)
    reader = Reader(folder, 1e-3)
    for head in reader.heads.modules():
        if isinstance(head, torch.nn.Linear):
            head.reset_parameters()  # as if they knew nothing of print yet
    pages = next(batches(Curriculum(0, ["letters"]), reader.tokenizer, 2))
    other = next(batches(Curriculum(0, ["places"]), reader.tokenizer, 2))
    return reader, [reader.learn_print(pages, None if step % 2 else other, 0.2) for step in range(17)]


def test_print_is_read_better_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curriculum.CHARTED", 0)  # charts take long to draw
    reader, told = _learned(tmp_path, 10.0, monkeypatch)
    assert told[-1]["marks"] < told[0]["marks"] - 0.5
    assert told[-1]["letters"] < told[0]["letters"] - 0.5
    assert {"places", "ends"} <= told[0].keys()
    assert "apart" not in told[-2]
    _, free = _learned(tmp_path, 0.0, monkeypatch)
    assert 0 < told[-1]["apart"] < 0.5 * free[-1]["apart"]
    before = Reader(tmp_path, 1e-3).model.model.language_model
    after = dict(reader.model.model.language_model.named_parameters())
    assert all(torch.equal(weight, after[name]) for name, weight in before.named_parameters())
    assert reader.step == packaged()["step"]
    assert reader.learned["letters"] == packaged()["learned"]["letters"] + 17 * 2
