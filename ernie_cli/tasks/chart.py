"""Reading charts: what to ask, and the tables of the answer.

Every row of a `Chart` is as wide as its columns; rows that were not are padded or cut, and a note says so.

Numbers written as text become numbers (see `number`) in every column but the first, which names the rows and stays as
it was written: a year or an article code is not to be counted with.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

from ernie_cli.tasks.denial import says_nothing
from ernie_cli.tasks.json_text import is_cut, unwrap
from ernie_cli.tasks.reading import Entry, Reading, Shape, counted, look, lookup, unreadable

Cell: TypeAlias = str | int | float | None

TYPE_KEYS = ("type", "chart_type", "kind")
TITLE_KEYS = ("title", "chart_title", "name", "caption")
COLUMN_KEYS = ("columns", "headers", "header", "column_names", "cols", "fields")
ROW_KEYS = ("rows", "data", "values", "table")
_OWN_KEYS = frozenset((*TYPE_KEYS, *TITLE_KEYS, *COLUMN_KEYS))
_UNIT = re.compile(
    r"(?P<name>.+?)\s*(?:\((?P<round>[^()]{1,30})\)|\[(?P<square>[^\[\]]{1,30})\]"
    r"|(?:,\s*|\s+in\s+)(?P<after>%|[$\u20ac\u00a3\u00a5]|[a-z\u00b5]{1,4}(?:/[a-z]{1,4})?|[A-Z]{3}|\u00b0[CF]"
    r"|percent|thousands?|millions?|billions?))"
)
_PIPE_ROW = re.compile(r"^\s*\|(.+)\|\s*$")
_PIPE_RULE = re.compile(r"[\s|:-]+")


class Chart(BaseModel):
    """A chart as a table; `rows` are (rows, columns), a cell that is not known is null."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Axis(BaseModel):
    """What a column counts, and in what, as far as its name says so."""

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str | None


def axes(chart: Chart) -> tuple[Axis, ...]:
    """Name and unit of each column: `Rain (mm)`, `Rain [mm]`, `Rain in mm` and `Rain, mm` all are rain in mm."""
    return tuple(_axis(column) for column in chart.columns)


def _axis(column: str) -> Axis:
    match = _UNIT.fullmatch(column.strip())
    if match is None:
        return Axis(name=column.strip(), unit=None)
    return Axis(name=match["name"].strip(), unit=next(filter(None, match.group("round", "square", "after"))).strip())


