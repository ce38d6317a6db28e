"""The clock in frames has the very pixels that Pillow, and so transformers' processor, draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ernie_cli.media.clock import draw_clock, find_font
from ernie_cli.times import clock

SIZES = [(1280, 720), (168, 112), (140, 140), (84, 84), (640, 480), (1920, 1080), (300, 57), (64, 15)]


@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_pillow(size: tuple[int, int]) -> None:
    random, letters = np.random.default_rng(0), int(min(size) * 0.1)
    for time_s in (0, 1.5, 59.99, 3723.25, 35_999.47, 86.68, 111.11, 7777.7):
        ours = Image.fromarray(random.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
        theirs = ours.copy()
        draw_clock(ours, time_s)
        ImageDraw.Draw(theirs).text(
            (0, 0),
            f"time: {clock(time_s)}",
            font=ImageFont.truetype(str(find_font()), letters),
            fill=(0, 0, 0),
            stroke_width=int(letters * 0.1),
            stroke_fill=(255, 255, 255),
        )
        assert ours.tobytes() == theirs.tobytes()


def test_a_frame_too_small_for_letters_stays_as_it_is() -> None:
    frame = Image.new("RGB", (9, 9), "green")
    draw_clock(frame, 1.0)
    assert frame.getcolors() == [(81, (0, 128, 0))]


def test_the_checkpoints_own_font_is_preferred(tmp_path: Path) -> None:
    assert find_font(tmp_path) == find_font()
    (tmp_path / "Roboto-Regular.ttf").write_bytes(find_font().read_bytes())
    find_font.cache_clear()
    assert find_font(tmp_path) == tmp_path / "Roboto-Regular.ttf"
