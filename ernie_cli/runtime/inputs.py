"""A conversation as the arrays the model takes: token ids, positions, routing and patches. All of it is numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from ernie_cli.messages import Message
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.positions import Positions, positions
from ernie_cli.runtime.prompt import (
    IMAGE_END,
    IMAGE_PATCH,
    IMAGE_START,
    VIDEO_END,
    VIDEO_START,
    Slot,
    opens_thought,
    render,
)
from ernie_cli.runtime.template import render_template
from ernie_cli.runtime.tokenizer import Literal, Markup
from ernie_cli.runtime.vision import Patches, patchify

VISION_EDGES = (IMAGE_START, IMAGE_END, VIDEO_START, VIDEO_END)


@dataclass(frozen=True)
class ModelInputs:
    """Everything the first forward pass needs.

    `ids` is (tokens,), `positions` (3, tokens), `is_patch` and `to_vision_experts` (tokens,) of bool; the embeddings of
    `media`, in order, take the places of `is_patch`. `next_position` is that of the first token to come, and
    `opens_thought` tells whether that token is part of a thought.
    """

    ids: np.ndarray[Any, np.dtype[np.int64]]
    positions: Positions
    is_patch: np.ndarray[Any, np.dtype[np.bool_]]
    to_vision_experts: np.ndarray[Any, np.dtype[np.bool_]]
    media: tuple[Patches, ...]
    next_position: int
    opens_thought: bool

    @property
    def image_tokens(self) -> int:
        return int(self.is_patch.sum())


def prepare(
    messages: Sequence[Message],
    checkpoint: Checkpoint,
    *,
    tools: Sequence[dict[str, Any]] = (),
    thinking: bool = True,
    max_pixels: int | None = None,
) -> ModelInputs:
    """The arrays of a conversation; `max_pixels` lowers the checkpoint's own limit for a picture or frame.

    The prompt is written by the checkpoint's own chat template, where it has one.
    """
    tokenizer = checkpoint.tokenizer
    budgets = checkpoint.budgets.capped(max_pixels)
    patch_id = tokenizer.id(IMAGE_PATCH)
    ids: list[int] = []
    spans: list[int | tuple[int, int, int]] = []
    media: list[Patches] = []
    text: list[Markup | Literal] = []

    def flush() -> None:
        encoded = tokenizer.encode(text)
        ids.extend(encoded)
        spans.append(len(encoded))
        text.clear()

    template = checkpoint.chat_template
    if template:
        prompt = render_template(template, messages, tools=tools, thinking=thinking)
    else:
        prompt = render(messages, tools=tools, thinking=thinking)
    for piece in prompt:
        if not isinstance(piece, Slot):
            text.append(piece)
            continue
        flush()
        patches = patchify(piece.part, budgets)
        media.append(patches)
        ids.extend([patch_id] * patches.tokens)
        spans.append(patches.merged_grid)
    flush()

    where, following = positions(spans)
    array = np.array(ids, dtype=np.int64)
    is_patch = array == patch_id
    edges = [tokenizer.control[name] for name in VISION_EDGES if name in tokenizer.control]
    # Baidu routes the start and end tokens of pictures and clips to the vision experts too.
    return ModelInputs(
        array, where, is_patch, is_patch | np.isin(array, edges), tuple(media), following, opens_thought(prompt)
    )


def outline(inputs: ModelInputs, checkpoint: Checkpoint) -> str:
    """The prompt as text, with each run of patch tokens written once and counted."""
    decode = checkpoint.tokenizer.decode
    lines = ""
    for is_patch, run in groupby(zip(inputs.ids.tolist(), inputs.is_patch.tolist(), strict=True), key=itemgetter(1)):
        ids = [id for id, _ in run]
        lines += f"{IMAGE_PATCH} x {len(ids)}" if is_patch else decode(ids)
    return f"{lines}\n({len(inputs.ids)} tokens, {inputs.image_tokens} of them pictures)"
