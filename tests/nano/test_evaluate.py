"""What the evaluation asks is what its figures can score."""

from __future__ import annotations

from random import Random


def test_every_clip_is_asked_for_moments() -> None:
    from data.scores import score_video
    from evaluate import HELD_OUT, _moment_sample

    for seed in range(20):
        (question,) = _moment_sample(Random(HELD_OUT + seed)).questions
        assert score_video(question.answer, question.answer)["found"]
