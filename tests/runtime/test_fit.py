"""Pretended machines: which precision is chosen for the 28B, where it goes, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from transformers import Ernie4_5_VLMoeConfig

from ernie_cli.engines import Options
from ernie_cli.engines.local import LocalEngine
from ernie_cli.errors import ModelError
from ernie_cli.messages import Answer, Finish, Note, Picture, user
from ernie_cli.runtime import loading
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.fit import choose, longest_context, ways
from ernie_cli.runtime.inputs import ModelInputs, prepare
from ernie_cli.runtime.loading import Elsewhere, choose_for, device_map, load
from ernie_cli.runtime.machine import Device, Machine, look
from ernie_cli.runtime.memory import Load
from ernie_cli.runtime.model import Decoding, Model
from ernie_cli.runtime.precision import PRECISIONS, Precision

GB = 10**9
REAL = Ernie4_5_VLMoeConfig()
PAGE = Load(context=8192, prompt=6144, patches=16_384)


def machine(*cards: tuple[str, float], memory: float = 64) -> Machine:
    """Cards with 98 % of their gigabytes free, in a machine with so much memory free."""
    found = [Device(f"cuda:{at}", name, int(size * 0.98 * GB), int(size * GB)) for at, (name, size) in enumerate(cards)]
    return Machine(tuple(found), Device("cpu", "memory", int(memory * GB), int(memory * GB)))


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (machine(("H200", 141)), "bf16 on cuda:0 (auto: it needs 61.4 GB, and H200 has 138.2 GB free)"),
        (machine(("H100", 80)), "bf16 on cuda:0 (auto: it needs 61.4 GB, and H100 has 78.4 GB free)"),
        (machine(("A6000", 48)), "int8 on cuda:0 (auto: bf16 needs 61.4 GB, A6000 has 47.0 GB free)"),
        (
            machine(("RTX 4090", 24)),
            "nf4 on cuda:0 (auto: bf16 needs 61.4 GB and int8 33.1 GB, RTX 4090 has 23.5 GB free)",
        ),
        (
            machine(("A6000", 48), ("A6000", 48)),
            "bf16 on cuda:0 + cuda:1 (auto: it needs 61.4 GB, and the 2 accelerators have 94.1 GB free)",
        ),
        (
            machine(("RTX 4090", 24), ("RTX 4090", 24)),
            "int8 on cuda:0 + cuda:1 (auto: bf16 needs 61.4 GB, the 2 accelerators have 47.0 GB free)",
        ),
        (
            machine(("RTX 4080", 16)),
            "int8 on cuda:0 (auto: bf16 needs 61.4 GB and nf4 21.1 GB, RTX 4080 has 15.7 GB free;"
            " the experts of 19 of 27 layers stay in the machine's memory, which is slow)",
        ),
        (machine(memory=128), "bf16 on cpu (auto: it needs 61.4 GB, and the machine has 128.0 GB of memory free)"),
        (machine(memory=48), "int8 on cpu (auto: bf16 needs 61.4 GB, the machine has 48.0 GB of memory free)"),
    ],
    ids=[
        "141 GB",
        "80 GB",
        "48 GB",
        "24 GB",
        "two of 48 GB",
        "two of 24 GB",
        "16 GB",
        "no card",
        "no card, less memory",
    ],
)
def test_the_choice_and_its_reason(here: Machine, said: str) -> None:
    assert str(choose(REAL, here, PAGE)) == said


def test_what_does_not_fit_says_what_would() -> None:
    with pytest.raises(ModelError) as small:
        choose(REAL, machine(memory=16), PAGE)
    assert small.value.message.startswith("It does not fit: nf4 needs 21.")
    assert small.value.message.endswith("for 8192 tokens, and the machine has 16.0 GB of memory free.")
    assert "ernie-nano runs anywhere" in small.value.hint

    with pytest.raises(ModelError) as asked:
        choose(REAL, machine(("RTX 4090", 24), memory=16), PAGE, "bf16")
    assert asked.value.hint.startswith("--precision nf4: that fits (2")

    with pytest.raises(ModelError) as long:
        choose(REAL, machine(("RTX 4090", 24), memory=16), Load(131_072, 100_000, 16_384), "nf4")
    assert "lower --max-tokens or --max-pixels" in long.value.hint


def test_a_precision_that_was_asked_for_is_taken_though_a_better_one_fits() -> None:
    assert str(choose(REAL, machine(("H200", 141)), PAGE, "nf4")) == "nf4 on cuda:0 (as asked)"


def test_longer_contexts_need_more_and_are_bounded() -> None:
    card = machine(("RTX 4090", 24), memory=16)
    bf16, _, nf4 = ways(REAL, card, PAGE)
    longest = longest_context(REAL, card, nf4)
    assert 8192 < longest < 131_072
    assert choose(REAL, card, Load(longest, longest), "nf4").precision == "nf4"
    with pytest.raises(ModelError):
        choose(REAL, card, Load(longest + 8192, longest + 8192), "nf4")
    assert longest_context(REAL, card, bf16) == 0
    large = machine(("H200", 141))
    assert longest_context(REAL, large, ways(REAL, large, PAGE)[0]) == 131_072
    # With memory to fall back on, more would fit, but in another way than the one that was told.
    roomy = machine(("RTX 4090", 24), memory=64)
    assert longest_context(REAL, roomy, ways(REAL, roomy, PAGE)[2]) == longest
    assert [plan.lacking <= 0 for plan in ways(REAL, card, PAGE)] == [False, False, True]


def test_a_device_asked_for_is_the_only_one() -> None:
    two = machine(("A", 24), ("B", 80))
    assert [device.name for device in two.only("cuda:1").accelerators] == ["B"]
    assert choose(REAL, two.only("cuda:1"), PAGE).devices == ("cuda:1",)
    assert two.only("cpu").accelerators == ()


def test_this_machine_has_memory() -> None:
    memory = look().memory
    assert 0 < memory.free <= memory.total


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ((24, 24), "int8 on cuda:0 + cuda:1"),
        ((48, 48), "bf16 on cuda:0 + cuda:1"),
        ((24, 48), "bf16 on cuda:0 + cuda:1"),
        ((24, 24, 24), "bf16 on cuda:0 + cuda:1 + cuda:2"),
        ((24, 24, 4), "int8 on cuda:0 + cuda:1"),  # the third is not needed, and too small for much
    ],
)
def test_each_card_holds_what_it_is_given(cards: tuple[int, ...], said: str) -> None:
    choice = choose(REAL, machine(*(("A card", size) for size in cards), memory=16), PAGE)
    assert str(choice).split(" (")[0] == said
    need = choice.need
    if len(choice.devices) == 1:
        assert choice.layers == ()
        return
    assert len(choice.layers) == 28
    for at, size in enumerate(cards):
        mine = [
            layer for layer, where in zip(need.weights.by_layer, choice.layers, strict=True) if where == f"cuda:{at}"
        ]
        held = sum(mine) + need.kv_cache * len(mine) // 28 + (need.workspace if mine else 0)
        if at == 0:
            held += need.vision + need.weights.total - sum(need.weights.by_layer)
        assert held < size * 0.98 * GB


def test_every_module_has_a_place_and_layers_stay_in_order(nano: Checkpoint) -> None:
    two = tuple(Device(f"cuda:{at}", "A card", 1_000_000_000, 1_000_000_000) for at in range(2))
    plenty = Device("cpu", "memory", 0, 0)
    choice = choose(nano.config, Machine(two, plenty), Load(64, 64), "bf16")
    assert choice.layers == ()  # one is enough for nano
    count = nano.config.text_config.num_hidden_layers
    spread = replace(choice, layers=("cuda:0",) * 2 + ("cuda:1",) * (count - 2))
    places = device_map(spread)
    assert [places[f"model.language_model.layers.{at}"] for at in range(count)] == list(spread.layers)
    assert places["lm_head"] == places["model.language_model.embed_tokens"] == "cuda:0"
    for name, _ in load(nano, "cpu").native.named_parameters():
        assert any(name.startswith(f"{module}.") for module in places), name


def test_a_stored_precision_is_told_as_such_and_never_another_advised() -> None:
    card = machine(("RTX 4090", 24), memory=64)
    assert "as the checkpoint is stored; the experts of" in str(choose(REAL, card, PAGE, "int8", stored=True))
    with pytest.raises(ModelError) as error:
        choose(REAL, machine(("RTX 4090", 24), memory=16), PAGE, "int8", stored=True)
    assert error.value.hint.startswith("Quantize the checkpoint it was made from to nf4")


@pytest.mark.parametrize("device", ["meta", "cuda:7", "nonsense"])
def test_a_device_that_is_none_of_ours_is_refused(device: str, nano: Checkpoint) -> None:
    with pytest.raises(ModelError, match="device"):
        load(nano, device)


def test_files_that_a_container_has_read_count_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cgroup v2 counts them in `memory.current`."""
    from ernie_cli.runtime import machine as module

    written = {
        "memory.max": "4000000000",
        "memory.current": "3900000000",
        "memory.stat": "anon 1\nactive_file 1000000000\ninactive_file 2500000000",
    }
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(module, "CGROUP", tmp_path)
    memory = look(accelerators=False).memory
    assert memory.total == 4_000_000_000
    assert memory.free == min(3_600_000_000, memory.free) > 1_000_000_000


