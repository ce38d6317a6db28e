"""What is told of a training's heads is what they answer."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from data.video import restless_sample
from diagnose_clips import _hits, arguments
from moments import CHANGES, DIGITS, FRAMES, MOST, STAGES, TOLD, film
from places import KINDS
from torch.nn import functional as F


def test_heads_that_know_all_are_all_right_and_ones_that_say_nothing_changed_miss_what_did() -> None:
    clip = restless_sample(Random(3), 168, 140, 8).clip
    assert clip
    asked = film([clip], (4, 4, 4))
    parts = ((asked.read, 10), (asked.told, MOST), (asked.pair, MOST // FRAMES))
    read, told, pair = (F.one_hot(part.clamp(min=0), choices).float().flatten(2) for part, choices in parts)
    kinds = [F.one_hot(asked.stood[..., at].clamp(min=0), count) for at, count in enumerate(KINDS)]
    stood = torch.cat(kinds, dim=-1).float()
    changes = F.one_hot(asked.changes, len(CHANGES)).float()
    assert read.shape[-1] == FRAMES * DIGITS * 10
    assert told.shape[-1] == TOLD * MOST
    stages = F.one_hot(asked.stages, len(STAGES)).float().flatten(2)
    late = {"clocks": read, "told": told, "pair": pair, "stood": stood, "stages": stages}
    hits = _hits(read, {**late, "changes": changes.flatten(2)}, asked)
    assert all(hit.all() for hit in hits.values())
    assert sum(len(hit) for name, hit in hits.items() if name.startswith("both frames, happened")) > 0

    still = torch.zeros_like(changes)
    still[..., CHANGES.index("none")] = 1
    hits = _hits(read, {**late, "changes": still.flatten(2)}, asked)
    named = {name: hit for name, hit in hits.items() if name.endswith("first frame") and "," in name and len(hit)}
    assert named["none, first frame"].all()
    assert not any(hit.any() for name, hit in named.items() if name.split(",")[0] in CHANGES[1:])


def test_a_folder_without_a_training_is_named_and_none_at_all_is_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("diagnose_clips.ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["diagnose"])
    assert arguments("", limit=7).limit == 7
    monkeypatch.setattr("sys.argv", ["diagnose", "--folder", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit):
        arguments("", limit=7)
    assert f"{tmp_path / 'nothing'} holds no state of a training" in capsys.readouterr().err
