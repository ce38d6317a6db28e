"""Positions of long clips, against a reference written from Baidu's rule alone, and where transformers differs.

The rule (Baidu's, also vLLM's): text counts up on all three axes; a medium's tokens lie on the grid (time, height,
width) that begins where the text ended, two frames and two by two patches to a token; what follows goes on at
max(time, height, width) + 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ernie_cli.messages import Message, Picture, Text, Video, user
from ernie_cli.runtime import inputs as inputs_module
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.inputs import ModelInputs, prepare
from ernie_cli.runtime.prompt import IMAGE_PATCH
from ernie_cli.runtime.vision import PixelBudgets, patchify

FRAMES = [8, 9, 16, 45, 96, 179, 180]
SIZES = [(1280, 720), (720, 1280), (640, 480), (1920, 800)]


@pytest.fixture(autouse=True)
def the_budget_of_the_28b(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs_module, "patchify", lambda medium, budgets: patchify(medium, PixelBudgets()))


def clip(size: tuple[int, int], frames: int) -> Video:
    frame = Image.new("RGB", size)
    return Video([frame] * frames, [index / 2 for index in range(frames)])


def by_the_facts(ids: list[int], patch: int, grids: list[tuple[int, int, int]]) -> tuple[np.ndarray[Any, Any], int]:
    """Positions (3, tokens) and the next one, token by token; grids count frames and patches of 14 pixels."""
    where = np.full((3, len(ids)), -1)
    waiting = list(grids)
    token = at = 0
    while token < len(ids):
        if ids[token] != patch:
            where[:, token] = at
            token, at = token + 1, at + 1
            continue
        frames, rows, columns = waiting.pop(0)
        times, rows, columns = max(1, frames // 2), rows // 2, columns // 2
        farthest = 0
        for time in range(times):
            for row in range(rows):
                for column in range(columns):
                    where[0, token] = at + time
                    where[1, token] = at + row
                    where[2, token] = at + column
                    farthest = max(farthest, at + time, at + row, at + column)
                    token += 1
        at = farthest + 1
    assert not waiting
    return where, at


def check(checkpoint: Checkpoint, messages: list[Message]) -> ModelInputs:
    prepared = prepare(messages, checkpoint)
    grids = [medium.grid for medium in prepared.media]
    where, following = by_the_facts(prepared.ids.tolist(), checkpoint.tokenizer.id(IMAGE_PATCH), grids)
    np.testing.assert_array_equal(prepared.positions, where)
    assert prepared.next_position == following
    return prepared


@pytest.mark.parametrize("frames", FRAMES)
def test_a_720p_clip_is_laid_out_by_the_facts(hub: Checkpoint, frames: int) -> None:
    prepared = check(hub, [user(clip(SIZES[0], frames), "When does the door open?")])
    assert prepared.image_tokens == (frames + 1) // 2 * 26 * 46


@pytest.mark.parametrize("size", SIZES[1:])
def test_so_are_clips_of_other_shapes(hub: Checkpoint, size: tuple[int, int]) -> None:
    check(hub, [user(clip(size, 30), "What happens?")])


def test_so_are_several_media_in_several_turns(hub: Checkpoint) -> None:
    small = Picture(Image.new("RGB", (300, 84)))
    check(
        hub,
        [
            user(small, clip((640, 480), 120), "A?"),
            Message("assistant", (Text("a"),)),
            user(clip((480, 640), 8), small, clip((640, 480), 61), "B?", small),
        ],
    )


def test_a_three_minute_720p_clip_is_as_long_as_known(hub: Checkpoint) -> None:
    prepared = check(hub, [user(clip((1280, 720), 180), "?")])
    assert prepared.image_tokens == 107_640


def theirs(reference: Any, prepared: ModelInputs) -> np.ndarray[Any, Any]:
    """transformers' own positions (3, tokens) of a prompt whose media are all clips."""
    kinds = torch.from_numpy(prepared.is_patch).int()[None] * 2
    grids = torch.tensor([medium.grid for medium in prepared.media])
    where, _ = reference.model.get_rope_index(torch.from_numpy(prepared.ids)[None], kinds, video_grid_thw=grids)
    return np.asarray(where[:, 0])


def test_transformers_agrees_while_a_clip_is_no_longer_than_wide(hub: Checkpoint, reference: Any) -> None:
    for frames in (8, 92):  # 46 tokens of time, and 46 of width
        prepared = check(hub, [user(clip((1280, 720), frames), "What happens?")])
        np.testing.assert_array_equal(theirs(reference, prepared), prepared.positions)


def test_after_a_longer_clip_transformers_puts_the_text_inside_the_clip(hub: Checkpoint, reference: Any) -> None:
    """The difference known of transformers 5.24 (`get_rope_index`), the reason for positions of our own.

    If this fails, transformers has changed: then see whether it now follows the rule above, and say so here.
    """
    prepared = check(hub, [user(clip((1280, 720), 180), "What happens?")])
    ours, other = prepared.positions, theirs(reference, prepared)
    patches = np.flatnonzero(prepared.is_patch)
    first, last = patches[0], patches[-1]
    # 1. Up to the end of the clip the two are one.
    np.testing.assert_array_equal(other[:, : last + 1], ours[:, : last + 1])
    # 2. We go on after the last moment, transformers after the width only, which is earlier than the clip's own end.
    start = ours[0, first]
    assert ours[0, patches].max() == start + 89
    assert ours[:, last + 1].tolist() == [start + 90] * 3
    assert other[:, last + 1].tolist() == [start + 46] * 3
    assert other[0, last + 1] < other[0, patches].max()
