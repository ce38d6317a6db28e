"""Bar, line and pie charts as matplotlib draws them: figures and names at random, in many styles.

Nothing on a chart is cut off or overlaps, no two categories have one name, and one value alone is the highest, one the
lowest. Rows are in the order in which one reads a chart: from the left, a horizontal bar chart from the top, a pie
by its labels, from the top (its legend, where it has one). Columns are called what the axes are; "label" and
"value" where nothing is written. The values of a pie are the percentages drawn.

matplotlib takes 50 to 150 ms a chart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import cos, radians, sin
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from data import Letter
from data.axis import Axis, axis_of, places_of
from data.chart_print import HIGHEST, VALUES, ends_of, letters_of
from data.fonts import FAMILIES, font_file
from data.sizes import tokens
from data.texts import code, made_up
from data.words import CITIES, DAYS, FIRST_NAMES, GOODS, MEASURES, MONTHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = (
    *("default", "default", "default", "ggplot", "bmh", "fivethirtyeight", "Solarize_Light2", "dark_background"),
    *("seaborn-v0_8-whitegrid", "seaborn-v0_8-darkgrid", "seaborn-v0_8-ticks", "seaborn-v0_8-white"),
)
CYCLES = ("tab10", "Set1", "Set2", "Dark2", "Paired", "Accent", "tab20c")
DPI = 100
PIE_ROWS = 4  # of labels, in half a pie: those of one row are read from the left
LUMINANCE = (0.3, 0.59, 0.11)


@dataclass(frozen=True)
class Chart:
    """What a chart shows, with its values as they are: a person reads them as in `as_read`, if they are not written.

    `span` is the length of its value axis, 100 for a pie; `labelled`: its values are written; `horizontal`: that axis
    lies below. `letters` also tell, where values are not written, where bars end and points lie.
    """

    kind: str
    title: str | None
    columns: tuple[str, str]
    rows: list[tuple[str, float]]
    span: float
    labelled: bool
    image: Image.Image
    horizontal: bool
    letters: list[Letter]  # as `data.chart_print` numbers them

    @property
    def axis(self) -> Axis | None:
        """What values are read off, if they are not written."""
        return None if self.labelled else axis_of(self.letters, tokens(self.image.size), horizontal=self.horizontal)

    @property
    def ends(self) -> list[tuple[int, int]]:
        """Where the values of all rows stand, or would, across and down in tenths of a token."""
        places = places_of(self.letters, tokens(self.image.size))
        return [places[VALUES + row] for row in range(len(self.rows))]

    def as_read(self) -> Chart:
        """The same with values that are not written as they can be read off the axis."""
        if not (axis := self.axis):
            return self
        read = [axis.value(axis.share(place)) for place in self.ends]
        return replace(self, rows=[(label, value) for (label, _), value in zip(self.rows, read, strict=True)])


@dataclass(frozen=True)
class _Plan:
    """What is to be drawn, before it is known whether it fits."""

    kind: str
    title: str | None
    axes: tuple[str | None, str | None]  # what is written at the axis of categories and of values
    labels: list[str]
    values: list[float]
    horizontal: bool
    labelled: bool
    size: float  # of the print, in pixels


# --- the figures


def _categories(random: Random, kind: str) -> tuple[str, list[str]]:
    """What the categories are and their names."""
    count = random.randint(2 if kind != "line" else 3, 6)
    start, year = random.randrange(12), random.randint(1990, 2025)
    months = [MONTHS[(start + i) % 12][:3] for i in range(count)]
    runs = {
        "month": months,
        "year": [str(year + i) for i in range(count)],
        "quarter": [f"Q{i + 1}" for i in range(min(count, 4))],
        "day": [DAYS[(start + i) % 7][:3] for i in range(count)],
        "week": [f"W{start + i}" for i in range(count)],
    }
    sets = {
        "city": random.sample(CITIES, count),
        "product": random.sample(GOODS, count),
        "name": random.sample(FIRST_NAMES, count),
        "team": random.sample("ABCDEFGHKLMNPRSTUVWXYZ", count),
        "code": list(dict.fromkeys(code(random) for _ in range(count))),
        "brand": list(dict.fromkeys(made_up(random).capitalize() for _ in range(count))),
    }
    return random.choice(list((runs if random.random() < (0.75 if kind == "line" else 0.25) else sets).items()))


def _values(random: Random, count: int) -> list[float]:
    """Whole numbers or tenths, round where they are large; highest and lowest are clearly so."""
    top = random.choice([5, 10, 20, 50, 80, 100, 200, 500, 1000, 5000])
    step = 0.1 if top <= 20 and random.random() < 0.7 else 0.1 if top <= 100 and random.random() < 0.2 else 1
    step = {500: 5, 1000: 10, 5000: 100}.get(top, step)
    low = random.choice([0.05, 0.05, 0.3, 0.5])
    while True:
        shares = [random.uniform(low, 1) for _ in range(count)]
        values = [round(round(share * top / step) * step, 1) for share in shares]
        ordered = sorted(values)
        if ordered[1] - ordered[0] >= 0.05 * ordered[-1] and ordered[-1] - ordered[-2] >= 0.05 * ordered[-1]:
            return values if step == 0.1 else [int(value) for value in values]


def _shares(random: Random, count: int) -> list[float]:
    """Percentages that add up to 100, none too thin to be written on."""
    unit = 1 if random.random() < 0.75 else 10
    while True:
        weights = [random.uniform(1, 5) for _ in range(count)]
        parts = [round(100 * unit * weight / sum(weights)) for weight in weights]
        parts[0] += 100 * unit - sum(parts)
        ordered = sorted(parts)
        clear = ordered[1] - ordered[0] >= 2 * unit and ordered[-1] - ordered[-2] >= 2 * unit
        if ordered[0] >= 7 * unit and (clear or count == 2) and ordered[0] != ordered[-1]:
            return [part / 10 if unit == 10 else part for part in parts]


def _plan(random: Random, kind: str) -> _Plan:
    noun, labels = _categories(random, kind)
    measure = random.choice(MEASURES)
    titles = [
        f"{measure} by {noun}",
        f"{measure} by {noun}",
        f"{measure} per {noun}",
        measure,
        f"{measure} in {2000 + random.randrange(30)}",
    ]
    titles += [f"{random.choice(CITIES)} {measure.lower()}", f"{made_up(random).capitalize()} {measure.lower()}"]
    written = random.random()
    axes: tuple[str | None, str | None] = (
        noun.capitalize() if random.random() < 0.5 else noun,
        measure if random.random() < 0.6 else random.choice([measure.lower(), f"{measure} (%)", f"{measure} (EUR)"]),
    )
    if kind == "pie" or written > 0.45:
        axes = (None, None)
    elif written > 0.25:
        axes = (axes[0], None) if random.random() < 0.3 else (None, axes[1])
    return _Plan(
        kind=kind,
        title=random.choice(titles) if random.random() < 0.93 else None,
        axes=axes,
        labels=labels,
        values=_shares(random, len(labels)) if kind == "pie" else _values(random, len(labels)),
        horizontal=kind == "bar" and random.random() < 0.35,
        labelled=kind == "pie" or random.random() < (0.4 if kind == "bar" else 0.2),
        size=random.uniform(10.5, 13),
    )


# --- the drawing


@lru_cache
def _family(name: str) -> str:
    """What matplotlib calls a family, once it knows its files."""
    from matplotlib import font_manager

    for file in FAMILIES[name]:
        font_manager.fontManager.addfont(str(font_file(file)))
    return font_manager.FontProperties(fname=font_file(FAMILIES[name][0])).get_name()  # type: ignore[arg-type]


def _settings(random: Random, size: float) -> dict[str, Any]:
    from cycler import cycler
    from matplotlib import colormaps

    points = size * 72 / DPI
    title = points * random.uniform(1.0, 1.25)
    settings: dict[str, Any] = {
        "font.family": _family(random.choice(list(FAMILIES))),
        "font.size": points,
        "axes.titlesize": title,
        "axes.titleweight": random.choice(["normal", "normal", "bold"]),
        "axes.labelsize": points,
        "xtick.labelsize": points,
        "ytick.labelsize": points,
        "legend.fontsize": points,
        "figure.dpi": DPI,
        "axes.titlelocation": random.choice(["center", "center", "left"]),
    }
    if random.random() < 0.6:
        colors = list(colormaps[random.choice(CYCLES)].colors)  # type: ignore[attr-defined]
        # Neither so pale nor so dark that it is lost on its ground.
        colors = [color for color in colors if 0.12 < np.dot(color, LUMINANCE) < 0.83]
        random.shuffle(colors)
        settings["axes.prop_cycle"] = cycler(color=colors)
    if random.random() < 0.4:
        settings |= {
            "axes.grid": random.random() < 0.6,
            "axes.grid.axis": "y",
            "grid.linestyle": random.choice(["-", "--", ":"]),
        }
        settings |= {"axes.axisbelow": True}
    if random.random() < 0.4:
        settings |= {"axes.spines.top": False, "axes.spines.right": False}
    return settings


def draw_chart(random: Random, width: int, height: int, *, turned: bool = False) -> Chart:
    """A chart on which nothing is cut off or overlaps, of width x height pixels; or one whose labels are `turned`."""
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Drawn once, or what fits easily would come more often.
    kind = random.choice(["bar", "bar", "bar", "line", "line", *([] if turned else ["pie"])])
    while True:
        plan = _plan(random, kind)
        if turned and not _is_turned(plan, width):
            continue
        with style.context([random.choice(STYLES), _settings(random, plan.size)], after_reset=True):
            figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
            canvas = FigureCanvasAgg(figure)
            axes = figure.add_subplot()
            rows = {"bar": _bars, "line": _line, "pie": _pie}[plan.kind](random, axes, plan)
            if plan.title:
                axes.set_title(plan.title)
            canvas.draw()
        if rows and _legible(figure, axes, plan):
            image = Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3].copy())
            low, high = axes.get_xlim() if plan.horizontal else axes.get_ylim()
            span = 100.0 if plan.kind == "pie" else float(abs(high - low))
            columns = (plan.axes[0] or "label", plan.axes[1] or "value")
            letters = letters_of(axes, plan.labels, [label for label, _ in rows], horizontal=plan.horizontal)
            if not plan.labelled:
                if all(letter.line != HIGHEST for letter in letters):
                    continue  # from a single number at an axis, no value can be read off
                letters += ends_of(axes, [value for _, value in rows], horizontal=plan.horizontal)
            return Chart(plan.kind, plan.title, columns, rows, span, plan.labelled, image, plan.horizontal, letters)


def _number(values: list[float]) -> str:
    return "%.1f" if any(isinstance(value, float) for value in values) else "%.0f"


def _room(plan: _Plan, width: float) -> float:
    """For a label below a chart, in pixels."""
    return width * 0.8 / len(plan.labels)


def _is_turned(plan: _Plan, width: float) -> bool:
    """Whether the labels do not fit side by side below a chart."""
    return not plan.horizontal and max(map(len, plan.labels)) * plan.size * 0.62 > _room(plan, width)


def _name_axes(axes: Axes, plan: _Plan) -> None:
    across, up = plan.axes[::-1] if plan.horizontal else plan.axes
    if across:
        axes.set_xlabel(across)
    if up:
        axes.set_ylabel(up)
    if _is_turned(plan, axes.figure.bbox.width):
        upright = plan.size > _room(plan, axes.figure.bbox.width) * 0.6
        lean = {"rotation": 90} if upright else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(len(plan.labels)), plan.labels, **lean)
    # Few numbers at the axis: a small chart has no room for more.
    (axes.xaxis if plan.horizontal else axes.yaxis).get_major_locator().set_params(nbins=5 if plan.horizontal else 6)


def _bars(random: Random, axes: Axes, plan: _Plan) -> list[tuple[str, float]]:
    colors = [f"C{i}" for i in range(len(plan.labels))] if random.random() < 0.35 else f"C{random.randrange(4)}"
    thick = random.uniform(0.45, 0.85)
    edge = {"edgecolor": "black"} if random.random() < 0.2 else {}
    if plan.horizontal:
        bars = axes.barh(plan.labels, plan.values, height=thick, color=colors, **edge)
    else:
        bars = axes.bar(plan.labels, plan.values, width=thick, color=colors, **edge)
    if plan.labelled:
        axes.bar_label(bars, fmt=_number(plan.values), padding=2)
        axes.margins(**{"x" if plan.horizontal else "y": 0.2})
    _name_axes(axes, plan)
    rows = list(zip(plan.labels, plan.values, strict=True))
    if not plan.horizontal:
        return rows
    if random.random() < 0.5:
        axes.invert_yaxis()
        return rows
    return rows[::-1]


def _line(random: Random, axes: Axes, plan: _Plan) -> list[tuple[str, float]]:
    mark = random.choice(["o", "o", "s", "D", "^", "."])
    dash = random.choice(["-", "-", "-", "--"])
    axes.plot(plan.labels, plan.values, dash, marker=mark, color=f"C{random.randrange(4)}", lw=random.uniform(1.2, 2.5))
    if plan.labelled:
        for label, value in zip(plan.labels, plan.values, strict=True):
            axes.annotate(_number(plan.values) % value, (label, value), (0, 4), textcoords="offset points", ha="center")
        axes.margins(0.12, 0.25)
    if random.random() < 0.6:
        axes.set_ylim(0, max(plan.values) * (1.25 if plan.labelled else 1.1))
    _name_axes(axes, plan)
    return list(zip(plan.labels, plan.values, strict=True))


def _pie(random: Random, axes: Axes, plan: _Plan) -> list[tuple[str, float]]:
    listed = random.random() < 0.25
    ring = random.random() < 0.2
    start = random.choice([90, 90, 0, random.randrange(360)])
    wedges, *_, written = axes.pie(
        plan.values,
        labels=None if listed else plan.labels,
        autopct=_number(plan.values) + "%%",
        startangle=start,
        counterclock=random.random() < 0.5,
        pctdistance=0.72 if ring else 0.62,
        wedgeprops={"width": 0.55 if ring else 1, "edgecolor": "white", "linewidth": random.choice([0, 1])},
    )
    for wedge, text in zip(wedges, written, strict=True):
        text.set_color("white" if np.dot(wedge.get_facecolor()[:3], LUMINANCE) < 0.5 else "black")
    rows = list(zip(plan.labels, plan.values, strict=True))
    if listed:
        axes.legend(wedges, plan.labels, loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1, frameon=False)
        return rows
    # Not clockwise: how many labels come before one in a decoder's order it can count.
    middles = [radians((wedge.theta1 + wedge.theta2) / 2) for wedge in wedges]
    down = [(-round(sin(middle) * PIE_ROWS), cos(middle)) for middle in middles]
    return [row for _, row in sorted(zip(down, rows, strict=True))]


def _legible(figure: Figure, axes: Axes, plan: _Plan) -> bool:
    """Whether all print lies within the figure, none on other print, and the plot has room."""
    legend = axes.get_legend()
    marks = [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]  # type: ignore[attr-defined]
    if plan.kind != "pie":
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            # Ticks that lie outside what is shown keep their text, but it is not drawn.
            marks += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    marks += legend.get_texts() if legend else []
    boxes = np.array([mark.get_window_extent().extents for mark in marks if mark.get_text() and mark.get_visible()])
    width, height = figure.bbox.width, figure.bbox.height
    if boxes[:, :2].min() < 1 or boxes[:, 2].max() > width - 1 or boxes[:, 3].max() > height - 1:
        return False
    turned = plan.kind != "pie" and axes.get_xticklabels()[0].get_rotation() == 45
    apart = np.maximum(boxes[:, None, :2] - boxes[None, :, 2:], boxes[None, :, :2] - boxes[:, None, 2:])
    touching = (apart < (-0.5 if plan.kind == "pie" else 1.0)).all(axis=2) & ~np.eye(len(boxes), dtype=bool)
    area = axes.get_window_extent()
    return bool((turned or not touching.any()) and area.width > width * 0.35 and area.height > height * 0.3)
