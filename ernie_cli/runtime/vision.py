"""Pictures and frames as the patches the vision tower reads.

Sizes, order and normalisation are those of Baidu's processor (and of transformers' `Ernie4_5_VLMoeImageProcessorPil`,
against which the tests compare): bicubic resize to multiples of 28 pixels within a budget of pixels, CLIP mean and
deviation, 14 x 14 patches grouped by the 2 x 2 that the resampler merges into one token. They are made for as many
frames as the tower sees at a time, as bytes in numpy, and `normalise` makes the tower's numbers of those.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from ernie_cli.messages import Picture, Video

if TYPE_CHECKING:
    from torch import Tensor

PATCH = 14
MERGE = 2
FACTOR = PATCH * MERGE
FRAMES_PER_TOKEN = 2
MAX_ASPECT = 200

# CLIP's statistics of RGB in 0..1 (openai/CLIP, clip.py).
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


# (byte / 255 - mean) / deviation, for each number of a patch (588,), as one product and one sum.
_SCALE = np.repeat(1 / (255 * STD), PATCH * PATCH).astype(np.float32)
_SHIFT = np.repeat(-MEAN / STD, PATCH * PATCH).astype(np.float32)

_PIECE = 256  # patches: 600 kB of floats
_MANY = 8_000_000  # numbers: three frames of 720p

Levels: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Resize: TypeAlias = "Callable[[Image.Image, int, int], Levels]"  # to (height, width, 3)


@dataclass(frozen=True)
class PixelBudget:
    """The least and most pixels a picture or frame is resized to."""

    least: int
    most: int

    def capped(self, most: int | None) -> PixelBudget:
        """This budget with no more than `most` pixels, and no larger least; None is no cap."""
        return self if most is None else PixelBudget(min(self.least, most), min(self.most, most))


PICTURE_BUDGET = PixelBudget(3_136, 4_842_768)
FRAME_BUDGET = PixelBudget(234_416, 937_664)


class PixelBudgets(NamedTuple):
    """Of a picture, of a video frame, and of a picture on which print is to be read; Baidu's, who knows no third."""

    picture: PixelBudget = PICTURE_BUDGET
    frame: PixelBudget = FRAME_BUDGET
    printed: PixelBudget = PICTURE_BUDGET

    def capped(self, most: int | None) -> PixelBudgets:
        """All of them, each as its own `capped` has it."""
        return PixelBudgets(*(budget.capped(most) for budget in self))


