"""What the evaluation asks is what its figures can score."""

from __future__ import annotations

from random import Random

from evaluate import Asked, charting, timing


def test_every_clip_is_asked_for_moments() -> None:
    from data.scores import score_video
    from evaluate import HELD_OUT, _moment_sample

    for seed in range(20):
        (question,) = _moment_sample(Random(HELD_OUT + seed)).questions
        assert score_video(question.answer, question.answer)["found"]


def test_what_never_happens_counts_by_itself_as_well() -> None:
    moment = '[{"start": "00:00:01.00", "end": "00:00:02.00", "label": "the star moves"}]'
    asked = [Asked(expected, said, "stop") for expected, said in ((moment, moment), ("[]", moment), ("[]", "[]"))]
    figures = timing(asked)
    assert figures["tiou_0.5"] == 0.6667
    assert figures["right_that_it_never_happens"] == 0.5


def test_values_are_held_against_the_axis_of_their_own_chart() -> None:
    def table(value: float) -> str:
        return f'[{{"type": "bar", "title": null, "columns": ["label", "value"], "rows": [["a", {value}]]}}]'

    asked = [Asked(table(50), table(54), "stop", span=span) for span in (100, 60)]
    figures = charting(asked)
    assert (figures["cells_right"], figures["rows_right"]) == (0.75, 0.5)
