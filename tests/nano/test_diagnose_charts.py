"""What is told of how charts are read is what is said of them."""

from __future__ import annotations

import json
from random import Random

from curriculum import CHARTS
from data.chart import sample_of
from data.plots import draw_chart
from diagnose_charts import of_answer, of_thought

KINDS = {"label, below", "label, beside a bar", "label, of a pie", "label, turned"}


def test_all_numbers_of_a_thought_are_told_once() -> None:
    text = "It. The axis goes from 0 at 123 to 3.5 at 029. Its bars end: 1 at 053 019, 104 of 94, 111%, 3.9; 2 at 1"
    assert [(what.removeprefix("reckoned, "), text[slice(*span)]) for what, span in of_thought(text)] == [
        *(("low", "0"), ("low at", "123"), ("high", "3.5"), ("high at", "029")),
        *(("across", "053"), ("down", "019"), ("part", "104"), ("whole", "94"), ("percent", "111"), ("value", "3.9")),
    ]
    text = "It. The axis goes from 2 at 123 to 3.5 at 029, 1.5 more. End: 1 at 053 076, 47 of 94, 50%, 2 + 0.75 = 2.75."
    assert [text[slice(*span)] for _, span in of_thought(text)] == [
        *("2", "123", "3.5", "029", "1.5", "053", "076", "47", "94", "50", "0.75", "2.75"),
    ]
    text = "Its bars have their values: 1 at 053 019, 12.5; 2 at 070 120, 13. The highest bar is the second."
    assert [text[slice(*span)] for _, span in of_thought(text)] == ["053", "019", "12.5", "070", "120", "13"]


def test_of_charts_every_label_and_value_is_told() -> None:
    kinds = set()
    for seed in range(30):
        chart = draw_chart(Random(seed), *CHARTS[0]).as_read()
        question = sample_of(Random(seed), chart, 1).questions[0]
        told = list(of_answer(question.answer, chart))
        assert [question.answer[slice(*span)] for _, span in told] == [
            part for label, value in chart.rows for part in (json.dumps(label)[1:-1], str(value))
        ]
        kinds |= {what for what, _ in told}
        values = [question.thought[slice(*span)] for what, span in of_thought(question.thought) if "value" in what]
        assert values == [str(value) for _, value in chart.rows]
    assert kinds == {*KINDS, "again"}