@dataclass(frozen=True)
class Patches:
    """A medium's patches, made when they are asked for: those of a long clip would be gigabytes.

    `frames` are of one size, one of them for a picture; `size` is the (height, width) they are resized to.
    """

    frames: Sequence[Image.Image]
    size: tuple[int, int]
    resize: Resize

    @property
    def grid(self) -> tuple[int, int, int]:
        """How many patches there are (t, h, w); t is 1 for a picture."""
        return len(self.frames), self.size[0] // PATCH, self.size[1] // PATCH

    @property
    def merged_grid(self) -> tuple[int, int, int]:
        """The grid of tokens (t, h, w) the resampler makes of the patches: 2 x 2 patches, and 2 frames, to one."""
        frames, height, width = self.grid
        return -(-frames // FRAMES_PER_TOKEN), height // MERGE, width // MERGE

    @property
    def tokens(self) -> int:
        """Tokens the medium takes in the prompt."""
        return math.prod(self.merged_grid)

    def levels(self, which: range) -> Levels:
        """The patches of some frames, one frame after the other, in bytes: (frames * h * w, 588)."""
        _, rows, columns = self.grid
        flat = np.empty((len(which) * rows * columns, 3 * PATCH * PATCH), dtype=np.uint8)

        def fill(at: int) -> None:
            frame = self.frames[which[at]]
            pixels = self.resize(frame if frame.mode == "RGB" else frame.convert("RGB"), *self.size)
            out = flat[at * rows * columns : (at + 1) * rows * columns]
            _put_in_order(pixels, rows // MERGE, columns // MERGE, out)

        # The work is in Pillow, numpy and torch, which let other threads run meanwhile.
        with ThreadPoolExecutor(_threads(flat.size)) as pool:
            list(pool.map(fill, range(len(which))))
        return flat

    @property
    def pixels(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """All of them as the vision tower reads them: (t * h * w, 588)."""
        values: np.ndarray[Any, np.dtype[np.float32]] = self.levels(range(len(self.frames))) * _SCALE
        values += _SHIFT
        return values


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


def _resize_as_pillow(frame: Image.Image, height: int, width: int) -> Levels:
    return np.asarray(frame.resize((width, height), Image.Resampling.BICUBIC))


def _resize_as_torch(frame: Image.Image, height: int, width: int) -> Levels:
    """As transformers' video processor: Pillow's to a grey level, in a quarter of the time, but only with torch."""
    if frame.size == (width, height):
        return np.asarray(frame)
    import torch

    # Channels last: torch has a fast kernel for bytes in that order only.
    pixels = torch.frombuffer(bytearray(frame.tobytes()), dtype=torch.uint8).view(frame.height, frame.width, 3)
    planes = pixels.permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(planes, (height, width), mode="bicubic", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


def normalise(levels: Tensor, room: Tensor) -> Tensor:
    """Patches (patches, 588) of bytes as the float32 numbers that the vision tower reads, in `room`.

    `room` is a float32 tensor of the same device that nobody else looks at; it is made as large as need be, and using
    it again saves asking the system for memory, which takes longer than the arithmetic.
    """
    import torch

    room.resize_(levels.shape)
    scale, shift = (torch.from_numpy(one).to(levels.device) for one in (_SCALE, _SHIFT))
    # A processor is fastest in pieces that stay in its cache for both passes.
    step = _PIECE if levels.device.type == "cpu" else max(len(levels), 1)
    for at in range(0, len(levels), step):
        piece = room[at : at + step].copy_(levels[at : at + step])
        torch.addcmul(shift, piece, scale, out=piece)
    return room


def _threads(numbers: int) -> int:
    """One thread for each processor this process may use, but none more for what is done in a moment."""
    if numbers < _MANY:
        return 1
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)


def _put_in_order(pixels: Levels, rows: int, columns: int, out: Levels) -> None:
    """A frame (height, width, 3) as patches (patches, 588), in bytes: floats would be four times as much to move."""
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))  # (channel, height, width)
    runs = planes.view(f"V{PATCH}")  # a patch's 14 pixels of one line lie together, and are moved as one
    blocks = runs.reshape(3, rows, MERGE, PATCH, columns, MERGE)
    ordered = blocks.transpose(1, 4, 2, 5, 0, 3)  # (row, column, merge_y, merge_x, channel, y)
    out.view(f"V{PATCH}").reshape(ordered.shape)[...] = ordered


def patchify(medium: Picture | Video, budgets: PixelBudgets) -> Patches:
    """Patches of a medium, at the size that it is shown at."""
    if isinstance(medium, Video):
        return patchify_video(medium.frames, budgets.frame)
    return patchify_picture(medium.image, budgets.printed if medium.printed else budgets.picture)


def patchify_picture(image: Image.Image, budget: PixelBudget = PICTURE_BUDGET) -> Patches:
    """Patches of one picture."""
    return Patches([image], fit(image.height, image.width, budget), _resize_as_pillow)


def patchify_video(frames: Sequence[Image.Image], budget: PixelBudget = FRAME_BUDGET) -> Patches:
    """Patches of a clip's frames; the last of an odd number is repeated, since two frames make a token."""
    even = [*frames, frames[-1]] if len(frames) % FRAMES_PER_TOKEN else frames
    return Patches(even, fit(frames[0].height, frames[0].width, budget), _resize_as_torch)
