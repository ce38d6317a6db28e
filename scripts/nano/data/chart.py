"""The job *chart*: bar, line and pie charts, to be read as a table or asked about.

The first question is always for the table, with the rows and columns of `data.plots`. A chart without a title has the
title null. No question has two right answers, and what is asked to compare is clearly apart.
"""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

from data import Question, Sample
from data.chart_print import OTHERS
from data.plots import Chart, draw_chart
from data.reading import found_by
from ernie_cli.messages import Picture

TABLE = (
    'Read the chart as a table. Answer with JSON only: a list of {"type": "...", "title": "...", '
    '"columns": ["...", "..."], "rows": [["...", 0]]}, one for each chart.'
)
NOUNS = {"bar": "bar", "line": "point", "pie": "slice"}


def chart_sample(random: Random, width: int, height: int, questions: int) -> Sample:
    """A chart and up to `questions` different questions, the first always for the table."""
    chart = draw_chart(random, width, height)
    return Sample(Picture(chart.image), ask_chart(random, chart, questions), letters=chart.letters)


def ask_chart(random: Random, chart: Chart, questions: int) -> list[Question]:
    """Up to so many different questions; the first is for the table."""
    says = f"This is a {chart.kind} chart {f'titled {chart.title}' if chart.title else 'without a title'}"
    says += f" with {len(chart.rows)} {NOUNS[chart.kind]}s"
    table = {"type": chart.kind, "title": chart.title, "columns": chart.columns, "rows": chart.rows}
    asked = [Question(TABLE, f"{says}: {', '.join(label for label, _ in chart.rows)}.", json.dumps([table]))]
    kinds = [_extreme, _extreme, _value, _value, _compare, _title, _type]
    for _ in range(4 * questions):
        question = random.choice(kinds)(random, chart, f"{says}.")
        if len(asked) < questions and question.text not in [other.text for other in asked]:
            asked.append(question)
    # A number at an axis is no value, though it may be the same.
    return [replace(one, read=found_by(one.answer, chart.letters, without=[OTHERS])) for one in asked]


def _written(chart: Chart, value: float) -> str:
    return f"{value}%" if chart.kind == "pie" else str(value)


def _extreme(random: Random, chart: Chart, says: str) -> Question:
    most = random.random() < 0.6
    word = (
        ("highest" if chart.kind != "pie" else "largest") if most else ("lowest" if chart.kind != "pie" else "smallest")
    )
    label, value = (max if most else min)(chart.rows, key=lambda row: row[1])
    noun = NOUNS[chart.kind]
    reason = f"{says} The {word} {noun} is {label}."
    if random.random() < 0.25:
        ask = random.choice([f"What is the {word} value?", f"How much is the {word} {noun}?"])
        return Question(ask, f"{reason} It is {_written(chart, value)}.", _written(chart, value))
    which = "label" if chart.columns[0] == "label" else chart.columns[0].lower()
    return Question(
        random.choice([f"Which {noun} is the {word}?", f"Which {which} has the {word} value?", f"What is the {word}?"]),
        reason,
        label,
    )


def _value(random: Random, chart: Chart, says: str) -> Question:
    label, value = random.choice(chart.rows)
    ask = random.choice([f"What is the value of {label}?", f"How much is {label}?", f"What is the value for {label}?"])
    verb = "is labelled" if chart.labelled else "reaches"
    return Question(ask, f"{says} {label} {verb} {_written(chart, value)}.", _written(chart, value))


def _compare(random: Random, chart: Chart, says: str) -> Question:
    (a, first), (b, second) = random.sample(chart.rows, 2)
    if abs(first - second) < 0.05 * chart.span:
        return _extreme(random, chart, says)
    more = first > second
    ask = random.choice([f"Is {a} higher than {b}?", f"Is {a} more than {b}?", f"Does {a} have more than {b}?"])
    return Question(ask, f"{says} {a} is {'higher' if more else 'lower'} than {b}.", "yes" if more else "no")


def _title(random: Random, chart: Chart, says: str) -> Question:
    ask = random.choice(["What is the title?", "What is the title of the chart?", "What does the title say?"])
    return Question(ask, says, chart.title or "The chart has no title.")


def _type(random: Random, chart: Chart, says: str) -> Question:
    if random.random() < 0.5:
        return Question(f"How many {NOUNS[chart.kind]}s are there?", says, str(len(chart.rows)))
    return Question(
        random.choice(["What kind of chart is this?", "What type of chart is it?"]), says, f"{chart.kind} chart"
    )
