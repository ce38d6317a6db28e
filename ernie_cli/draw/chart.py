"""What was read of a chart, drawn again beside the picture it was read from.

Drawn plainly on purpose: the same kind of chart, the names in the order they were read, every value written out where
there is room, so that a person sees at once what differs.
"""
# matplotlib is imported where it is used, so that other commands start fast.

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from ernie_cli.tasks.chart import Cell, Chart

DPI = 100
LEAST_SIDE, MOST_SIDE = 480, 1600  # pixels of each half
MOST_WRITTEN = 24  # values that are written beside their bars and points
_GAP = 16


def redraw(original: Image.Image, charts: Sequence[Chart]) -> Image.Image:
    """The original at the left, scaled to be legible and not huge, and each chart that was read at the right of it."""
    scale = min(max(1.0, LEAST_SIDE / original.height), MOST_SIDE / max(original.size))
    left = original.resize((max(1, round(original.width * scale)), max(1, round(original.height * scale))))
    # As wide as the original, but never so narrow that names run into each other.
    width, height = min(max(left.width, LEAST_SIDE), MOST_SIDE), max(left.height, LEAST_SIDE)
    right = _drawn(charts, width, height)
    sheet = Image.new("RGB", (left.width + _GAP + right.width, max(left.height, right.height)), "white")
    sheet.paste(left, (0, (sheet.height - left.height) // 2))
    sheet.paste(right, (left.width + _GAP, (sheet.height - right.height) // 2))
    return sheet


def _drawn(charts: Sequence[Chart], width: int, height: int) -> Image.Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = math.ceil(math.sqrt(len(charts))) or 1
    down = math.ceil(len(charts) / across) or 1
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for at, chart in enumerate(charts):
        _draw(figure.add_subplot(down, across, at + 1), chart)
    if not charts:
        figure.text(0.5, 0.5, "no chart was read", ha="center", va="center")
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of characters that the font lacks, and of little room
        figure.savefig(stream, format="png")
    return Image.open(stream).convert("RGB")


def _draw(axis: Any, chart: Chart) -> None:
    labels = [_plain("" if row[0] is None else str(row[0])) for row in chart.rows]
    series = {
        _plain(name): [_value(row[at]) for row in chart.rows]
        for at, name in enumerate(chart.columns)
        if at and any(isinstance(row[at], int | float) for row in chart.rows)
    }
    kind = chart.type.lower()
    if not series:
        axis.text(0.5, 0.5, "no numbers were read", ha="center", va="center")
        axis.set_axis_off()
    elif "pie" in kind or "donut" in kind or "doughnut" in kind:
        _pie(axis, labels, next(iter(series.values())))
    else:
        _on_axes(axis, labels, series, kind, _plain(chart.columns[0]))
    axis.set_title(_plain(chart.title))


def _plain(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def _value(cell: Cell) -> float:
    """A number as it is, anything else as a gap."""
    return float(cell) if isinstance(cell, int | float) and abs(cell) < 1e300 else math.nan


def _pie(axis: Any, labels: list[str], values: list[float]) -> None:
    known = [(label, value) for label, value in zip(labels, values, strict=True) if value > 0]
    if not known:
        axis.set_axis_off()
        return
    axis.pie([value for _, value in known], labels=[f"{label}\n{value:g}" for label, value in known], startangle=90)


def _on_axes(axis: Any, labels: list[str], series: dict[str, list[float]], kind: str, below: str) -> None:
    lines = any(word in kind for word in ("line", "area", "curve"))
    dots = "scatter" in kind
    measured = _measured(labels) if dots else None
    places = measured or [float(at) for at in range(len(labels))]
    room = len(labels) * len(series) <= MOST_WRITTEN
    for at, (name, values) in enumerate(series.items()):
        if lines or dots:
            axis.plot(places, values, "o" if dots else "o-", label=name)
        else:
            wide = 0.8 / len(series)
            moved = [place + (at - (len(series) - 1) / 2) * wide for place in places]
            axis.bar(moved, [0 if math.isnan(value) else value for value in values], wide, label=name)
        for place, value in zip(places, values, strict=True) if room and (len(series) == 1) else ():
            if not math.isnan(value):
                above = {"xytext": (0, 4), "textcoords": "offset points"}
                axis.annotate(f"{value:g}", (place, value), ha="center", va="bottom", fontsize="small", **above)
    if measured is None:
        _name(axis, places, labels)
    axis.set_xlabel(below)
    axis.margins(y=0.1)
    if not any(value < 0 for values in series.values() for value in values):
        axis.set_ylim(bottom=0)
    if len(series) > 1:
        axis.legend()
    else:
        axis.set_ylabel(next(iter(series)))


def _measured(labels: Sequence[str]) -> list[float] | None:
    """Where the points of a scatter plot stand, if all their names are numbers."""
    from ernie_cli.tasks.chart import number

    values = [_value(number(label)) for label in labels]
    return None if any(map(math.isnan, values)) else values


def _name(axis: Any, places: Sequence[float], labels: Sequence[str]) -> None:
    """As many names below an axis as there is room for."""
    across = axis.get_window_extent().width / (DPI / 5)  # so many names stand side by side when turned
    every = max(1, math.ceil(len(labels) / min(MOST_WRITTEN, max(across, 1))))
    crowded = sum(map(len, labels[::every])) * 8 > axis.get_window_extent().width
    axis.set_xticks(
        places[::every], labels[::every], rotation=45 if crowded else 0, ha="right" if crowded else "center"
    )
