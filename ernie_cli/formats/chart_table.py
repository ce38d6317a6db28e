"""Charts as CSV and as Markdown tables.

CSV is RFC 4180 with line ends of `\\n`; a cell that is not known is empty. Several charts make one rectangle: `file`
and `chart` say where a row comes from, and a column that a chart lacks is empty. `chart 1` is the first of its picture;
a bare 1 some readers take for "true".
Column names are all different, as most readers want them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ernie_cli.tasks.chart import Cell, Chart


@dataclass(frozen=True)
class Placed:
    """A chart, the picture it is in, and which of that picture's charts it is, from 1."""

    file: str
    at: int
    chart: Chart


def to_csv(placed: Sequence[Placed], *, several: bool) -> str:
    """All charts as one table; without `several` there is only one, and its rows need not say where they are from."""
    columns: list[str] = ["file", "chart"] if several else []
    rows: list[dict[str, Cell]] = []
    for one in placed:
        given = distinct(one.chart.columns, ("file", "chart") if several else ())
        # `Month` of one chart and `month` of another are one column, as readers that ignore case would have it.
        names = [next((known for known in columns if known.lower() == name.lower()), name) for name in given]
        columns += [name for name in names if name not in columns]
        place: dict[str, Cell] = {"file": one.file, "chart": f"chart {one.at}"} if several else {}
        rows += [place | dict(zip(names, row, strict=True)) for row in one.chart.rows]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(name) for name in columns] for row in rows)
    return stream.getvalue()


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, each with a number behind it where it was there before; a nameless column is called `column`."""
    # Without regard to case, as databases take them.
    seen, found = {name.lower() for name in taken}, []
    for name in names:
        plain = re.sub(r"\s+", " ", name).strip() or "column"
        free, number = plain, 2
        while free.lower() in seen:
            free, number = f"{plain} {number}", number + 1
        seen.add(free.lower())
        found.append(free)
    return found


def to_markdown(chart: Chart, file: str = "") -> str:
    """The title as a heading, behind the name of the file if that is given, and the table."""
    name = ": ".join(filter(None, (file, chart.title)))
    head = f"## {_escaped(name)}\n\n" if name else ""
    lines = [_line(chart.columns), _line(["---", *["---:"] * (len(chart.columns) - 1)])]
    return head + "\n".join([*lines, *(_line(written(row)) for row in chart.rows)]) + "\n"


def written(row: Iterable[Cell]) -> list[str]:
    """The cells of a row as text."""
    return ["" if cell is None else str(cell) for cell in row]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
