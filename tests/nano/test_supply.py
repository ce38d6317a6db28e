"""Batches come alike from the training's own process and from others, and go by what has been learned meanwhile."""

from __future__ import annotations

import pytest
import torch
from batches import Batch, moved
from curriculum import Curriculum
from moments import Filmed
from supply import Supply

from ernie_cli.runtime.checkpoint import NANO, find


def _one_question_each(worker: int) -> Curriculum:
    return Curriculum(f"seed {worker}", ["judge"])


def _clips(worker: int) -> Curriculum:
    return Curriculum(3, ["moments"])


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_that_a_curriculum_draws(workers: int) -> None:
    tokenizer = find(NANO).tokenizer
    supply = Supply(_one_question_each, tokenizer, {}, workers)
    drawn = [supply.draw() for _ in range(max(1, workers))]
    for worker, (job, batch) in enumerate(drawn):
        _, samples, _ = _one_question_each(worker).draw({})
        assert job == "judge"
        assert len(batch.ids) == len(samples)
        said = [tokenizer.decode(row.tolist()) for row in batch.ids]
        assert all(sample.questions[0].text in text for sample, text in zip(samples, said, strict=True))


def test_batches_grow_harder_with_what_is_told() -> None:
    supply = Supply(_clips, find(NANO).tokenizer, {})
    heights = [supply.draw()[1].grid[1]]
    supply.tell({"moments": 20_000})
    heights.append(supply.draw()[1].grid[1])
    assert heights == [2, 4]  # patches: one row of clocks, then two


def test_a_batch_is_moved_whole() -> None:
    _, batch = Supply(_clips, find(NANO).tokenizer, {}).draw()
    there = moved(batch, torch.device("meta"))
    assert isinstance(there, Batch)
    assert isinstance(there.asked, Filmed)
    assert there.pixels is not None
    assert {part.device.type for part in (there.ids, there.pixels, there.layout.valid, there.asked.kinds)} == {"meta"}
    assert there.layout.medium == batch.layout.medium


def test_larger_batches_are_of_the_same_job() -> None:
    draws = [Curriculum(0, ["ground"], times=times).draw({}) for times in (1, 3)]
    assert [job for job, *_ in draws] == ["ground"] * 2
    assert len(draws[1][1]) == 3 * len(draws[0][1])
