"""A checkpoint on disk: its files, its configuration, its tokenizer and its limits, but not yet its weights.

Nothing in a checkpoint folder is ever executed: only JSON, SentencePiece and safetensors files are read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_cli.errors import ModelError
from ernie_cli.runtime.config import native_config
from ernie_cli.runtime.prompt import CONTROL, END_OF_TEXT, END_OF_TURN
from ernie_cli.runtime.tokenizer import Tokenizer
from ernie_cli.runtime.vision import FRAME_BUDGET, PICTURE_BUDGET, PixelBudget

if TYPE_CHECKING:
    from transformers import Ernie4_5_VLMoeConfig

NANO = "ernie-nano"
NANO_FOLDER = Path(__file__).parents[1] / "nano"


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a checkpoint in it, and the name a person knows it by."""

    folder: Path
    name: str

    def _json(self, file: str, *, required: bool = False) -> dict[str, Any]:
        path = self.folder / file
        if not path.exists():
            if required:
                raise ModelError(
                    f"{self.folder} has no {file}, so it is not a checkpoint.",
                    "Point --model at the folder that holds config.json and the safetensors files.",
                )
            return {}
        try:
            decoded = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as broken:
            raise ModelError(f"{path} is not valid JSON.", "Fetch the file again.") from broken
        return dict(decoded)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Raises ModelError if the folder has no readable `tokenizer.model`."""
        path = self.folder / "tokenizer.model"
        if not path.exists():
            raise ModelError(
                f"{self.folder} has no tokenizer.model.", "Fetch the checkpoint again, with all its files."
            )
        try:
            return Tokenizer(path, CONTROL)
        except (OSError, RuntimeError) as broken:
            raise ModelError(f"{path} is not a SentencePiece model.", "Fetch the file again.") from broken

    @cached_property
    def config(self) -> Ernie4_5_VLMoeConfig:
        """The native configuration. Raises ModelError for a missing, broken or foreign one."""
        return native_config(self._json("config.json", required=True), self.tokenizer.control)

    @cached_property
    def generation(self) -> dict[str, Any]:
        """The checkpoint's own defaults for generating; empty if it states none."""
        return self._json("generation_config.json")

    @cached_property
    def budgets(self) -> tuple[PixelBudget, PixelBudget]:
        """Pixels of a picture and of a video frame."""
        raw = self._json("preprocessor_config.json")
        size = raw.get("size") or {}
        picture = PixelBudget(
            raw.get("min_pixels") or size.get("shortest_edge") or PICTURE_BUDGET.least,
            raw.get("max_pixels") or size.get("longest_edge") or PICTURE_BUDGET.most,
        )
        frame = PixelBudget(
            raw.get("video_min_pixels") or FRAME_BUDGET.least, raw.get("video_max_pixels") or FRAME_BUDGET.most
        )
        return picture, frame

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""
        control = self.tokenizer.control
        return frozenset(control[name] for name in (END_OF_TEXT, END_OF_TURN) if name in control)


def find(model: str) -> Checkpoint:
    """The checkpoint a person means by `model`: the built-in one's name, or a folder. Raises ModelError."""
    if model == NANO:
        return Checkpoint(NANO_FOLDER, NANO)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return Checkpoint(folder, folder.resolve().name)
    raise ModelError(
        f"There is no model {model!r} on this machine.",
        f"Give the folder of a checkpoint, or leave --model out to use the built-in {NANO}.",
    )
