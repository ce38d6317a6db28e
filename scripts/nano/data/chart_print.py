"""What is printed on a chart that matplotlib has drawn, letter by letter.

Its lines are not counted from the top, where values at any height would mix with all else: each has a number by what it
says, the same on every chart. Values are loose: of one that stands high up, a decoder, which sees it before the lower
ones beside it, cannot know which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import cos, radians, sin
from typing import TYPE_CHECKING

import numpy as np

from data import Letter
from data.fonts import X_HEIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

# Lines: the title, what the axes are called (of categories, of values), categories and their values in the order of the
# rows, and all others, which no table holds: the numbers at an axis, of which the lowest and the highest are told.
TITLE, NAMES, CATEGORIES, VALUES, OTHERS, LOWEST, HIGHEST = 0, (1, 2), 3, 9, 15, 16, 17


def letters_of(axes: Axes, labels: Sequence[str], rows: Sequence[str], *, horizontal: bool) -> list[Letter]:
    """Where the letters of a chart are: `labels` in the order in which they were drawn, `rows` as they are read."""
    across, up = (axes.yaxis, axes.xaxis) if horizontal else (axes.xaxis, axes.yaxis)
    lines: list[tuple[Text, int]] = [(axes.title, TITLE), (axes._left_title, TITLE)]  # type: ignore[attr-defined]
    legend = axes.get_legend()
    names = [*axes.texts, *(legend.get_texts() if legend else [])]
    if axes.axison:  # pies have no axes
        lines += [(across.label, NAMES[0]), (up.label, NAMES[1])]
        ticks = _shown(up)
        lines += [(tick, LOWEST if tick is ticks[0] else HIGHEST if tick is ticks[-1] else OTHERS) for tick in ticks]
        names += _shown(across)
    lines += [(text, CATEGORIES + rows.index(text.get_text())) for text in names if text.get_text() in rows]
    written = [text for text in axes.texts if text.get_text() and text.get_text() not in rows]
    if len(written) == len(labels):
        lines += [(text, VALUES + rows.index(label)) for text, label in zip(written, labels, strict=True)]
    letters = [letter for text, line in lines if text.get_text() for letter in _letters(text, line)]
    return [_told(axes, letter, horizontal=horizontal) for letter in letters]


def ends_of(axes: Axes, values: Sequence[float], *, horizontal: bool) -> list[Letter]:
    """Where bars end, or the points of a line are, by the values of the rows: nothing is written there."""
    # Bars lie from below, unless the axis is turned around.
    rows = range(len(values))[:: -1 if horizontal and not axes.yaxis_inverted() else 1]
    found = []
    for number, (row, value) in enumerate(zip(rows, values, strict=True)):
        place = _place(axes, (value, row) if horizontal else (row, value))
        found.append(Letter(" ", *place, VALUES + number, drawn=False, loose=True, told=place))
    return found


def _place(axes: Axes, at: tuple[float, float]) -> tuple[float, float]:
    """Where that lies which is `at` so much of both axes, in fractions of the picture from its upper left corner."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    x, y = axes.transData.transform(at)
    return float(x / figure.bbox.width), float(1 - y / figure.bbox.height)


def _told(axes: Axes, letter: Letter, *, horizontal: bool) -> Letter:
    """A letter with the place that is told of it: of a value where it begins, of a number at an axis what it marks."""
    if letter.column or not VALUES <= letter.line <= HIGHEST or letter.line == OTHERS:
        return letter
    if letter.line < OTHERS:
        return replace(letter, told=(letter.x, letter.y))
    ticks = _shown(axes.xaxis if horizontal else axes.yaxis)
    marked = ticks[0 if letter.line == LOWEST else -1].get_position()
    x, y = _place(axes, (marked[0], 0) if horizontal else (0, marked[1]))
    return replace(letter, told=(x, letter.y) if horizontal else (letter.x, y))


def _shown(axis: object) -> list[Text]:
    """The texts of an axis that are within what is shown."""
    low, high = sorted(axis.get_view_interval())  # type: ignore[attr-defined]
    ticks = axis.get_major_ticks()  # type: ignore[attr-defined]
    return [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]


def _letters(text: Text, line: int) -> list[Letter]:
    """The characters of a text, which may be turned, without the blanks."""
    figure = text.get_figure(root=True)
    assert figure is not None
    renderer, said, font = figure.canvas.get_renderer(), text.get_text(), text.get_fontproperties()  # type: ignore[attr-defined]
    width, height = figure.bbox.width, figure.bbox.height
    ends = [
        renderer.get_text_width_height_descent(said[:i], font, False)[0] if i else 0.0 for i in range(len(said) + 1)
    ]
    _, tall, below = renderer.get_text_width_height_descent(said, font, False)
    low, high = np.array(text.get_window_extent().get_points())
    turned = radians(text.get_rotation())
    size = text.get_fontsize() * figure.dpi / 72
    up = below + size * X_HEIGHT / 2 - tall / 2  # of the middle of small letters above the text's own
    found = []
    for column, character in enumerate(said):
        along = (ends[column] + ends[column + 1] - ends[-1]) / 2
        x = (low[0] + high[0]) / 2 + along * cos(turned) - up * sin(turned)
        y = (low[1] + high[1]) / 2 + along * sin(turned) + up * cos(turned)
        if character != " ":
            loose = VALUES <= line < OTHERS
            found.append(Letter(character, x / width, 1 - y / height, line, column, loose=loose))
    return found
