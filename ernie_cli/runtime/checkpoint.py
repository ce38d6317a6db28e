"""A checkpoint on disk: its files, its configuration, its tokenizer and its limits, but not yet its weights.

Nothing in a checkpoint folder is ever executed: only JSON, SentencePiece and safetensors files are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_cli.errors import ModelError
from ernie_cli.runtime.config import decode_json, frame_sampling, native_config, pixel_budgets
from ernie_cli.runtime.prompt import (
    BEGIN,
    CONTROL,
    END_OF_TEXT,
    END_OF_TURN,
    IMAGE_END,
    IMAGE_PATCH,
    IMAGE_START,
    VIDEO_END,
    VIDEO_START,
)
from ernie_cli.runtime.tokenizer import Tokenizer
from ernie_cli.runtime.vision import PixelBudgets

if TYPE_CHECKING:
    from transformers import Ernie4_5_VLMoeConfig

FULL = "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"
NANO = "ernie-nano"
NANO_FOLDER = Path(__file__).parents[1] / "nano"

# Without these no prompt can be written.
INDISPENSABLE = (BEGIN, END_OF_TURN, IMAGE_START, IMAGE_END, VIDEO_START, VIDEO_END, IMAGE_PATCH)


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
        return decode_json(path)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Raises ModelError if the folder has no readable `tokenizer.model` (hub) or `tokenizer.json` (native)."""
        for file in ("tokenizer.model", "tokenizer.json"):
            path = self.folder / file
            if not path.exists():
                continue
            try:
                tokenizer = Tokenizer(path, CONTROL)
            except (OSError, RuntimeError, ValueError) as broken:
                raise ModelError(f"{path} cannot be read as a tokenizer.", "Fetch the file again.") from broken
            if lacking := [name for name in INDISPENSABLE if name not in tokenizer.control]:
                raise ModelError(
                    f"{path} has no token {lacking[0]}, so it belongs to another model.",
                    "Fetch the checkpoint again, with all its files.",
                )
            return tokenizer
        raise ModelError(
            f"{self.folder} has neither tokenizer.model nor tokenizer.json.",
            "Fetch the checkpoint again, with all its files.",
        )

    @cached_property
    def config(self) -> Ernie4_5_VLMoeConfig:
        """The native configuration. Raises ModelError for a missing, broken or foreign one."""
        return native_config(self._json("config.json", required=True), self.tokenizer.control)

    @cached_property
    def generation(self) -> dict[str, Any]:
        """The checkpoint's own defaults for generating; empty if it states none."""
        return self._json("generation_config.json")

    @cached_property
    def chat_template(self) -> str | None:
        """The checkpoint's own jinja template, from a file of its own or from `tokenizer_config.json`."""
        path = self.folder / "chat_template.jinja"
        if path.exists():
            try:
                return path.read_text(encoding="utf-8")
            except ValueError as broken:
                raise ModelError(f"{path} is not UTF-8 text.", "Fetch the file again.") from broken
        stated = self._json("chat_template.json").get("chat_template")
        stated = stated or self._json("tokenizer_config.json").get("chat_template")
        return stated if isinstance(stated, str) else None

    @cached_property
    def budgets(self) -> PixelBudgets:
        """Pixels of a picture, of a video frame and of a printed page."""
        return pixel_budgets(self._json)

    @cached_property
    def frame_sampling(self) -> tuple[float, int, int]:
        """Frames a second, and the least and most frames of a clip."""
        return frame_sampling(self._json)

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""
        control = self.tokenizer.control
        return frozenset(control[name] for name in (END_OF_TEXT, END_OF_TURN) if name in control)


def find(model: str, *, whole: bool = True) -> Checkpoint:
    """The checkpoint a person means by `model`; never fetches anything. Raises ModelError.

    It is the built-in one's name, a folder, or one in the Hugging Face cache: `owner/name`, `owner/name@revision`, or
    `name` if only one owner has it. `whole` refuses one that was fetched only in part.
    """
    if model == NANO:
        return Checkpoint(NANO_FOLDER, NANO)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return Checkpoint(folder, folder.resolve().name)
    from ernie_cli.runtime.snapshots import locate, require_whole

    snapshot = locate(model)[0]
    if whole:
        require_whole(snapshot)
    return Checkpoint(snapshot.folder, snapshot.repo)
