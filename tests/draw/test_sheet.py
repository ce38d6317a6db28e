"""The contact sheet."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ernie_cli.draw.sheet import CELL, Row, draw_sheet


def test_pictures_stand_in_rows_each_above_its_time() -> None:
    red, blue = Image.new("RGB", (1280, 720), "red"), Image.new("RGB", (1280, 720), "blue")
    page = draw_sheet([Row("one", [("0:01", red), ("0:02", blue)]), Row("two", [("0:03", blue)])])
    pixels = np.asarray(page)
    for color, count in (((255, 0, 0), 1), ((0, 0, 255), 2)):
        found = (pixels == color).all(axis=2).sum()
        assert found == count * CELL * 180
    assert page.width == 3 * 12 + 2 * CELL


def test_a_long_label_is_shortened_and_small_pictures_stay_small() -> None:
    page = draw_sheet([Row("an event " * 99, [("0:01", Image.new("RGB", (60, 90)))])])
    assert page.width == 60 + 24
    assert (np.asarray(page) == 0).all(axis=2).sum() == 60 * 90
