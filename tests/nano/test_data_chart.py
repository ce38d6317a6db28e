from __future__ import annotations

import json
import re
from random import Random

import numpy as np
import pytest
from data.axis import draw_axis, read_off
from data.chart import RECKONED, TABLE, ask_chart, chart_sample, reckoned_sample
from data.chart_print import CATEGORIES, NAMES, OTHERS, TITLE, VALUES
from data.plots import draw_chart
from data.sizes import tokens


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


@pytest.mark.parametrize("seed", range(4))
def test_charts_with_turned_labels_are_drawn_where_they_are_wanted(seed: int) -> None:
    chart = draw_chart(Random(seed), 252, 196, turned=True)
    assert chart.kind != "pie"
    assert not chart.horizontal
    labels = [[one for one in chart.letters if one.line == CATEGORIES + row] for row in range(len(chart.rows))]
    longest = max(labels, key=len)
    assert longest[0].y > longest[-1].y + 0.02


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
                assert lines[VALUES + number] == " "
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


SUM = r"(?:([\d.]+ [+-] [\d.]+) = )?"
ENTRY = re.compile(rf" (\d) at (\d{{3}}) (\d{{3}})(?:, (-?\d+) of (\d+), (-?\d+)%)?, {SUM}(\d[\d.]*)(?=[;.])")


def test_a_thought_says_where_values_are_and_how_those_off_an_axis_are_reckoned(drawn):
    written = horizontal = 0
    for chart in drawn:
        thought = ask_chart(Random(1), chart.as_read(), 1)[0].thought
        found = ENTRY.findall(thought)
        assert [int(number) for number, *_ in found] == [1 + row for row in range(len(chart.rows))]
        assert [float(value) for *_, value in found] == [value for _, value in chart.as_read().rows]
        ends = [(int(x), int(y)) for _, x, y, *_ in found]
        axis = re.search(r"The axis goes from ([\d.]+) at (\d{3}) to ([\d.]+) at (\d{3})(?:, [\d.]+ more)?\.", thought)
        if chart.labelled:
            written += 1
            assert axis is None
            for row, (x, y) in enumerate(ends):
                its = [letter for letter in chart.letters if letter.line == VALUES + row]
                wide, high = tokens(chart.image.size)
                assert (10 * wide * its[0].x, 10 * high * its[0].y) == pytest.approx((x + 0.5, y + 0.5), abs=0.51)
            continue
        low, begin, high, end = (float(said) for said in axis.groups())
        along = [x if begin < end else y for x, y in ends]
        assert begin != end
        horizontal += begin < end
        for place, (*_, part, whole, share, _, said), (_, value) in zip(along, found, chart.rows, strict=True):
            assert (int(part), int(whole)) == (
                abs(place - begin) if int(part) > 0 else -abs(place - begin),
                abs(end - begin),
            )
            assert int(share) == pytest.approx(100 * (place - begin) / (end - begin), abs=0.51)
            assert low + int(share) / 100 * (high - low) == pytest.approx(value, abs=0.035 * chart.span)
            assert float(said) == pytest.approx(value, abs=0.05 * chart.span)
    assert written > 3
    assert horizontal


def test_behind_each_bar_the_next_one_is_looked_for(drawn):
    for chart in drawn:
        (table,) = ask_chart(Random(1), chart, 1)
        ends = [match.end() for match in ENTRY.finditer(table.thought)]
        following = [(VALUES + number, 0) if number < 6 else None for number in range(1, len(ends) + 1)]
        assert [table.cited[end] for end in ends] == following
        lines = {letter.line for letter in chart.letters}
        assert VALUES + len(ends) not in lines or len(ends) == 6


def test_values_of_an_axis_that_is_not_seen_are_reckoned_as_those_of_one_that_is() -> None:
    kinds = set()
    for seed in range(50):
        axis = draw_axis(Random(seed))
        question, other = reckoned_sample(Random(seed)).questions
        assert other.thought != question.thought
        span = float(axis.high) - float(axis.low)
        more = re.search(
            rf"from {axis.low} at {axis.begin:03} to {axis.high} at {axis.end:03}(?:, (.*) more)?\. ", question.thought
        )
        assert more
        if float(axis.low):
            assert float(more[1]) == pytest.approx(span)
        found = ENTRY.findall(question.thought)
        assert len(found) == RECKONED
        kinds.add((axis.horizontal, float(axis.low) > 0))
        for _, x, y, part, whole, share, added, value in found:
            assert round(100 * int(part) / int(whole)) == int(share)
            assert int(share) == axis.share((int(x), int(y)))
            assert -37 <= int(share) <= 137
            above = read_off(span * abs(int(share)) / 100)
            if not float(axis.low):
                assert (added, float(value)) == ("", above)
                continue
            low, sign, more = added.split()
            assert (low, float(more)) == (axis.low, above)
            assert sign == "-" if int(share) < 0 and above else "+"
            assert float(value) == pytest.approx(float(low) + (-above if sign == "-" else above))
    assert kinds == {(across, lifted) for across in (True, False) for lifted in (True, False)}


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
        letters = {(letter.line, letter.column): letter.character for letter in chart.letters}
        for question in ask_chart(Random(1), chart, 4):
            for said, address in zip(question.answer, question.read, strict=False):
                if address:
                    read += 1
                    assert address[0] < OTHERS
                    assert letters.get(address, " ") == said or said in '", ]}', (question.answer, address)
                    assert not VALUES <= address[0] < OTHERS  # the thought has these
            for match in ENTRY.finditer(question.thought) if chart.labelled else ():
                addresses = question.cited[slice(*match.span(8))]
                assert "".join(letters[address] for address in addresses) == match[8]
    assert read > 500
