"""Pretended machines: which precision is chosen for the 28B, where it goes, and what is said about it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import Ernie4_5_VLMoeConfig

from ernie_cli.engines import Options
from ernie_cli.engines.local import LocalEngine
from ernie_cli.errors import ModelError
from ernie_cli.messages import Answer, Finish, Note, user
from ernie_cli.runtime import loading
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.fit import choose, longest_context, ways
from ernie_cli.runtime.loading import Elsewhere, choose_for, device_map, load
from ernie_cli.runtime.machine import Device, Machine, look
from ernie_cli.runtime.memory import Load
from ernie_cli.runtime.precision import PRECISIONS

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
        (machine(("H200", 141)), "bf16 on cuda:0 (auto: it needs 60.9 GB, and H200 has 138.2 GB free)"),
        (machine(("H100", 80)), "bf16 on cuda:0 (auto: it needs 60.9 GB, and H100 has 78.4 GB free)"),
        (machine(("A6000", 48)), "int8 on cuda:0 (auto: bf16 needs 60.9 GB, A6000 has 47.0 GB free)"),
        (
            machine(("RTX 4090", 24)),
            "nf4 on cuda:0 (auto: bf16 needs 60.9 GB and int8 32.6 GB, RTX 4090 has 23.5 GB free)",
        ),
        (
            machine(("A6000", 48), ("A6000", 48)),
            "bf16 on cuda:0 + cuda:1 (auto: it needs 60.9 GB, and the 2 accelerators have 94.1 GB free)",
        ),
        (
            machine(("RTX 4090", 24), ("RTX 4090", 24)),
            "int8 on cuda:0 + cuda:1 (auto: bf16 needs 60.9 GB, the 2 accelerators have 47.0 GB free)",
        ),
        (
            machine(("RTX 4080", 16)),
            "int8 on cuda:0 (auto: bf16 needs 60.9 GB and nf4 20.6 GB, RTX 4080 has 15.7 GB free;"
            " the experts of 18 of 27 layers stay in the machine's memory, which is slow)",
        ),
        (machine(memory=128), "bf16 on cpu (auto: it needs 60.9 GB, and the machine has 128.0 GB of memory free)"),
        (machine(memory=48), "int8 on cpu (auto: bf16 needs 60.9 GB, the machine has 48.0 GB of memory free)"),
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
    assert small.value.message.startswith("It does not fit: nf4 needs 20.")
    assert small.value.message.endswith("for 8192 tokens, and the machine has 16.0 GB of memory free.")
    assert "ernie-nano runs anywhere" in small.value.hint

    with pytest.raises(ModelError) as asked:
        choose(REAL, machine(("RTX 4090", 24), memory=16), PAGE, "bf16")
    assert asked.value.hint.startswith("--precision nf4 fits (20.")

    with pytest.raises(ModelError) as long:
        choose(REAL, machine(("RTX 4090", 24), memory=16), Load(131_072, 100_000, 16_384), "nf4")
    assert "lower --max-tokens or --max-pixels" in long.value.hint


def test_a_precision_that_was_asked_for_is_taken_though_a_better_one_fits() -> None:
    assert str(choose(REAL, machine(("H200", 141)), PAGE, "nf4")) == "nf4 on cuda:0 (as asked)"


def test_longer_contexts_need_more_and_are_bounded() -> None:
    card = machine(("RTX 4090", 24), memory=16)
    longest = longest_context(REAL, card, "nf4")
    assert 8192 < longest < 131_072
    assert choose(REAL, card, Load(longest, longest), "nf4").precision == "nf4"
    with pytest.raises(ModelError):
        choose(REAL, card, Load(longest + 8192, longest + 8192), "nf4")
    assert longest_context(REAL, card, "bf16") == 0
    assert longest_context(REAL, machine(("H200", 141)), "bf16") == 131_072
    assert [plan.lacking <= 0 for plan in ways(REAL, card, PAGE)] == [False, False, True]


def test_a_device_asked_for_is_the_only_one() -> None:
    two = machine(("A", 24), ("B", 80))
    assert [device.name for device in two.only("cuda:1").accelerators] == ["B"]
    assert choose(REAL, two.only("cuda:1"), PAGE).devices == ("cuda:1",)
    assert two.only("cpu").accelerators == ()


def test_this_machine_has_memory() -> None:
    memory = look().memory
    assert 0 < memory.free <= memory.total


def test_layers_are_spread_in_equal_runs() -> None:
    places = device_map(REAL, ("cuda:0", "cuda:1"))
    layers = [place for name, place in places.items() if ".layers." in name]
    assert layers == ["cuda:0"] * 14 + ["cuda:1"] * 14
    assert places["lm_head"] == places["model.language_model.embed_tokens"] == "cuda:0"


def test_every_module_of_the_model_has_a_place(nano: Checkpoint) -> None:
    native = load(nano, "cpu").native
    places = device_map(nano.config, ("cuda:0", "cuda:1"))
    for name, _ in native.named_parameters():
        assert any(name.startswith(f"{module}.") for module in places), name


# ------------------------------------------------------------------------------------------------ nano


@pytest.mark.parametrize("precision", PRECISIONS)
def test_experts_left_behind_give_the_same_answer(
    precision: str, nano: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No accelerator is needed to see that tokens find their way there and back."""
    from ernie_cli.runtime.inputs import prepare

    inputs = prepare([user("Is red a color?")], nano)
    whole = load(nano, "cpu", precision)  # type: ignore[arg-type]
    chosen = choose_for(nano, look().only("cpu"), precision, loading.USUAL)  # type: ignore[arg-type]
    from dataclasses import replace

    monkeypatch.setattr(loading, "choose_for", lambda *_: replace(chosen, offloaded=3))
    split = load(nano, "cpu", precision)  # type: ignore[arg-type]
    modules: list[nn.Module] = [m for m in split.native.modules() if isinstance(m, Elsewhere)]
    assert len(modules) == 6
    assert not isinstance(split.native.model.language_model.layers[1].mlp.text_moe.experts, Elsewhere)
    torch.testing.assert_close(split.start(inputs).logits, whole.start(inputs).logits, rtol=0, atol=1e-5)


