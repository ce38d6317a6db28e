"""The job *chart*: bar, line and pie charts, to be read as a table or asked about.

The first question is always for the table, with the rows and columns of `data.plots`. A chart without a title has the
title null. No question has two right answers, and what is asked to compare is clearly apart.

A thought goes from bar to bar: each is looked for by where the last one is. Its value is read there, or, if it is not
written, reckoned from how far along the axis the bar ends; `reckoned_sample` is for that alone. Answers say it again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from PIL import Image

from data import Question, Sample
from data.ask import ORDER
from data.axis import DIGITS, Axis, draw_axis
from data.chart_print import CATEGORIES, HIGHEST, LOWEST, NAMES, OTHERS, TITLE, VALUES
from data.plots import Chart, draw_chart
from data.reading import Thought, again, found_by
from ernie_cli.messages import Picture

TABLE = (
    'Read the chart as a table. Answer with JSON only: a list of {"type": "...", "title": "...", '
    '"columns": ["...", "..."], "rows": [["...", 0]]}, one for each chart.'
)
RECKONED = 5  # values in a thought about a chart that is not seen
NOUNS = {"bar": "bar", "line": "point", "pie": "slice"}


def chart_sample(random: Random, width: int, height: int, questions: int) -> Sample:
    """A chart and up to `questions` different questions, the first always for the table."""
    return sample_of(random, draw_chart(random, width, height), questions)


def sample_of(random: Random, chart: Chart, questions: int) -> Sample:
    """A chart that is drawn already, and up to so many questions."""
    return Sample(Picture(chart.image, printed=True), ask_chart(random, chart, questions), letters=chart.letters)


Found = tuple[Question, list[int | None]]  # and the line of `data.chart_print` that each value of its answer stands on


def ask_chart(random: Random, chart: Chart, questions: int) -> list[Question]:
    """Up to so many different questions; the first is for the table."""
    begins = f"This is a {chart.kind} chart {'with' if chart.title else 'without'} a title."
    asked: list[Question] = []
    kinds = [_extreme, _extreme, _value, _value, _compare, _title, _type]
    for kind in [_table, *random.choices(kinds, k=4 * questions)]:
        says = Thought().say(begins)
        question, lines = kind(random, chart, says)
        if len(asked) < questions and question.text not in [other.text for other in asked]:
            # Values are said again, as the thought has them; all else is read.
            printed = [None if line in says.found else line for line in lines]
            read = found_by(question.answer, chart.letters, printed)
            said = again(question.answer, lines, says)
            asked.append(replace(question, thought=says.text, cited=tuple(says.read), read=read, again=said))
    return asked


def reckoned_sample(random: Random) -> Sample:
    """Thoughts about the values of two charts that are not seen: only how they are reckoned is learned."""
    return Sample(Picture(Image.new("RGB", (56, 56), "white")), [_reckoned(random) for _ in range(2)])


def _reckoned(random: Random) -> Question:
    axis, noun = draw_axis(random), NOUNS[random.choice(["bar", "bar", "line"])]
    says = Thought()
    # Up to a step between numbers of the axis may lie below the lowest one that is shown, or above the highest.
    shares = [random.uniform(-0.35 if axis.lifted else 0, 1.35) for _ in range(RECKONED)]
    along = [max(1, min(199, round(axis.begin + (axis.end - axis.begin) * share))) for share in shares]
    beside = [random.randint(5, 165) for _ in along]
    places = list(zip(*((along, beside) if axis.horizontal else (beside, along)), strict=True))
    _enumerate(says, noun, places, [axis.value(axis.share(place)) for place in places], axis)
    return Question("", says.text, "", "reckoned")


def _point(chart: Chart, says: Thought) -> Thought:
    return _enumerate(says, NOUNS[chart.kind], chart.ends, [value for _, value in chart.rows], chart.axis)


def _enumerate(
    says: Thought, noun: str, places: Sequence[tuple[int, int]], values: Sequence[float], axis: Axis | None
) -> Thought:
    """Says where the values are found, and which they are: as they are written there, or as `axis` has them.

    Places are those of `data.axis`: what is said next is looked for there. Behind each the next one is looked for, if
    there may be one more.
    """
    if axis:
        ends = (("from", axis.low, axis.begin, LOWEST), ("to", axis.high, axis.end, HIGHEST))
        says.say(" The axis goes")
        for word, text, place, line in ends:
            says.say(f" {word} ").spell(text, line).say(" at ").locate(place, line, 0 if axis.horizontal else DIGITS)
        says.say(f", {axis.span} more." if axis.lifted else ".")
    says.say(f" Its {noun}s {'end' if axis and noun == 'bar' else 'are' if axis else 'have their values'}:")
    for row, (place, value) in enumerate(zip(places, values, strict=True)):
        line = VALUES + row
        says.say(f" {row + 1} at ").locate(place[0], line).say(" ").locate(place[1], line, DIGITS)
        says.say(f", {_reckoning(axis, place)}" if axis else ", ")
        says.found[line] = len(says.text)
        if axis:
            says.say(str(value))
        else:
            says.spell(str(value), line)
        says.say(";" if row + 1 < len(places) else ".", (line + 1, 0) if line + 1 < OTHERS else None)
    return says


def _reckoning(axis: Axis, place: tuple[int, int]) -> str:
    """What comes before the value that stands at a place: where an axis does not begin with 0, a sum."""
    share = axis.share(place)
    above = axis.above(share)
    added = f"{axis.low} {'-' if above < 0 else '+'} {abs(above)} = " if axis.lifted else ""
    return f"{axis.along(place)} of {axis.length}, {share}%, {added}"


def _table(_: Random, chart: Chart, says: Thought) -> Found:
    table = {"type": chart.kind, "title": chart.title, "columns": chart.columns, "rows": chart.rows}
    lines = [None, *([TITLE] if chart.title else []), *NAMES]
    for row in range(len(chart.rows)):
        lines += [CATEGORIES + row, VALUES + row]
    _point(chart, says)
    return Question(TABLE, "", json.dumps([table])), lines


def _written(chart: Chart, value: float) -> str:
    return f"{value}%" if chart.kind == "pie" else str(value)


def _extreme(random: Random, chart: Chart, says: Thought) -> Found:
    most = random.random() < 0.6
    word = (
        ("highest" if chart.kind != "pie" else "largest") if most else ("lowest" if chart.kind != "pie" else "smallest")
    )
    row = (max if most else min)(range(len(chart.rows)), key=lambda row: chart.rows[row][1])
    label, value = chart.rows[row]
    noun = NOUNS[chart.kind]
    _point(chart, says).say(f" The {word} {noun} is the {ORDER[row]}.")
    if random.random() < 0.25:
        ask = random.choice([f"What is the {word} value?", f"How much is the {word} {noun}?"])
        return Question(ask, "", _written(chart, value)), [VALUES + row]
    which = "label" if chart.columns[0] == "label" else chart.columns[0].lower()
    asks = [f"Which {noun} is the {word}?", f"Which {which} has the {word} value?", f"What is the {word}?"]
    return Question(random.choice(asks), "", label), [CATEGORIES + row]


def _value(random: Random, chart: Chart, says: Thought) -> Found:
    row = random.randrange(len(chart.rows))
    label, value = chart.rows[row]
    ask = random.choice([f"What is the value of {label}?", f"How much is {label}?", f"What is the value for {label}?"])
    _point(chart, says).say(f" {label} is the {ORDER[row]} {NOUNS[chart.kind]}.")
    return Question(ask, "", _written(chart, value)), [VALUES + row]


def _compare(random: Random, chart: Chart, says: Thought) -> Found:
    one, other = random.sample(range(len(chart.rows)), 2)
    (a, first), (b, second) = chart.rows[one], chart.rows[other]
    if abs(first - second) < 0.05 * chart.span:
        return _extreme(random, chart, says)
    more = first > second
    ask = random.choice([f"Is {a} higher than {b}?", f"Is {a} more than {b}?", f"Does {a} have more than {b}?"])
    than = "higher" if more else "lower"
    _point(chart, says).say(f" {a} is the {ORDER[one]}, {b} the {ORDER[other]}. {a} is {than} than {b}.")
    return Question(ask, "", "yes" if more else "no"), [None]


def _title(random: Random, chart: Chart, says: Thought) -> Found:
    ask = random.choice(["What is the title?", "What is the title of the chart?", "What does the title say?"])
    return Question(ask, "", chart.title or "The chart has no title."), [TITLE if chart.title else None]


def _type(random: Random, chart: Chart, says: Thought) -> Found:
    if random.random() < 0.5:
        _point(chart, says).say(f" There are {len(chart.rows)} {NOUNS[chart.kind]}s.")
        return Question(f"How many {NOUNS[chart.kind]}s are there?", "", str(len(chart.rows))), [None]
    ask = random.choice(["What kind of chart is this?", "What type of chart is it?"])
    return Question(ask, "", f"{chart.kind} chart"), [None]
