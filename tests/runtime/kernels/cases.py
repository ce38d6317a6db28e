"""The Triton programs against the reference, on a GPU or, with TRITON_INTERPRET=1, in Triton's interpreter.

Not collected by itself: `test_gpu.py` runs it in a process of its own, since the switch counts for a whole process.
"""

from __future__ import annotations

import os
from itertools import product

import pytest
import torch

from ernie_cli.runtime import kernels
from ernie_cli.runtime.kernels import Weight, gpu, reference
from tests.runtime.kernels.making import KINDS, choices, difference, moved, tensors, weight
from tests.runtime.kernels.memory import PeakMemory

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
EXPERTS = 9

# Hidden and intermediate sizes: none a multiple of every tile, and smaller the more tokens there are.
SIZES = {1: (96, 32), 2: (32, 160), 7: (32, 96), 64: (32, 160), 300: (96, 32), 4096: (32, 32)}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def pair(kind: str, hidden: int, intermediate: int, dtype: torch.dtype = torch.bfloat16) -> tuple[Weight, Weight]:
    gate_up = weight(kind, EXPERTS, 2 * intermediate, hidden, dtype=dtype)
    return gate_up, weight(kind, EXPERTS, hidden, intermediate, dtype=dtype)


def both(tokens: int, k: int, kind: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """What the programs and the reference answer to the same question."""
    hidden, intermediate = SIZES[tokens]
    gate_up, down = pair(kind, hidden, intermediate, dtype)
    chosen, weights = choices(tokens, k, EXPERTS)
    x, weights = torch.randn(tokens, hidden).to(dtype), weights.to(dtype)
    expected = reference.experts(x, chosen, weights, gate_up, down)
    there = x.to(DEVICE), chosen.to(DEVICE), weights.to(DEVICE), moved(gate_up, DEVICE), moved(down, DEVICE)
    return gpu.experts(*there).cpu(), expected


@pytest.mark.parametrize(
    ("tokens", "k", "kind"),
    # Most of the time goes into the most tokens: there, one k for each kind.
    [*product([1, 2, 7, 64, 300], [2, 6], KINDS), (4096, 2, "plain"), (4096, 6, "int8"), (4096, 2, "nf4")],
)
def test_experts_equal_the_reference(tokens: int, k: int, kind: str) -> None:
    answer, expected = both(tokens, k, kind, torch.bfloat16)
    assert answer.dtype == torch.bfloat16
    assert difference(answer, expected) < 1e-2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dtype", "tokens", "most"), [(torch.float32, 7, 1e-5), (torch.float32, 300, 1e-5), (torch.float16, 300, 2e-3)]
)
def test_finer_types_agree_more_closely(dtype: torch.dtype, tokens: int, most: float, kind: str) -> None:
    answer, expected = both(tokens, 2, kind, dtype)
    assert difference(answer, expected) < most


@pytest.mark.parametrize("kind", KINDS)
def test_few_and_many_agree_on_every_token(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate_up, down = (moved(each, DEVICE) for each in pair(kind, 64, 32))
    chosen, weights = choices(5, 2, EXPERTS)
    given = (torch.randn(5, 64).bfloat16().to(DEVICE), chosen.to(DEVICE), weights.bfloat16().to(DEVICE), gate_up, down)
    few = gpu.experts(*given)
    monkeypatch.setattr(gpu, "GATHERED", 0)
    many = gpu.experts(*given)
    for one, other in zip(few, many, strict=True):
        assert difference(one, other) < 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_all_tokens_may_choose_the_same_expert(kind: str) -> None:
    gate_up, down = pair(kind, 64, 32)
    x, chosen, weights = torch.randn(70, 64).bfloat16(), torch.full((70, 1), 5), torch.ones(70, 1).bfloat16()
    there = x.to(DEVICE), chosen.to(DEVICE), weights.to(DEVICE), moved(gate_up, DEVICE), moved(down, DEVICE)
    assert difference(gpu.experts(*there).cpu(), reference.experts(x, chosen, weights, gate_up, down)) < 1e-2


@pytest.mark.parametrize("tokens", [1, 70])
@pytest.mark.parametrize("kind", KINDS)
def test_a_matrix_equals_the_reference(kind: str, tokens: int) -> None:
    matrix = weight(kind, 96, 160)
    x = torch.randn(tokens, 160).bfloat16()
    answer = gpu.linear(x.to(DEVICE), moved(matrix, DEVICE)).cpu()
    assert difference(answer, reference.linear(x, matrix)) < 1e-2


def test_tensors_that_are_views_are_read_right() -> None:
    gate_up, down = pair("int8", 64, 32)
    wide = torch.randn(40, 128).bfloat16()
    chosen, weights = choices(40, 2, EXPERTS)
    x, turned = wide[:, ::2], chosen.T.contiguous().T
    there = x.to(DEVICE), turned.to(DEVICE), weights.bfloat16().to(DEVICE), moved(gate_up, DEVICE), moved(down, DEVICE)
    expected = reference.experts(x, chosen, weights.bfloat16(), gate_up, down)
    assert difference(gpu.experts(*there).cpu(), expected) < 1e-2


@pytest.mark.parametrize("tokens", [3, 40, 200])
def test_memory_stays_within_what_is_stated(tokens: int) -> None:
    gate_up, down = (moved(each, DEVICE) for each in pair("int8", 64, 32))
    chosen, weights = (each.to(DEVICE) for each in choices(tokens, 6, EXPERTS))
    x, weights = torch.randn(tokens, 64, device=DEVICE).bfloat16(), weights.bfloat16()
    with PeakMemory(x, chosen, weights, *tensors(gate_up), *tensors(down)) as memory:
        answer = gpu.experts(x, chosen, weights, gate_up, down)
    stated = kernels.scratch_bytes(tokens, 6, 64, 32)
    assert 0 < memory.peak - answer.nbytes <= stated


def test_the_package_chooses_the_programs() -> None:
    """A model's call ends in the programs, here and on a GPU."""
    assert kernels._backend(DEVICE) is gpu


@pytest.mark.skipif(INTERPRETED, reason="too large for the interpreter")
@pytest.mark.parametrize("tokens", [1, 4, 64, 512])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("intermediate", [1536, 512])
def test_real_sizes(intermediate: int, kind: str, tokens: int) -> None:
    gate_up = weight(kind, 64, 2 * intermediate, 2560, blocksize=64)
    down = weight(kind, 64, 2560, intermediate, blocksize=64)
    chosen, weights = choices(tokens, 6, 64)
    x, weights = torch.randn(tokens, 2560).bfloat16(), weights.bfloat16()
    there = x.to(DEVICE), chosen.to(DEVICE), weights.to(DEVICE), moved(gate_up, DEVICE), moved(down, DEVICE)
    assert difference(gpu.experts(*there).cpu(), reference.experts(x, chosen, weights, gate_up, down)) < 1e-2
