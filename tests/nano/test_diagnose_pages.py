"""What is told of how pages are read is what a model says, and where it looks."""

from __future__ import annotations

from pathlib import Path
from random import Random

from batches import branch
from data import HELD_OUT
from data.doc import doc_sample
from diagnose_pages import letters
from trainer import Trainer


def test_all_that_is_read_is_told_of_once_and_shares_are_shares(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, 0.0)
    for seed in range(3):
        sample = doc_sample(Random(HELD_OUT + seed), 224, 224, 6, 4)
        found = list(letters(trainer, sample))
        read = [address for question in sample.questions for address in branch(question, trainer.tokenizer).read]
        assert len(found) == sum(address is not None for address in read)
        assert len([what for what, *_ in found if what.startswith("tell")]) == len(sample.questions[0].answer) + 1
        assert all(0 <= share <= 1.001 for _, *figures in found for share in figures)


def test_a_model_that_says_the_wanted_letters_is_right(tmp_path: Path, made_to_say_what_is_wanted) -> None:
    trainer, sample = Trainer(tmp_path, 0.0), doc_sample(Random(HELD_OUT), 224, 224, 6, 4)
    made_to_say_what_is_wanted(trainer)
    assert {said for *_, said in letters(trainer, sample)} == {1.0}