# ------------------------------------------------------------------------------------------------ nano


@pytest.mark.parametrize("precision", PRECISIONS)
def test_experts_left_behind_give_the_same_answer(
    precision: Precision, nano: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = prepare([user("Is red a color?")], nano)
    whole = load(nano, "cpu", precision)
    chosen = choose_for(nano, look().only("cpu"), precision, loading.USUAL)
    monkeypatch.setattr(loading, "choose_for", lambda *_: replace(chosen, offloaded=3))
    split = load(nano, "cpu", precision)
    modules: list[nn.Module] = [m for m in split.native.modules() if isinstance(m, Elsewhere)]
    assert len(modules) == 6
    assert not isinstance(split.native.model.language_model.layers[1].mlp.text_moe.experts, Elsewhere)
    torch.testing.assert_close(split.start(inputs).logits, whole.start(inputs).logits, rtol=0, atol=1e-5)


def test_tokens_travel_to_the_experts_and_back() -> None:
    """Between two devices that every machine has: this one, and the one without memory."""

    class Experts(nn.Linear):
        def forward(self, x: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
            assert {x.device.type, index.device.type, weights.device.type} == {"cpu"}
            return super().forward(x)

    away = Elsewhere(Experts(4, 4))
    x = torch.zeros(3, 4)
    assert away(x, torch.zeros(3, 2), torch.zeros(3, 2)).device.type == "cpu"
    with pytest.raises(NotImplementedError, match="meta"):  # nothing can be copied out of it, so it was tried
        away(x.to("meta"), torch.zeros(3, 2), torch.zeros(3, 2))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS backend out of memory")]
)
def test_memory_that_runs_out_is_met_once_with_less(
    error: RuntimeError, nano: Checkpoint, monkeypatch: pytest.MonkeyPatch, red_circle: Image.Image
) -> None:
    start = Model.start
    sizes: list[tuple[int, int]] = []

    def full_at_first(model: Model, inputs: ModelInputs) -> Decoding:
        sizes.append((inputs.media[0].tokens, model.prefill))
        if len(sizes) == 1:
            raise error
        return start(model, inputs)

    monkeypatch.setattr(Model, "start", full_at_first)
    events = list(LocalEngine(nano, "cpu").stream([user(Picture(red_circle), "What color is it?")], Options()))
    assert any(isinstance(event, Note) and "Memory ran out; trying once more" in event.text for event in events)
    assert sizes[1][0] < sizes[0][0]
    assert sizes[1][1] < sizes[0][1]
    assert any(isinstance(event, Answer) for event in events)
    assert isinstance(events[-1], Finish)


def test_memory_that_runs_out_twice_is_an_error(nano: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Model, "start", full)
    with pytest.raises(ModelError, match="ran out of memory on cpu") as error:
        list(LocalEngine(nano, "cpu").stream([user("Hello")], Options()))
    assert "--precision nf4" in error.value.hint


def test_another_runtime_error_is_not_taken_for_it(nano: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Model, "start", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        list(LocalEngine(nano, "cpu").stream([user("Hello")], Options()))


def test_a_larger_question_is_checked_again(nano: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(nano, "cpu")
    list(engine.stream([user("Hello")], Options(max_tokens=4)))
    tiny = Machine((), Device("cpu", "memory", 100_000, 100_000))
    monkeypatch.setattr(loading, "look", lambda **_: tiny)
    list(engine.stream([user("Hello")], Options(max_tokens=4)))
    with pytest.raises(ModelError, match=r"tokens need .* beside the model"):
        list(engine.stream([user("Hello there, how are you?")], Options(max_tokens=4000)))


def test_a_checkpoint_too_large_for_the_machine_is_not_begun(nano: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Machine((), Device("cpu", "memory", 20_000_000, 20_000_000))
    monkeypatch.setattr(loading, "look", lambda **_: tiny)
    with pytest.raises(ModelError, match="It does not fit") as error:
        load(nano, "cpu")
    assert error.value.exit_code == 4
