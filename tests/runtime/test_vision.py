"""Patches are those of transformers' picture processor; panoramas, which that refuses, are Baidu's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.ernie4_5_vl_moe.image_processing_pil_ernie4_5_vl_moe import Ernie4_5_VLMoeImageProcessorPil

from ernie_cli.messages import Picture, Video
from ernie_cli.runtime.vision import (
    PICTURE_BUDGET,
    PixelBudget,
    PixelBudgets,
    fit,
    normalise,
    patchify,
    patchify_picture,
    patchify_video,
)

SIZES = [
    *((28, 28), (56, 56), (57, 55), (64, 64), (100, 37), (37, 100), (168, 140), (224, 224), (300, 200), (333, 77)),
    *((640, 480), (480, 640), (500, 13), (13, 500), (15, 1500), (1, 50), (50, 1), (1, 1), (3, 2), (29, 29)),
    *((1280, 720), (720, 1280), (2400, 2100), (1000, 1000), (999, 1001), (14, 14), (42, 42), (70, 98), (2800, 140)),
    *((199, 1), (1920, 1080)),
]
MODES = ["RGB", "L", "RGB", "RGB", "L"]


def picture(width: int, height: int, mode: str, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode).convert("RGB")


@pytest.mark.parametrize(("index", "size"), list(enumerate(SIZES)))
def test_patches_equal_the_processors(index: int, size: tuple[int, int]) -> None:
    image = picture(*size, MODES[index % len(MODES)], index)
    expected = Ernie4_5_VLMoeImageProcessorPil()(image, return_tensors="np")
    ours = patchify_picture(image)
    assert list(ours.grid) == expected["image_grid_thw"][0].tolist()
    np.testing.assert_allclose(ours.pixels, expected["pixel_values"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(5000, 20), (20, 5000), (10_000, 30), (1, 900)])
def test_panoramas_are_clamped_to_200_to_1(size: tuple[int, int]) -> None:
    height, width = fit(size[1], size[0], PICTURE_BUDGET)
    assert max(height, width) / min(height, width) <= 200
    assert PICTURE_BUDGET.least <= height * width <= PICTURE_BUDGET.most
    assert patchify_picture(Image.new("RGB", size)).grid == (1, height // 14, width // 14)


def test_the_budget_bounds_the_pixels() -> None:
    for size in SIZES:
        height, width = fit(size[1], size[0], PixelBudget(12_544, 50_176))
        assert height % 28 == width % 28 == 0
        assert height * width >= 12_544
        assert height * width <= 50_176 or min(height, width) == 28


@pytest.mark.parametrize(
    ("most", "expected"), [(None, (100, 200)), (300, (100, 200)), (200, (100, 200)), (150, (100, 150)), (50, (50, 50))]
)
def test_a_cap_lowers_a_budget_and_never_raises_it(most: int | None, expected: tuple[int, int]) -> None:
    assert PixelBudget(100, 200).capped(most) == PixelBudget(*expected)


def test_what_is_printed_is_shown_at_a_size_of_its_own() -> None:
    sizes = ((56 * 56, 56 * 56), (28 * 28, 28 * 28), (84 * 84, 112 * 112))
    budgets = PixelBudgets(*(PixelBudget(*size) for size in sizes))
    image = Image.new("RGB", (60, 60))
    media = (Picture(image), Video([image], [0.0]), Picture(image, printed=True))
    assert [patchify(medium, budgets).grid for medium in media] == [(1, 4, 4), (2, 2, 2), (1, 6, 6)]
    capped = budgets.capped(1_000)
    assert [patchify(medium, capped).grid for medium in media] == [(1, 2, 2), (2, 2, 2), (1, 2, 2)]


def test_an_odd_clip_repeats_its_last_frame() -> None:
    frames = [Image.new("RGB", (56, 56), (shade, 0, 0)) for shade in (10, 20, 30)]
    patches = patchify_video(frames, PixelBudget(3136, 3136))
    assert patches.grid == (4, 4, 4)
    assert patches.tokens == 2 * 2 * 2
    per_frame = patches.pixels.reshape(4, -1)
    np.testing.assert_array_equal(per_frame[2], per_frame[3])
    assert not np.array_equal(per_frame[1], per_frame[2])


def test_pieces_are_normalised_in_the_same_room_and_as_all_at_once() -> None:
    patches = patchify_video([picture(300, 200, "RGB", seed) for seed in range(4)])
    room = torch.empty(0)
    whole = normalise(torch.from_numpy(patches.levels(range(4))), room).clone()
    torch.testing.assert_close(whole, torch.from_numpy(patches.pixels), rtol=0, atol=1e-6)
    held = room.data_ptr()
    for place, frame in enumerate(whole.reshape(4, -1, 588)):
        piece = normalise(torch.from_numpy(patches.levels(range(place, place + 1))), room)
        assert torch.equal(piece, frame)
        assert piece.data_ptr() == held
