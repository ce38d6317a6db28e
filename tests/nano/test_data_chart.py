from __future__ import annotations

import json
import re
from random import Random

import numpy as np
import pytest
from data.chart import TABLE, ask_chart, chart_sample
from data.chart_print import CATEGORIES, NAMES, OTHERS, TITLE, VALUES
from data.plots import draw_chart, read_off


@pytest.fixture(scope="module")
def drawn():
    return [draw_chart(Random(seed), 252, 196) for seed in range(20)]


def test_a_seed_draws_the_same_sample():
    for seed in (3, 4, 5):
        one, two = (chart_sample(Random(seed), 224, 168, 5) for _ in range(2))
        assert one.medium.image.tobytes() == two.medium.image.tobytes()
        assert one.questions == two.questions
        assert one.medium.image.size == (224, 168)


def test_charts_are_of_all_kinds_and_sound(drawn):
    assert {chart.kind for chart in drawn} == {"bar", "line", "pie"}
    for chart in drawn:
        assert chart.image.size == (252, 196)
        assert 2 <= len(chart.rows) <= 6
        assert len({label for label, _ in chart.rows}) == len(chart.rows)
        if chart.kind == "pie":
            assert sum(value for _, value in chart.rows) == pytest.approx(100)
        else:
            assert max(value for _, value in chart.rows) - min(value for _, value in chart.rows) <= chart.span
        values = sorted(value for _, value in chart.rows)
        assert values[0] < values[1]
        assert values[-2] < values[-1]


def test_answers_say_what_is_drawn(drawn):
    for chart in drawn:
        table, *others = ask_chart(Random(1), chart, 8)
        assert table.text == TABLE
        (read,) = json.loads(table.answer)
        assert (read["type"], read["title"], tuple(read["columns"])) == (chart.kind, chart.title, chart.columns)
        assert [tuple(row) for row in read["rows"]] == chart.rows
        highest = max(chart.rows, key=lambda row: row[1])
        for question in others:
            if question.text.startswith("Which") and ("highest" in question.text or "largest" in question.text):
                assert question.answer == highest[0]
            if question.text.startswith("What is the value of "):
                label = question.text.removeprefix("What is the value of ").removesuffix("?")
                assert float(question.answer.removesuffix("%")) == dict(chart.rows)[label]


def test_letters_of_charts_stand_where_there_is_ink(drawn):
    for chart in drawn:
        grey = np.asarray(chart.image.convert("L"), dtype=float)
        for letter in (letter for letter in chart.letters if letter.drawn):
            x, y = int(letter.x * 252), int(letter.y * 196)
            around = grey[max(0, y - 5) : y + 6, max(0, x - 5) : x + 6]
            assert np.ptp(around) > 40, (chart.rows, letter)


def test_lines_of_a_chart_are_what_they_say(drawn):
    labelled = unwritten = 0
    for chart in drawn:
        lines = {}
        for letter in chart.letters:
            if letter.line < OTHERS:
                lines[letter.line] = lines.get(letter.line, "").ljust(letter.column) + letter.character
        assert lines.get(TITLE) == chart.title
        for number, (label, value) in enumerate(chart.rows):
            assert lines[CATEGORIES + number] == label
            if chart.labelled:
                labelled += 1
                assert float(lines[VALUES + number].rstrip("%")) == value
            elif VALUES in lines:
                unwritten += 1
                assert lines[VALUES + number] == str(read_off(value)) == str(chart.as_read().rows[number][1])
        names = [lines.get(line, word) for line, word in zip(NAMES, ("label", "value"), strict=True)]
        assert tuple(names) == chart.columns
    assert labelled > 10
    assert unwritten > 10


def test_values_that_are_not_written_stand_at_the_height_that_they_have(drawn):
    checked = 0
    for chart in drawn:
        ends = {letter.line - VALUES: letter for letter in chart.letters if not letter.drawn}
        if len(ends) < 3:
            continue
        values, heights = [value for _, value in chart.rows], [1 - ends[row].y for row in range(len(chart.rows))]
        slope, foot = np.polyfit(values, heights, 1)
        np.testing.assert_allclose(heights, np.polyval([slope, foot], values), atol=1e-6)
        assert 0.3 < slope * chart.span < 1  # the axis is most of the picture
        assert [ends[row].x for row in range(len(values))] == sorted(end.x for end in ends.values())
        checked += 1
    assert checked > 5


def test_a_thought_says_where_values_are_and_what_the_axis_says_there(drawn):
    written = horizontal = 0
    for chart in drawn:
        thought = ask_chart(Random(1), chart, 1)[0].thought
        places = re.findall(r"(\d\d) (\d\d)(?=[,.])", thought.split(" at ")[-1])
        assert len(places) == len(chart.rows)
        ends = [(int(x), int(y)) for x, y in places]
        axis = re.search(r"The axis goes from ([\d.]+) at (\d\d) to ([\d.]+) at (\d\d)\.", thought)
        if chart.labelled:
            written += 1
            assert axis is None
            for row, (x, y) in enumerate(ends):
                its = [letter for letter in chart.letters if letter.line == VALUES + row]
                assert (100 * its[0].x, 100 * its[0].y) == pytest.approx((x, y), abs=0.51)
            continue
        low, begin, high, end = (float(said) for said in axis.groups())
        along = [x if begin < end else y for x, y in ends]
        assert begin != end
        horizontal += begin < end
        for place, (_, value) in zip(along, chart.rows, strict=True):
            read = low + (place - begin) / (end - begin) * (high - low)
            assert read == pytest.approx(value, abs=0.035 * chart.span)
    assert written > 3
    assert horizontal


@pytest.mark.parametrize(
    ("value", "read"),
    [(0, 0), (3.7, 3.7), (0.3, 0.3), (48.3, 48), (12.0, 12), (10.4, 10.5), (374, 370), (149, 150), (4830, 4800)],
)
def test_what_can_be_read_off_an_axis(value: float, read: float) -> None:
    assert read_off(value) == read
    assert isinstance(read_off(value), type(read))


def test_a_table_is_read_from_its_letters(drawn):
    read = 0
    for chart in (chart.as_read() for chart in drawn):
        if any(not letter.drawn for letter in chart.letters):
            (table,) = ask_chart(Random(1), chart, 1)
            values = re.finditer(r", (\d[\d.]*)\]", table.answer)
            assert all(address for value in values for address in table.read[slice(*value.span(1))])
        letters = {(letter.line, letter.column): letter.character for letter in chart.letters}
        for question in ask_chart(Random(1), chart, 4):
            for said, address in zip(question.answer, question.read, strict=False):
                if address:
                    read += 1
                    assert address[0] < OTHERS
                    assert letters.get(address, " ") == said or said in '", ]}', (question.answer, address)
    assert read > 500
