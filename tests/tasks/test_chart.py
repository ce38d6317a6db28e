"""Charts: the wording, numbers written as text, rows of one width, and answers cut at every character."""

from __future__ import annotations

import json

import pytest

from ernie_cli.errors import AnswerError
from ernie_cli.tasks import chart
from ernie_cli.tasks.chart import Chart, number

SALES = {"type": "bar", "title": "Sales", "columns": ["quarter", "units"], "rows": [["Q1", 12], ["Q2", 30.5]]}
RAIN = {"type": "line", "title": "Rain", "columns": ["month", "mm", "days"], "rows": [["Jan", None, 9], ["Feb", 61, 7]]}


def test_wording() -> None:
    assert chart.request() == (
        'Read the chart as a table. Answer with JSON only: a list of {"type": "...", "title": "...",'
        ' "columns": ["...", "..."], "rows": [["...", 0]]}, one for each chart.'
    )
    assert chart.request("Which quarter was best?") == "Which quarter was best?"


def test_the_schema_has_the_keys_of_the_wording_in_their_order() -> None:
    fields = list(chart.schema()["items"]["properties"])
    assert fields == sorted(fields, key=chart.request().index)
    assert fields == list(Chart.model_fields)


def test_charts_leave_as_they_came() -> None:
    reading = chart.read(json.dumps([SALES, RAIN]))
    assert [one.model_dump(mode="json") for one in reading.items] == [SALES, RAIN]
    assert reading.notes == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3.5", -3.5),
        ("\u22123", -3),
        ("1,234", 1234),
        ("1,234,567.8", 1234567.8),
        ("1.234,5", 1234.5),
        ("1.234.567", 1234567),
        ("12,5", 12.5),
        ("0,125", 0.125),
        ("1.234", 1.234),
        ("12 345", 12345),
        ("12'345.6", 12345.6),
        ("12 %", 12),
        ("$3.4k", 3400),
        ("\u20ac 1.5M", 1500000),
        ("3 million", 3000000),
        ("2.5bn", 2500000000),
        ("(5)", -5),
        ("-$5", -5),
        ("~7", 7),
        ("+4", 4),
        ("5 m", None),
        ("12 kg", None),
        ("1,23,4", None),
        ("2020-21", None),
        ("1 2", None),
        ("Q1", None),
        ("(5", None),
        ("", None),
        (".", None),
    ],
)
def test_numbers(text: str, value: float | None) -> None:
    assert number(text) == value
    assert type(number(text)) is type(value)


def test_units_that_get_lost_are_told() -> None:
    reading = chart.read('[{"title": "Share", "columns": ["who", "part"], "rows": [["A", "12 %"], ["B", "9%"]]}]')
    assert reading.items[0].rows == (("A", 12), ("B", 9))
    assert reading.notes == ("% was taken off the numbers of column 'part' of chart 'Share'.",)


def test_currencies_and_a_rough_value_are_told_as_well() -> None:
    reading = chart.read('[{"title": "Cost", "columns": ["who", "sum"], "rows": [["A", "~12 EUR"], ["B", "3.4k"]]}]')
    assert reading.items[0].rows == (("A", 12), ("B", 3400))
    assert reading.notes == ("~ EUR was taken off the numbers of column 'sum' of chart 'Cost'.",)


def test_ragged_rows_are_told() -> None:
    reading = chart.read('[{"title": "T", "columns": ["a", "b"], "rows": [["x"], ["y", 1, 2], ["z", 3]]}]')
    assert reading.items[0].rows == (("x", None), ("y", 1), ("z", 3))
    assert len(reading.notes) == 2
    assert "1 row of chart 'T' had fewer" in reading.notes[0]
    assert "1 row of chart 'T' had more" in reading.notes[1]


def test_columns_without_names() -> None:
    reading = chart.read('{"title": "T", "rows": [["x", 1], ["y", 2]]}')
    assert reading.items[0].columns == ("column 1", "column 2")
    assert reading.notes == ("The columns of chart 'T' have no names.",)


def test_a_chart_without_rows_beside_one_with_rows_is_left_out() -> None:
    reading = chart.read(json.dumps([SALES, {**RAIN, "rows": []}]))
    assert [one.title for one in reading.items] == ["Sales"]


@pytest.mark.parametrize("value", [[SALES], [SALES, RAIN], {"charts": [RAIN, SALES]}, [[SALES, RAIN]]])
@pytest.mark.parametrize("indent", [None, 1])
def test_an_answer_cut_anywhere_gives_its_first_rows_or_none(value: object, indent: int | None) -> None:
    answer = json.dumps(value, indent=indent)
    whole = chart.read(answer).items
    for end in range(len(answer)):
        try:
            part = chart.read(answer[:end])
        except AnswerError:
            continue
        assert part.items, answer[:end]
        assert not part.complete, answer[:end]
        *first, last = part.items
        assert tuple(first) == whole[: len(first)], answer[:end]
        model = whole[len(first)]
        assert last.model_copy(update={"rows": ()}) == model.model_copy(update={"rows": ()}), answer[:end]
        assert last.rows == model.rows[: len(last.rows)], answer[:end]
