"""The reference: transformers' own experts say the same; memory stays within what is stated."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from transformers import Ernie4_5_VLMoeConfig
from transformers.models.ernie4_5_vl_moe.modeling_ernie4_5_vl_moe import Ernie4_5_VLMoeMoeExperts

from ernie_cli.runtime import kernels
from ernie_cli.runtime.kernels import Int8Weight, Nf4Weight, Weight, experts, linear, reference, scratch_bytes
from ernie_cli.runtime.kernels import weights as layouts
from tests.runtime.kernels.making import KINDS, choices, difference, numbers, tensors, weight
from tests.runtime.kernels.memory import PeakMemory

HIDDEN, INTERMEDIATE, EXPERTS = 96, 160, 9
MOST = {torch.float32: 1e-5, torch.bfloat16: 1e-2}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def pair(kind: str, dtype: torch.dtype) -> tuple[Weight, Weight]:
    return (
        weight(kind, EXPERTS, 2 * INTERMEDIATE, HIDDEN, dtype=dtype),
        weight(kind, EXPERTS, HIDDEN, INTERMEDIATE, dtype=dtype),
    )


def native(gate_up: Weight, down: Weight, k: int) -> Ernie4_5_VLMoeMoeExperts:
    """transformers' module with the very numbers the weights stand for, in float32, computed its plainest way."""
    config = Ernie4_5_VLMoeConfig().text_config
    config.hidden_size, config.num_experts, config.moe_k = HIDDEN, EXPERTS, k
    config._experts_implementation = "eager"
    module = Ernie4_5_VLMoeMoeExperts(config, INTERMEDIATE)
    module.load_state_dict({"gate_up_proj": numbers(gate_up), "down_proj": numbers(down)})
    return module


@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize(("tokens", "k"), [*product([1, 2, 7, 64, 300, 4096], [2, 6])])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_experts_say_what_transformers_says(kind: str, tokens: int, k: int, dtype: torch.dtype) -> None:
    gate_up, down = pair(kind, dtype)
    chosen, weights = choices(tokens, k, EXPERTS)
    x, weights = torch.randn(tokens, HIDDEN).to(dtype), weights.to(dtype)
    answer = reference.experts(x, chosen, weights, gate_up, down)
    assert answer.dtype == dtype
    assert difference(answer, native(gate_up, down, k)(x.float(), chosen, weights.float())) < MOST[dtype]


@pytest.mark.parametrize("kind", KINDS)
def test_more_tokens_than_are_taken_at_a_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate_up, down = pair(kind, torch.float32)
    chosen, weights = choices(50, 2, EXPERTS)
    x = torch.randn(50, HIDDEN)
    whole = experts(x, chosen, weights, gate_up, down)
    monkeypatch.setattr(kernels, "TOKENS", 16)
    assert difference(experts(x, chosen, weights, gate_up, down), whole) < 1e-6


def test_no_tokens_have_no_answers() -> None:
    gate_up, down = pair("int8", torch.bfloat16)
    none = torch.empty(0, HIDDEN, dtype=torch.bfloat16)
    assert experts(none, torch.empty(0, 2, dtype=torch.int64), torch.empty(0, 2), gate_up, down).shape == (0, HIDDEN)
    assert linear(none, weight("int8", 64, HIDDEN)).shape == (0, 64)


@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("tokens", [1, reference.FEW - 1, reference.FEW, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_a_matrix_is_multiplied_as_its_numbers_are(kind: str, tokens: int, dtype: torch.dtype) -> None:
    matrix = weight(kind, 160, 96, dtype=dtype)
    x, bias = torch.randn(2, tokens, 96).to(dtype), torch.randn(160).to(dtype)
    expected = F.linear(x.float(), numbers(matrix), bias.float())
    answer = linear(x, matrix, bias)
    assert (answer.dtype, answer.shape) == (dtype, (2, tokens, 160))
    assert difference(answer, expected) < MOST[dtype]


@pytest.mark.parametrize("tokens", [1, 40])
@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_strips_join_to_the_whole(kind: str, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, x = weight(kind, 160, 96, dtype=torch.float32), torch.randn(tokens, 96)
    whole = linear(x, matrix)
    monkeypatch.setattr(reference, "STRIP", 96 * 7)  # 160 rows are no multiple of 7
    assert difference(linear(x, matrix), whole) < 1e-6


@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize(("tokens", "k"), [(1, 6), (64, 6), (300, 6), (300, 1)])
@pytest.mark.parametrize("kind", ["int8", "nf4", "nf4 by table"])
def test_memory_stays_within_what_is_stated(
    kind: str, tokens: int, k: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of a real width, one expert of which would be several strips; with k = 1, all tokens choose the same."""
    if kind == "nf4 by table":
        monkeypatch.setattr(layouts, "bitsandbytes", lambda: None)
    monkeypatch.setattr(kernels, "TOKENS", 128)
    hidden, intermediate, count = 2560, 512, 8
    gate_up, down = wide(kind, count, 2 * intermediate, hidden), wide(kind, count, hidden, intermediate)
    chosen = torch.rand(tokens, count).topk(k).indices if k > 1 else torch.ones(tokens, 1, dtype=torch.int64)
    x, weights = torch.randn(tokens, hidden).to(dtype), torch.rand(tokens, k).to(dtype)
    with PeakMemory(x, chosen, weights, *tensors(gate_up), *tensors(down)) as memory:
        answer = experts(x, chosen, weights, gate_up, down)
    stated = scratch_bytes(tokens, k, hidden, intermediate, dtype.itemsize, "cpu")
    assert 0 < memory.peak - answer.nbytes <= stated


@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_a_large_matrix_is_never_held_in_full_precision(kind: str, dtype: torch.dtype) -> None:
    matrix = wide(kind, 12288, 2560)
    x = torch.randn(16, 2560).to(dtype)
    with PeakMemory(x, *tensors(matrix)) as memory:
        answer = linear(x, matrix)
    assert memory.peak < reference.STRIP * dtype.itemsize + 4 * answer.nbytes < 12288 * 2560 / 2


def wide(kind: str, *shape: int) -> Weight:
    """A large weight whose numbers do not matter."""
    if kind == "int8":
        return Int8Weight(torch.zeros(shape, dtype=torch.int8), torch.ones(shape[:-1]))
    packed = torch.zeros(*shape[:-1], shape[-1] // 2, dtype=torch.uint8)
    return Nf4Weight(packed, torch.ones(*shape[:-1], shape[-1] // 64))


def test_a_long_prompt_needs_no_more_than_a_chunk() -> None:
    assert scratch_bytes(100_000, 6, 2560, 1536) == scratch_bytes(kernels.TOKENS, 6, 2560, 1536) < 0.4e9
    assert scratch_bytes(1, 6, 2560, 1536) < 0.1e6


def test_without_a_gpu_triton_is_not_imported() -> None:
    asked = (
        "import sys, torch; from ernie_cli.runtime.kernels import Int8Weight, linear; "
        "linear(torch.ones(1, 8), Int8Weight(torch.ones(8, 8, dtype=torch.int8), torch.ones(8))); "
        "sys.exit('triton' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
