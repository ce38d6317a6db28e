"""Clips seen once are what they were when seen: the same tokens, and what these show."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from random import Random

import pytest
import torch
from batches import collate
from curriculum import BUDGETS, FILMS, Curriculum
from data.video import questions_about
from reels import AGAIN, Reels
from trainer import ALONE, Trainer

SIZE = (140, 140)


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return Trainer(tmp_path, 1e-3, eyes=False)


def test_a_clip_that_was_seen_is_learned_from_as_one_that_is_drawn(trainer: Trainer) -> None:
    seen = Reels(trainer.see, Random(5))("look", SIZE, 8)
    random = Random(5)
    drawn = next(
        sample
        for sample in (FILMS["look"](random, *SIZE, 8) for _ in range(100))
        if sample.clip and seen.clip and sample.clip.times == seen.clip.times
    )
    assert drawn.clip
    questions = questions_about(Random(1), drawn.clip, 3)
    one, other = (
        collate([replace(sample, questions=questions)], trainer.tokenizer, BUDGETS) for sample in (seen, drawn)
    )
    assert one.pixels is None
    assert one.grid == other.grid
    assert torch.equal(one.ids, other.ids)
    assert torch.equal(one.positions, other.positions)
    for field in fields(one.asked):
        assert torch.equal(getattr(one.asked, field.name), getattr(other.asked, field.name))
    with torch.no_grad():
        close, far = (trainer.look(batch).seen.float() for batch in (one, other))
    torch.testing.assert_close(close, far, atol=0.02, rtol=0.02)  # kept in bfloat16


def test_each_is_asked_about_again_and_new_ones_come(trainer: Trainer) -> None:
    made = []

    def see(pixels: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        made.append(len(pixels))
        return torch.zeros(len(pixels), grid[0] * grid[1] * grid[2] // 8, 4)

    reels = Reels(see, Random(0))
    drawn = [reels("look", SIZE, 32) for _ in range(AGAIN * 10)]
    assert len(drawn) / AGAIN <= sum(made) <= len(drawn) / AGAIN + made[0]
    assert len({id(sample) for sample in drawn}) > sum(made) / 2
    assert all(sample.medium and not sample.medium.frames for sample in drawn)


@pytest.mark.parametrize("job", ["moments", "times", "video"])
def test_the_eyes_learn_nothing_of_clips_seen_before(trainer: Trainer, job: str) -> None:
    trainer.step = ALONE + 1
    curriculum = Curriculum(0, [job], reels=Reels(trainer.see, Random(0)))
    _, samples, budgets = curriculum.draw({})
    losses, _ = trainer.losses(collate(samples[:3], trainer.tokenizer, budgets))
    sum(losses).backward()
    eyes, decoder = trainer._parts()
    assert all(weight.grad is None for weight in eyes)
    assert any(weight.grad is not None for weight in decoder)
