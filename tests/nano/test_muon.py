"""Muon takes torch's steps, more exactly, and shares them out among processes without changing them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from muon import Muon, orthogonal
from torch import Tensor, nn

SHAPES = ((24, 48), (48, 24), (24, 48), (32, 32))


def _weights() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in SHAPES]


def _steps(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], count: int) -> list[Tensor]:
    torch.manual_seed(1)
    for _ in range(count):
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        optimizer.step()
    return [weight.detach() for weight in weights]


def test_its_steps_are_torchs():
    before, ours, theirs = _weights(), _weights(), _weights()
    known = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    expected = _steps(known, theirs, 3)
    for was, moved, other in zip(
        before, _steps(Muon(ours, lr=0.01, weight_decay=0.02), ours, 3), expected, strict=True
    ):
        step = (other - was).norm()
        assert step > 0.1
        assert (moved - other).norm() < 0.03 * step  # torch's are computed in bfloat16


def test_a_state_of_torchs_goes_on():
    weights = _weights()
    known = torch.optim.Muon(weights, lr=0.01, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    _steps(known, weights, 2)
    ours = Muon(weights, lr=0.01)
    ours.load_state_dict(known.state_dict())
    kept = ours.state[weights[0]]["momentum_buffer"]
    assert torch.equal(kept, known.state[weights[0]]["momentum_buffer"])
    assert kept.abs().sum() > 0


def test_a_half_precision_turns_steps_by_little():
    before, half, whole = _weights(), _weights(), _weights()
    _steps(Muon(half, precision=torch.bfloat16, lr=0.01), half, 3)
    _steps(Muon(whole, lr=0.01), whole, 3)
    for was, moved, other in zip(before, half, whole, strict=True):
        assert moved.dtype == torch.float32
        assert 0 < (moved - other).norm() < 0.03 * (other - was).norm()


def test_some_weights_learn_so_many_times_as_fast():
    before, same, faster = _weights(), _weights(), _weights()
    _steps(Muon(same, lr=0.01), same, 1)
    _steps(Muon(faster, {faster[0]: 3.0}, lr=0.01), faster, 1)
    first, *rest = zip(before, same, faster, strict=True)
    was, once, thrice = first
    assert torch.allclose(thrice - was, 3 * (once - was), atol=1e-5)
    assert all(torch.equal(once, twice) for _, once, twice in rest)


def test_matrices_without_a_gradient_stay():
    weights = _weights()
    before = weights[0].clone()
    weights[1].grad = torch.ones_like(weights[1])
    other = weights[1].clone()
    Muon(weights, lr=0.01, weight_decay=0.02).step()
    assert torch.equal(weights[0], before)
    assert not torch.equal(weights[1], other)


def test_orthogonal_brings_singular_values_near_one():
    torch.manual_seed(0)
    for shape in ((3, 20, 40), (3, 40, 20)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.5
        assert values.max() < 1.5


def _part(rank: int, world: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    weights = _weights()
    torch.save(_steps(Muon(weights, lr=0.01), weights, 2), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_processes_share_a_step(tmp_path: Path):
    if not dist.is_available():
        pytest.skip("torch was built without torch.distributed")
    weights = _weights()
    alone = _steps(Muon(weights, lr=0.01), weights, 2)
    torch.multiprocessing.spawn(_part, (2, str(tmp_path)), nprocs=2)
    for rank in range(2):
        for part, whole in zip(torch.load(tmp_path / f"{rank}.pt"), alone, strict=True):
            torch.testing.assert_close(part, whole)