def test_memory_that_runs_out_is_met_once_with_less(
    nano: Checkpoint, monkeypatch: pytest.MonkeyPatch, red_circle: object
) -> None:
    from ernie_cli.messages import Picture
    from ernie_cli.runtime.model import Model

    start, sizes = Model.start, []

    def full_at_first(model: Model, inputs: object) -> object:
        sizes.append(inputs.media[0].tokens)  # type: ignore[attr-defined]
        if len(sizes) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return start(model, inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(Model, "start", full_at_first)
    engine = LocalEngine(nano, "cpu")
    events = list(engine.stream([user(Picture(red_circle), "What color is it?")], Options()))  # type: ignore[arg-type]
    assert any(isinstance(event, Note) and "Memory ran out; trying once more" in event.text for event in events)
    assert sizes[1] < sizes[0]
    assert any(isinstance(event, Answer) for event in events)
    assert isinstance(events[-1], Finish)


def test_memory_that_runs_out_twice_is_an_error(nano: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    from ernie_cli.runtime.model import Model

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Model, "start", full)
    with pytest.raises(ModelError, match="ran out of memory on cpu") as error:
        list(LocalEngine(nano, "cpu").stream([user("Hello")], Options()))
    assert "--precision nf4" in error.value.hint


def test_a_checkpoint_too_large_for_the_machine_is_not_begun(nano: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Machine((), Device("cpu", "memory", 20_000_000, 20_000_000))
    monkeypatch.setattr(loading, "look", lambda: tiny)
    with pytest.raises(ModelError, match="It does not fit") as error:
        load(nano, "cpu")
    assert error.value.exit_code == 4
