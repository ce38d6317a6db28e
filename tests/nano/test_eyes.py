"""The eyes learn print by themselves, and what they make of all else is held to what it was."""

from __future__ import annotations

from pathlib import Path

import eyes
import pytest
import torch
from curriculum import Curriculum
from eyes import KEPT, PATCHES, Reader, batches
from trainer import ALONE


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setattr("curriculum.CHARTED", 0)  # charts take long to draw
    reader = Reader(tmp_path, 1e-3)
    reader.step = ALONE + 50
    return reader


def test_others_are_held_to_what_they_were(reader: Reader) -> None:
    others = batches(Curriculum(0, KEPT), reader.tokenizer)
    for _ in range(4):
        other = next(others)
        assert reader._apart(other) < 1e-9
        assert other.layout.branches == 0
        assert other.grid[0] * other.grid[1] * other.grid[2] * len(other.ids) <= max(PATCHES, 16 * 64)
    with torch.no_grad():
        reader.model.model.vision_tower.ln.weight.mul_(1.5)
    assert reader._apart(other) > 1e-3


def test_nothing_but_the_eyes_learns_and_print_is_read_better(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eyes, "PAGES", 2)
    decoder = {name: w.clone() for name, w in reader.model.model.language_model.named_parameters()}
    pages = next(batches(Curriculum(0, ["letters"]), reader.tokenizer, 2))
    other = next(batches(Curriculum(0, ["moments"]), reader.tokenizer))
    told = [reader.learn_print(pages, other if step % 2 == 0 else None, 0.2) for step in range(16)]
    assert told[-1]["marks"] < told[0]["marks"] - 0.5
    assert told[-1]["letters"] < told[0]["letters"] - 0.5
    assert 0 < told[-2]["apart"] < 0.1
    assert "apart" not in told[-1]
    assert all(torch.equal(w, decoder[name]) for name, w in reader.model.model.language_model.named_parameters())
