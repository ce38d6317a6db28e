"""CSV that other people's readers read, and Markdown tables."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from ernie_cli.formats.chart_table import Placed, distinct, to_csv, to_markdown
from ernie_cli.tasks.chart import Chart

SALES = Chart(type="bar", title="Sales", columns=("quarter", "units"), rows=(("Q1", 12), ("Q2", 30.5)))
RAIN = Chart(type="line", title="", columns=("month", "units", "mm"), rows=(('a "b", c', None, 9), ("Feb\nx", 61, 7)))
PLACED = [Placed("a.png", 1, SALES), Placed("b, c.png", 1, SALES), Placed("b, c.png", 2, RAIN)]


def test_one_chart_is_its_table() -> None:
    assert to_csv(PLACED[:1], several=False) == "quarter,units\nQ1,12\nQ2,30.5\n"


def test_rows_of_several_say_where_they_are_from() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(PLACED, several=True))))
    assert [(row["file"], row["chart"]) for row in rows] == [("a.png", "chart 1")] * 2 + [
        ("b, c.png", "chart 1")
    ] * 2 + [("b, c.png", "chart 2")] * 2
    assert rows[4] == {
        "file": "b, c.png", "chart": "chart 2", "quarter": "", "units": "", "month": 'a "b", c', "mm": "9"
    }  # fmt: skip


def test_columns_that_differ_only_in_case_are_one() -> None:
    shouted = Chart(type="bar", title="", columns=("Quarter", "UNITS"), rows=(("Q3", 1),))
    rows = list(csv.reader(io.StringIO(to_csv([PLACED[0], Placed("c.png", 1, shouted)], several=True))))
    assert (rows[0], rows[-1]) == (["file", "chart", "quarter", "units"], ["c.png", "chart 1", "Q3", "1"])


def test_names_are_all_different() -> None:
    assert distinct(["a", "A", "", " ", "a 2", "x\ny"]) == ["a", "A 2", "column", "column 2", "a 2 2", "x y"]
    assert distinct(["File", "b"], ("file", "chart")) == ["File 2", "b"]


def test_readers_of_others_read_it(tmp_path: Path) -> None:
    pandas, duckdb = pytest.importorskip("pandas"), pytest.importorskip("duckdb")
    path = tmp_path / "charts.csv"
    path.write_text(to_csv(PLACED, several=True))
    frame = pandas.read_csv(path)
    assert frame.shape == (6, 6)
    assert frame["units"].tolist()[:4] == [12, 30.5, 12, 30.5]
    assert frame["file"].tolist() == duckdb.sql(f"SELECT file FROM '{path}'").df()["file"].tolist()


def test_markdown_tables() -> None:
    assert to_markdown(SALES) == "## Sales\n\n| quarter | units |\n| --- | ---: |\n| Q1 | 12 |\n| Q2 | 30.5 |\n"
    odd = Chart(type="bar", title="", columns=("a|b", "c"), rows=(("x\ny", None),))
    assert to_markdown(odd) == "| a\\|b | c |\n| --- | ---: |\n| x y |  |\n"
