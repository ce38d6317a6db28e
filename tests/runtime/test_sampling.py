"""Drawing tokens."""

from __future__ import annotations

from collections import Counter

import torch

from ernie_cli.runtime.sampling import Sampler, Sampling

LOGITS = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()


def draws(sampling: Sampling, count: int = 2000) -> Counter[int]:
    sampler = Sampler(sampling)
    return Counter(sampler.pick(LOGITS) for _ in range(count))


def test_temperature_zero_is_greedy() -> None:
    assert draws(Sampling(0.0), 20) == {0: 20}


def test_draws_follow_the_probabilities() -> None:
    drawn = draws(Sampling(1.0, seed=1))
    assert abs(drawn[0] / 2000 - 0.5) < 0.05
    assert drawn[3] > 0


def test_the_nucleus_is_the_smallest_set_that_reaches_top_p() -> None:
    assert set(draws(Sampling(1.0, top_p=0.6, seed=1))) == {0, 1}
    assert set(draws(Sampling(1.0, top_p=0.4, seed=1))) == {0}
    assert set(draws(Sampling(1.0, top_p=0.0, seed=1))) == {0}


def test_top_k_keeps_so_many() -> None:
    assert set(draws(Sampling(1.0, top_k=3, seed=1))) == {0, 1, 2}


def test_a_repetition_penalty_makes_what_was_said_less_likely() -> None:
    sampler = Sampler(Sampling(repetition_penalty=3.0))
    assert [sampler.pick(LOGITS) for _ in range(3)] == [0, 1, 2]


def test_a_seed_repeats() -> None:
    first, second = Sampler(Sampling(1.0, seed=7)), Sampler(Sampling(1.0, seed=7))
    assert [first.pick(LOGITS) for _ in range(50)] == [second.pick(LOGITS) for _ in range(50)]
