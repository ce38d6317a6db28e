"""What is told of how times are said is what a model says, and where it looks."""

from __future__ import annotations

from pathlib import Path
from random import Random

from curriculum import timed_sample
from data import HELD_OUT
from diagnose_times import times
from trainer import Trainer


def test_every_time_and_every_verdict_of_a_clips_thoughts_is_told_of_once_and_shares_are_shares(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, 0.0)
    for seed in range(3):
        sample = timed_sample(Random(HELD_OUT + seed), 140, 140, 8)
        found = list(times(trainer, sample))
        whether = [figures for event, *figures in found if event.endswith(", whether")]
        when = [figures for event, *figures in found if event.endswith((", start", ", end"))]
        assert len(whether) == len(sample.questions)
        assert len(when) == sum(question.thought.count(":") // 2 for question in sample.questions)
        assert len(found) == len(when) + len(whether)
        # Before it is known whether there is a time, none is known, told or read.
        assert all(0 <= share <= 1.001 for looked, *_, said in whether for share in (looked, said))
        assert all(0 <= share <= 1.001 for shares in when for share in shares)


def test_a_model_that_says_the_wanted_digits_is_right(tmp_path: Path, made_to_say_what_is_wanted) -> None:
    trainer, sample = Trainer(tmp_path, 0.0), timed_sample(Random(HELD_OUT), 140, 140, 8)
    made_to_say_what_is_wanted(trainer)
    assert {said for *_, said in times(trainer, sample)} == {1.0}
