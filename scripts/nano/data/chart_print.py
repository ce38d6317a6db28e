"""What is printed on a chart that matplotlib has drawn, letter by letter.

Its lines are not counted from the top, where values at any height would mix with all else: each has a number by what it
says, the same on every chart. Values are loose: of one that stands high up, a decoder, which sees it before the lower
ones beside it, cannot know which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sin
from typing import TYPE_CHECKING

import numpy as np

from data import Letter
from data.fonts import X_HEIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

# Lines: the title, what the axes are called (of categories, of values), categories and their values in the order of the
# rows, and all others, which no table holds: the numbers at an axis.
TITLE, NAMES, CATEGORIES, VALUES, OTHERS = 0, (1, 2), 3, 9, 15


def letters_of(axes: Axes, labels: Sequence[str], rows: Sequence[str], *, horizontal: bool) -> list[Letter]:
    """Where the letters of a chart are: `labels` in the order in which they were drawn, `rows` as they are read."""
    across, up = (axes.yaxis, axes.xaxis) if horizontal else (axes.xaxis, axes.yaxis)
    lines: list[tuple[Text, int]] = [(axes.title, TITLE), (axes._left_title, TITLE)]  # type: ignore[attr-defined]
    legend = axes.get_legend()
    names = [*axes.texts, *(legend.get_texts() if legend else [])]
    if axes.axison:  # pies have no axes
        lines += [(across.label, NAMES[0]), (up.label, NAMES[1])]
        lines += [(tick, OTHERS) for tick in _shown(up)]
        names += _shown(across)
    lines += [(text, CATEGORIES + rows.index(text.get_text())) for text in names if text.get_text() in rows]
    written = [text for text in axes.texts if text.get_text() and text.get_text() not in rows]
    if len(written) == len(labels):
        lines += [(text, VALUES + rows.index(label)) for text, label in zip(written, labels, strict=True)]
    return [letter for text, line in lines if text.get_text() for letter in _letters(text, line)]


def ends_of(axes: Axes, values: Sequence[tuple[float, str]]) -> list[Letter]:
    """What could be written where upright bars end, or at the points of a line: values from the left, and their texts.

    All letters of a text are at one place.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    found = []
    for row, (value, text) in enumerate(values):
        x, y = axes.transData.transform((row, value)) / (figure.bbox.width, figure.bbox.height)
        found += [
            Letter(one, x, 1 - y, VALUES + row, column, drawn=False, loose=True) for column, one in enumerate(text)
        ]
    return found


Tick = tuple[str, float]  # a number at an axis, and how far across it stands, or down


def found_at(
    axes: Axes, letters: Sequence[Letter], rows: Sequence[tuple[str, float]], *, horizontal: bool
) -> tuple[list[tuple[float, float]], tuple[Tick, Tick] | None]:
    """Where the values of `rows` are, and the lowest and the highest tick if these have to be read off the axis."""
    figure = axes.get_figure(root=True)
    assert figure is not None

    def place(value: float, row: float) -> tuple[float, float]:
        x, y = axes.transData.transform((value, row) if horizontal else (row, value))
        return float(x / figure.bbox.width), float(1 - y / figure.bbox.height)

    written = [
        [letter for letter in letters if letter.line == VALUES + row and letter.drawn] for row in range(len(rows))
    ]
    if all(written):
        middles = [(np.mean([one.x for one in its]), np.mean([one.y for one in its])) for its in written]
        return [(float(x), float(y)) for x, y in middles], None
    axis = axes.xaxis if horizontal else axes.yaxis
    numbers = [(tick.get_text(), tick.get_position()[not horizontal]) for tick in _shown(axis)]
    low, high = ((text, place(value, 0)[not horizontal]) for text, value in (numbers[0], numbers[-1]))
    # Bars from the top are drawn in the other order, unless the axis is turned around.
    turned = horizontal and not axes.yaxis_inverted()
    order = range(len(rows))[:: -1 if turned else 1]
    return [place(value, row) for row, (_, value) in zip(order, rows, strict=True)], (low, high)


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