def request(question: str | None = None) -> str:
    """The text behind the picture; a question is sent as it is, and answered in words."""
    return question or (
        'Read the chart as a table. Answer with JSON only: a list of {"type": "...", "title": "...",'
        ' "columns": ["...", "..."], "rows": [["...", 0]]}, one for each chart.'
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of the answer, as the grammar enforces it."""
    text = {"type": "string"}
    row = {"type": "array", "items": {"type": ["string", "number", "null"]}}
    fields = {
        "type": text,
        "title": {"type": ["string", "null"]},
        "columns": {"type": "array", "items": text},
        "rows": {"type": "array", "items": row},
    }
    item = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return {"type": "array", "items": item}


def read(answer: str) -> Reading[Chart]:
    """The charts of an answer, from JSON or from a Markdown table.

    Of a chart that was cut off the whole rows are kept. A chart with an empty list of rows is left out, and if there is
    no other, the model says that there is nothing. Raises `AnswerError` where the answer cannot be read.
    """
    found = look(answer, _CHART, "row")
    if found is None:
        found = _in_markdown(answer)
    charts, notes = [], list(found.notes)
    for entry in filter(lambda entry: _is_chart(entry.raw), found.items):
        chart, remarks = _chart(entry.raw)
        if chart.rows:
            charts.append(chart)
            notes += remarks
    if found.items and not charts:
        raise unreadable(answer, "table")
    return Reading(tuple(charts), found.complete, len(found.items) - len(charts), tuple(dict.fromkeys(notes)))


def _in_markdown(answer: str) -> Reading[Entry]:
    tables: list[list[list[Any]]] = [[]]
    for line in unwrap(answer).splitlines():
        row = _PIPE_ROW.match(line)
        if row is None:
            tables.append([])
        elif not _PIPE_RULE.fullmatch(line):
            tables[-1].append([re.sub(r"\*\*|`", "", cell).strip() for cell in re.split(r"(?<!\\)\|", row[1])])
    if charts := [Entry(table) for table in tables if len(table) > 1]:
        return Reading(tuple(charts), notes=("The table was read from Markdown.",))
    if says_nothing(answer):
        return Reading(())
    raise unreadable(answer, "table")


# ------------------------------------------------------------------------------------------------ one chart


def _is_rows(value: Any) -> bool:
    """Whether a value is a list of rows: lists of cells, or objects from column to cell."""
    rows = _whole(value)
    return bool(rows) and all(isinstance(row, list | dict) and row and not _nested(row) for row in rows)


def _whole(rows: Any) -> list[Any]:
    """The rows that were not cut off."""
    return [row for row in rows if not is_cut(row)] if isinstance(rows, list) else []


def _nested(row: list[Any] | dict[str, Any]) -> bool:
    return any(isinstance(cell, list | dict) for cell in (row.values() if isinstance(row, dict) else row))


def _is_chart(value: Any) -> bool:
    """Whether a value is one chart: an object with rows, or rows alone, but never a head without its rows."""
    if isinstance(value, dict):
        rows = lookup(value, ROW_KEYS)
        return _is_rows(rows) or (isinstance(rows, dict) and bool(rows) and not _nested(rows))
    rows = _whole(value)
    return _is_rows(value) and len(rows) > 1 and all(len(row) > 1 and not _OWN_KEYS.issuperset(row) for row in rows)


_CHART = Shape(_is_chart, ("rows",))


def _chart(raw: Any) -> tuple[Chart, list[str]]:
    """A chart and what the user should know about how it was read."""
    fields = raw if isinstance(raw, dict) else {"rows": raw}
    columns = lookup(fields, COLUMN_KEYS)
    header = [_text(name) for name in columns] if isinstance(columns, list) and not is_cut(columns) else []
    header, table = _table(header, lookup(fields, ROW_KEYS))
    top = columns is None and table and all(isinstance(cell, str) for cell in table[0])
    if top and not header and not (is_cut(raw) and isinstance(raw, dict)):  # of a cut object the columns may be to come
        header, table = [_text(name) for name in table[0]], table[1:]
    title = _text(lookup(fields, TITLE_KEYS))
    name = f"chart {title!r}" if title else "the chart"
    header, table, notes = _even(header, table, name)
    rows, remarks = _numbers(header, table, name)
    chart = Chart(type=_text(lookup(fields, TYPE_KEYS)), title=title, columns=tuple(header), rows=tuple(rows))
    return chart, notes + remarks


def _table(header: list[str], rows: Any) -> tuple[list[str], list[list[Any]]]:
    """Rows as lists of cells, from lists or objects or one object from name to value; cut rows are left out."""
    if isinstance(rows, dict):
        return header, [[key, value] for key, value in rows.items()]
    whole = _whole(rows)
    if whole and all(isinstance(row, dict) for row in whole):
        header = header if set(header) & set(whole[0]) else list(dict.fromkeys(name for row in whole for name in row))
        return header, [[row.get(name) for name in header] for row in whole]
    return header, [list(row.values()) if isinstance(row, dict) else row for row in whole]


def _even(header: list[str], table: list[list[Any]], name: str) -> tuple[list[str], list[list[Any]], list[str]]:
    """Header and rows of one width: the header's, or the longest row's where there is no header."""
    notes = []
    widths = {len(row) for row in table}
    if header and widths == {len(header) + 1}:
        header = ["", *header]  # the labels of the rows have no name: a common way to write a table
    if not header and table:
        header = [f"column {at + 1}" for at in range(max(widths))]
        notes.append(f"The columns of {name} have no names.")
    short = sum(len(row) < len(header) for row in table)
    long = sum(len(row) > len(header) for row in table)
    if short:
        notes.append(
            f"{counted(short, 'row')} of {name} had fewer than its {len(header)} columns: filled with nothing."
        )
    if long:
        notes.append(f"{counted(long, 'row')} of {name} had more than its {len(header)} columns: cut.")
    return header, [[*row, *[None] * len(header)][: len(header)] for row in table], notes


def _numbers(header: list[str], table: list[list[Any]], name: str) -> tuple[list[tuple[Cell, ...]], list[str]]:
    """Cells as text and numbers. A unit that gets lost on the way is told."""
    notes, rows = [], []
    for row in table:
        cells = [_cell(value, label=at == 0) for at, value in enumerate(row)]
        for at, (value, cell) in enumerate(zip(row, cells, strict=True)):
            if isinstance(value, str) and cell is not None and cell != value and (taken := _TAKEN.findall(value)):
                notes.append(f"{' '.join(taken)} was taken off the numbers of column {header[at]!r} of {name}.")
        rows.append(tuple(cells))
    return rows, list(dict.fromkeys(notes))


def _cell(value: Any, *, label: bool) -> Cell:
    if isinstance(value, bool) or value is None or isinstance(value, int | float):
        return _text(value) if isinstance(value, bool) else value
    text = _text(value)
    if re.fullmatch(r"|[-\u2013\u2014]+|n/?a|null|none|nan", text, re.IGNORECASE):
        return text if label and text else None
    return text if label or (as_number := number(text)) is None else as_number


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


# ------------------------------------------------------------------------------------------------ numbers in text

_MULTIPLES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9}
_CURRENCY = r"[$\u20ac\u00a3\u00a5]|USD|EUR|GBP"
_PART = "%|percent"
_ABOUT = "[~\u2248]"
_TAKEN = re.compile(f"{_ABOUT}|{_CURRENCY}|{_PART}")
_SIGN = "[-\u2212]"
_NUMBER = re.compile(
    rf"(?P<open>\()?(?:{_ABOUT}|\+)?\s*(?P<sign>{_SIGN})?\s*(?:{_CURRENCY})?\s*(?P<inner>{_SIGN})?"
    r"(?P<digits>[\d.][\d,. '_\u00a0\u2009\u202f]*?)\s*"
    rf"(?P<multiple>[kKMB]|bn|mn|thousand|million|billion)?\s*(?:{_PART}|{_CURRENCY})?(?(open)\))"
)


def number(text: str) -> int | float | None:
    """The number that a text means, or None.

    Taken off: "~", one currency, "%" (12 % is 12, not 0.12); "(5)" is -5; k, M, B, bn, thousand, million and billion
    multiply (a small "m" may be metres). Any other unit makes it text. Blanks, apostrophes and underscores may separate
    groups of three. "1,234" is a group, and so is "1.234.567"; "12,5", "0,125" and "1.234,5" have a decimal comma.
    """
    match = _NUMBER.fullmatch(text.strip())
    digits = _plain(match["digits"]) if match and len(text) < 100 else None
    if match is None or digits is None:
        return None
    value = float(digits) if "." in digits else int(digits)
    if match["multiple"]:
        value = round(value * _MULTIPLES[match["multiple"].lower()], 6)
        value = int(value) if value.is_integer() else value
    return -value if match["open"] or match["inner"] or match["sign"] else value


def _plain(digits: str) -> str | None:
    """Digits with groups and decimals as any country writes them, the way Python does; None if they are no number."""
    if re.fullmatch(r"\d{1,3}(?:[ '_\u00a0\u2009\u202f]\d{3})+(?:[.,]\d+)?", digits):
        digits = re.sub(r"[^\d.,]", "", digits)
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", digits):
        return digits.replace(",", "")
    if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+,\d+|[1-9]\d{0,2}(?:\.\d{3}){2,}|\d+,\d+", digits):
        return digits.replace(".", "").replace(",", ".")
    return digits if re.fullmatch(r"\d+\.?\d*|\.\d+", digits) else None
