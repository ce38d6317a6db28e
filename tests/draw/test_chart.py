"""Charts drawn again: whatever was read gives a picture, and a picture of what was read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from ernie_cli.draw.chart import LEAST_SIDE, MOST_SIDE, redraw
from ernie_cli.tasks.chart import Cell, Chart

ORIGINAL = Image.new("RGB", (300, 200), (10, 200, 10))


def chart(kind: str, *rows: tuple[Cell, ...], title: str = "T") -> Chart:
    return Chart(type=kind, title=title, columns=("a", *[f"b{at}" for at in range(1, len(rows[0]))]), rows=rows)


def right(sheet: Image.Image) -> np.ndarray:
    """The half that was drawn; the original of these tests is 720 pixels wide there."""
    return np.asarray(sheet)[:, 736:]


@pytest.mark.parametrize("kind", ["bar", "line", "pie", "scatter", "stacked area", "", "unheard of"])
def test_every_kind_is_drawn_beside_the_original(kind: str) -> None:
    sheet = redraw(ORIGINAL, [chart(kind, ("x", 3), ("y", 5))])
    assert sheet.size == (720 + 16 + 720, LEAST_SIDE)
    assert sheet.getpixel((5, 240)) == (10, 200, 10)
    assert (right(sheet) < 200).any()


def test_another_value_gives_another_picture() -> None:
    one, other = (redraw(ORIGINAL, [chart("bar", ("x", 3), ("y", value))]) for value in (5, 1))
    assert (right(one) != right(other)).sum() > 1000
    assert (np.asarray(one)[:, :720] == np.asarray(other)[:, :720]).all()


def test_the_points_of_a_scatter_plot_stand_where_their_numbers_say() -> None:
    def picture(kind: str, *names: Cell) -> np.ndarray:
        rows = [(name, at) for at, name in enumerate(names, 1)]
        return right(redraw(ORIGINAL, [chart(kind, *rows)]))

    even, uneven = (picture("scatter", 1, 2, x) for x in (3, 90))
    columns = [np.flatnonzero((half[60:-60] == (31, 119, 180)).all(axis=2).any(axis=0)) for half in (even, uneven)]
    # Of three points the middle one: in the middle, or close to the first.
    middles = [int(found[len(found) // 2]) for found in columns]
    assert middles[0] > middles[1] + 200


@pytest.mark.parametrize(
    "odd",
    [
        chart("bar", ("x", None), ("y", "many")),
        chart("bar", ("x", 3, None), (None, -5, 2)),
        chart("pie", ("x", -3), ("y", 0)),
        chart("line", *((f"a long name {at}", at) for at in range(200))),
        chart("bar", ("$x$", 3), title="$\\frac{$ 中文"),
        chart("bar", ("x", math.inf), ("y", 10**400)),
        Chart(type="bar", title="only names", columns=("a",), rows=(("x",),)),
    ],
)
def test_odd_charts_are_drawn_without_a_word(
    odd: Chart, recwarn: pytest.WarningsRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert redraw(ORIGINAL, [odd]).width > 720
    assert not recwarn.list
    assert capsys.readouterr() == ("", "")


def test_none_and_many_charts() -> None:
    assert redraw(ORIGINAL, []).width > 720
    assert redraw(ORIGINAL, [chart("bar", ("x", 1), ("y", 2))] * 5).width > 720


def test_sizes_stay_legible_and_bounded() -> None:
    for size in ((30, 20), (6000, 4000), (20, 3000)):
        sheet = redraw(Image.new("RGB", size), [chart("bar", ("x", 1), ("y", 2))])
        assert LEAST_SIDE <= sheet.height <= MOST_SIDE
        assert sheet.width <= 2 * MOST_SIDE + 16
