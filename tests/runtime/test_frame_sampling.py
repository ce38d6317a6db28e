"""How many frames of a clip a checkpoint wants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ernie_cli.errors import ModelError
from ernie_cli.runtime.checkpoint import Checkpoint


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("preprocessor_config.json", {}, (2.0, 16, 180)),
        ("preprocessor_config.json", {"max_frames": 24}, (2.0, 16, 24)),
        ("video_preprocessor_config.json", {"fps": 1, "min_frames": 4, "max_frames": 8}, (1.0, 4, 8)),
        ("processor_config.json", {"video_processor": {"fps": None, "max_frames": 90}}, (2.0, 16, 90)),
    ],
)
def test_what_a_checkpoint_states(tmp_path: Path, file: str, content: object, expected: object) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    assert Checkpoint(tmp_path, "x").frame_sampling == expected


def test_what_is_no_range(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text('{"min_frames": 20, "max_frames": 10}')
    with pytest.raises(ModelError, match="from 20 to 10 frames"):
        _ = Checkpoint(tmp_path, "x").frame_sampling
