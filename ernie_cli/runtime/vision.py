"""Pictures and frames as the patches the vision tower reads.

Sizes, order and normalisation are those of Baidu's processor (and of transformers' `Ernie4_5_VLMoeImageProcessorPil`,
against which the tests compare): bicubic resize to multiples of 28 pixels within a budget of pixels, CLIP mean and
deviation, 14 x 14 patches grouped by the 2 x 2 that the resampler merges into one token. Everything here is numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

PATCH = 14
MERGE = 2
FACTOR = PATCH * MERGE
FRAMES_PER_TOKEN = 2
MAX_ASPECT = 200

# CLIP's statistics of RGB in 0..1 (openai/CLIP, clip.py).
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


@dataclass(frozen=True)
class PixelBudget:
    """The least and most pixels a picture or frame is resized to."""

    least: int
    most: int


PICTURE_BUDGET = PixelBudget(3_136, 4_842_768)
FRAME_BUDGET = PixelBudget(234_416, 937_664)


@dataclass(frozen=True)
class Patches:
    """`pixels` is (t * h * w, 588) float32; `grid` counts patches (t, h, w), t being 1 for a picture."""

    pixels: np.ndarray[Any, np.dtype[np.float32]]
    grid: tuple[int, int, int]

    @property
    def merged_grid(self) -> tuple[int, int, int]:
        """The grid of tokens (t, h, w) the resampler makes of the patches: 2 x 2 patches, and 2 frames, to one."""
        frames, height, width = self.grid
        return -(-frames // FRAMES_PER_TOKEN), height // MERGE, width // MERGE

    @property
    def tokens(self) -> int:
        """Tokens the medium takes in the prompt."""
        return math.prod(self.merged_grid)


def fit(height: int, width: int, budget: PixelBudget) -> tuple[int, int]:
    """The (height, width) in pixels, multiples of 28, that a picture is resized to.

    The rule is `smart_resize` of Baidu's processor: nearest multiples; beyond the budget, scaled by the square root of
    the excess and rounded inwards (outwards when too small). A side over 200 times the other is first cut to 200 times.
    """
    if max(height, width) > MAX_ASPECT * min(height, width):
        short = max(FACTOR, round(min(height, width) / FACTOR) * FACTOR)
        long = short * MAX_ASPECT
        height, width = (long, short) if height > width else (short, long)
    rounded = round(height / FACTOR) * FACTOR, round(width / FACTOR) * FACTOR
    if math.prod(rounded) > budget.most:
        shrink = math.sqrt(height * width / budget.most) * FACTOR
        return max(FACTOR, math.floor(height / shrink) * FACTOR), max(FACTOR, math.floor(width / shrink) * FACTOR)
    if math.prod(rounded) < budget.least:
        grow = math.sqrt(budget.least / (height * width)) / FACTOR
        return math.ceil(height * grow) * FACTOR, math.ceil(width * grow) * FACTOR
    return rounded


def patchify(frames: Sequence[Image.Image], budget: PixelBudget) -> Patches:
    """Patches of frames of one size (one frame: a picture)."""
    height, width = fit(frames[0].height, frames[0].width, budget)
    resized = [frame.convert("RGB").resize((width, height), Image.Resampling.BICUBIC) for frame in frames]
    values = np.stack([np.asarray(frame, dtype=np.float32) for frame in resized]) * np.float32(1 / 255)
    values = (values - MEAN) / STD
    rows, columns = height // FACTOR, width // FACTOR
    blocks = values.reshape(len(frames), rows, MERGE, PATCH, columns, MERGE, PATCH, 3)
    ordered = blocks.transpose(0, 1, 4, 2, 5, 7, 3, 6)  # (t, row, column, merge_y, merge_x, channel, y, x)
    flat = np.ascontiguousarray(ordered).reshape(-1, 3 * PATCH * PATCH)
    return Patches(flat, (len(frames), rows * MERGE, columns * MERGE))


def patchify_picture(image: Image.Image, budget: PixelBudget = PICTURE_BUDGET) -> Patches:
    """Patches of one picture."""
    return patchify([image], budget)


def patchify_video(frames: Sequence[Image.Image], budget: PixelBudget = FRAME_BUDGET) -> Patches:
    """Patches of a clip's frames; the last of an odd number is repeated, since two frames make a token."""
    return patchify([*frames, frames[-1]] if len(frames) % FRAMES_PER_TOKEN else frames, budget)
