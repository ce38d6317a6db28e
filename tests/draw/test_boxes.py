"""Drawn boxes: lines where the boxes are, labels inside the picture that never cover each other."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from ernie_cli.draw import boxes as drawing
from ernie_cli.draw.boxes import COLORS, draw_boxes, font, letter_size, line_width
from ernie_cli.tasks.ground import Box, Point

LABELS = ["motorcycle", "front wheel", "a rather long name for a small thing", "bolt", "红车"]


def box(label: str, *corners: float) -> Box:
    return Box(label=label, box=(corners[0], corners[1], corners[2], corners[3]), box_1000=(0, 0, 1, 1))


def scattered(count: int, size: tuple[int, int]) -> list[Box]:
    rng = random.Random(count)
    side = size[0] * {1: 0.5, 20: 0.18, 100: 0.06}[count]
    found = []
    for _ in range(count):
        width, height = side * rng.uniform(0.6, 1.3), side * 0.7 * rng.uniform(0.6, 1.3)
        x, y = rng.uniform(0, size[0] - width), rng.uniform(0, size[1] - height)
        found.append(box(rng.choice(LABELS), x, y, x + width, y + height))
    return found


@pytest.mark.parametrize("width", [300, 1500, 6000])
@pytest.mark.parametrize("count", [1, 20, 100])
def test_labels_stand_in_the_picture_and_never_on_each_other(width: int, count: int) -> None:
    size = (width, width * 2 // 3)
    things = scattered(count, size)
    found = drawing._layout(things, [one.box for one in things], [COLORS[0]] * count, size, line_width(size))
    if found is None:
        assert (width, count) == (300, 100)  # the only ones for which there is no room
        return
    plates, face = found
    assert len(plates) == count
    assert drawing.SMALLEST <= face.size <= letter_size(size)
    assert all(
        0 <= one.rect[0] < one.rect[2] <= size[0] and 0 <= one.rect[1] < one.rect[3] <= size[1] for one in plates
    )
    taken = np.zeros((size[1], size[0]), np.uint8)
    for one in plates:
        left, top, right, bottom = map(int, one.rect)
        taken[top:bottom, left:right] += 1
    assert taken.max() == 1


def test_lines_are_on_the_edges_of_the_box_in_its_labels_colour() -> None:
    plain = Image.new("RGB", (400, 300), (128, 128, 128))
    drawn = draw_boxes(plain, [box("b", 100, 100, 300, 200)], ["a", "b"])
    pixels = np.asarray(drawn)
    assert plain.getpixel((100, 150)) == (128, 128, 128)
    halo = max(1, line_width(plain.size) // 3)
    for x, y in ((99 - halo, 150), (300 + halo, 150), (200, 200 + halo)):
        assert tuple(pixels[y, x]) == COLORS[1]
    # Nothing of what is in the box is hidden.
    assert (pixels[100:200, 100:300] == 128).all()
    # A dark or light edge on both sides, so that the line shows on a ground of its own colour.
    assert tuple(pixels[150, 99]) in {(0, 0, 0), (255, 255, 255)}


@pytest.mark.parametrize("corners", [(0, 0, 400, 300), (0, 0, 40, 30), (360, 270, 400, 300)])
def test_lines_stay_in_the_picture(corners: tuple[int, ...]) -> None:
    pixels = np.asarray(draw_boxes(Image.new("RGB", (400, 300)), [box("", *corners)]))
    column = corners[0] if corners[0] == 0 else 399
    middle = (corners[1] + corners[3]) // 2
    near = pixels[middle, :6] if column == 0 else pixels[middle, -6:]
    assert COLORS[0] in {tuple(int(value) for value in pixel) for pixel in near}


def test_lines_grow_with_the_picture() -> None:
    widths = [line_width((side, side * 2 // 3)) for side in (300, 1500, 6000)]
    assert widths[0] < widths[1] < widths[2]
    assert widths[2] / 6000 < 0.005


def test_where_labels_would_hide_the_picture_a_legend_is_below() -> None:
    plain = Image.new("RGB", (300, 200), (128, 128, 128))
    drawn = draw_boxes(plain, scattered(100, plain.size))
    assert drawn.width == 300
    assert drawn.height > 200


def test_a_legend_is_as_wide_as_its_longest_label() -> None:
    plain = Image.new("RGB", (64, 48), (128, 128, 128))
    label = "a very long name of what is seen"
    drawn = draw_boxes(plain, [box(label, 10, 10, 40, 40), box("b", 1, 1, 20, 20)])
    assert drawn.width > font(letter_size(plain.size)).getlength(label)
    # The plate ends before the picture does.
    assert {drawn.getpixel((drawn.width - 1, y)) for y in range(48, drawn.height)} == {(255, 255, 255)}
    assert drawn.getpixel((0, 40)) == (128, 128, 128)


def test_a_point_is_a_dot() -> None:
    drawn = draw_boxes(Image.new("RGB", (400, 300)), [Point(label="nose", point=(200, 150), point_1000=(500, 500))])
    assert drawn.getpixel((200, 150)) == COLORS[0]


@pytest.mark.parametrize("corners", [(0, 0, 1, 1), (0, 0, 400, 300), (399, 299, 400, 300), (10, 0, 10.2, 300)])
def test_odd_boxes(corners: tuple[float, ...]) -> None:
    assert draw_boxes(Image.new("RGB", (400, 300)), [box("a", *corners)]).getbbox() is not None


def test_nothing_found_changes_nothing() -> None:
    plain = Image.new("RGB", (40, 30), (1, 2, 3))
    assert draw_boxes(plain, []).tobytes() == plain.tobytes()
    assert draw_boxes(Image.new("RGB", (1, 1)), [box("a", 0, 0, 1, 1)]).width > 1
