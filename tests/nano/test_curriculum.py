"""What is asked of a clip, of all that could be."""

from __future__ import annotations

from random import Random

import curriculum
import pytest
from curriculum import AGAIN, CHART_SIDES, NEVER, TIMES, Curriculum, timed_sample
from data import HELD_OUT
from data.plots import Chart, draw_chart
from data.scenes import COLORS


def test_times_are_asked_along_with_what_never_happens_and_movements_before_the_rest() -> None:
    for seed in range(12):
        sample = timed_sample(Random(HELD_OUT + seed), 140, 140, 16)
        assert len(sample.questions) == TIMES
        never = [question.answer == "[]" for question in sample.questions]
        assert all(never[:NEVER])  # there is always something that is not there or does not move
        happening = [question.text for question in sample.questions if question.answer != "[]"]
        happening = [event for event in happening if not _of_color(event)]
        assert not any(" moves" in event for event in happening) or " moves" in happening[0]


def _of_color(event: str) -> bool:
    return event.split()[-2] == "is" and event.rsplit(maxsplit=1)[-1] in COLORS


def test_it_is_asked_often_enough_when_something_is_of_a_color() -> None:
    clips = [timed_sample(Random(HELD_OUT + seed), 140, 140, 16) for seed in range(30)]
    asked = [question for clip in clips for question in clip.questions if _of_color(question.text)]
    assert len(asked) > len(clips) / 4
    assert sum(question.answer != "[]" for question in asked) > len(asked) / 2


def test_charts_take_long_to_draw_and_are_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    chart, drawn, turned = draw_chart(Random(HELD_OUT), 224, 224), [], []

    def draw(_: Random, *size: int, **kind: bool) -> Chart:
        drawn.append(size)
        turned.append(kind["turned"])
        return chart

    monkeypatch.setattr(curriculum, "draw_chart", draw)
    charts = Curriculum(1, ["chart"])
    shown = 0
    while shown < 2000:
        _, samples, _ = charts.draw({"chart": 1})
        shown += len(samples)
        assert all(len(sample.questions) == 2 for sample in samples)
    common = [size in curriculum.CHARTS for size in drawn]
    assert len(set(drawn)) > len(curriculum.CHARTS)
    assert 0.2 < sum(common) / len(common) < 0.8
    assert all(side in CHART_SIDES for size in drawn if size not in curriculum.CHARTS for side in size)
    assert 0.7 < len(drawn) * AGAIN / shown < 1.5  # some are drawn ahead
    assert 0.2 < sum(turned) / len(turned) < 0.4
