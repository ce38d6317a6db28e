"""What is asked of a clip, of all that could be."""

from __future__ import annotations

from random import Random

from curriculum import NEVER, TIMES, timed_sample
from data import HELD_OUT


def test_times_are_asked_along_with_what_never_happens_and_movements_before_the_rest() -> None:
    for seed in range(12):
        sample = timed_sample(Random(HELD_OUT + seed), 140, 140, 16)
        assert len(sample.questions) == TIMES
        never = [":" not in question.thought for question in sample.questions]
        assert all(never[:NEVER])  # there is always something that is not there or does not move
        happening = [question.text for question in sample.questions if ":" in question.thought]
        assert not any(" moves" in event for event in happening) or " moves" in happening[0]
