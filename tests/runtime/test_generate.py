"""The decode loop, against transformers' own `generate` on the same checkpoint and the same tensors."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from ernie_cli.engines import Options
from ernie_cli.engines.local import LocalEngine
from ernie_cli.messages import Answer, Finish, Message, Picture, Thinking, user
from ernie_cli.runtime.inputs import ModelInputs
from ernie_cli.runtime.loading import load
from ernie_cli.runtime.model import Model


@pytest.fixture(scope="module")
def model(engine: LocalEngine) -> Model:
    return load(engine.checkpoint, "cpu")


def drawn(seed: int) -> Image.Image:
    random = Random(seed)
    image = Image.new("RGB", (random.randint(60, 260), random.randint(60, 260)), (235, 235, 235))
    pen = ImageDraw.Draw(image)
    for _ in range(random.randint(1, 4)):
        x, y, size = random.randint(0, 150), random.randint(0, 150), random.randint(20, 90)
        shape = random.choice([pen.ellipse, pen.rectangle])
        shape((x, y, x + size, y + size), fill=tuple(random.randint(0, 255) for _ in range(3)))
    return image


def reference(model: Model, inputs: ModelInputs, count: int) -> list[int]:
    """What transformers generates from the same tensors, with its own positions and its own cache handling."""
    ids = torch.from_numpy(inputs.ids)[None]
    out = model.native.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=torch.from_numpy(np.concatenate([m.pixels for m in inputs.media])),
        image_grid_thw=torch.tensor([m.grid for m in inputs.media]),
        mm_token_type_ids=torch.from_numpy(inputs.is_patch)[None].int(),
        moe_mm_token_type_ids=torch.from_numpy(inputs.to_vision_experts)[None].int(),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=sorted(model.checkpoint.stop_ids),
        pad_token_id=0,
    )
    return out[0, ids.shape[1] :].tolist()


def ours(model: Model, inputs: ModelInputs, count: int) -> list[int]:
    decoding = model.start(inputs)
    tokens: list[int] = []
    while len(tokens) < count:
        tokens.append(int(decoding.logits.argmax()))
        if tokens[-1] in model.checkpoint.stop_ids:
            break
        decoding.push(tokens[-1])
    return tokens


@pytest.mark.parametrize("seed", range(20))
def test_greedy_tokens_equal_those_of_transformers(engine: LocalEngine, model: Model, seed: int) -> None:
    question = ["What color is it?", "How many shapes are there?", "Is there a circle?"][seed % 3]
    inputs = engine.prepare([user(Picture(drawn(seed)), question)], Options())
    assert ours(model, inputs, 60) == reference(model, inputs, 60)


def test_two_pictures_go_through_the_same_loop(engine: LocalEngine, model: Model) -> None:
    inputs = engine.prepare([user(Picture(drawn(1)), Picture(drawn(2)), "What changed?")], Options())
    assert len(inputs.media) == 2
    assert ours(model, inputs, 40) == reference(model, inputs, 40)


def answer(engine: LocalEngine, messages: list[Message], **options: object) -> tuple[str, str, Finish]:
    events = list(engine.stream(messages, Options(**options)))  # type: ignore[arg-type]
    thought = "".join(event.text for event in events if isinstance(event, Thinking))
    said = "".join(event.text for event in events if isinstance(event, Answer))
    assert isinstance(events[-1], Finish)
    return thought, said, events[-1]


def test_nano_sees_a_red_circle(engine: LocalEngine, red_circle: Image.Image) -> None:
    thought, said, finish = answer(engine, [user(Picture(red_circle), "What color is the circle?")])
    assert said == "red"
    assert "red circle" in thought
    assert finish.reason == "stop"
    assert finish.usage.image_tokens == 72
    assert finish.usage.reasoning_tokens > 5


@pytest.mark.parametrize("budget", [0, 1, 5])
def test_a_budget_closes_the_thought_and_an_answer_comes(
    engine: LocalEngine, red_circle: Image.Image, budget: int
) -> None:
    _, said, finish = answer(engine, [user(Picture(red_circle), "What color is the circle?")], think_budget=budget)
    assert finish.reason == "budget"
    assert finish.usage.reasoning_tokens == budget
    assert said


def test_max_tokens_cuts_off(engine: LocalEngine, red_circle: Image.Image) -> None:
    asked = [user(Picture(red_circle), "Is there a circle?")]
    thought, _, finish = answer(engine, asked, max_tokens=10, temperature=5.0, seed=1)
    assert finish.reason == "length"
    assert finish.usage.reasoning_tokens + finish.usage.answer_tokens == 10
    assert thought


def test_without_thinking_there_is_no_thought(engine: LocalEngine, red_circle: Image.Image) -> None:
    thought, _, finish = answer(engine, [user(Picture(red_circle), "Is there a circle?")], thinking=False)
    assert thought == ""
    assert finish.usage.reasoning_tokens == 0


def test_the_same_seed_gives_the_same_text(engine: LocalEngine, red_circle: Image.Image) -> None:
    asked = [user(Picture(red_circle), "What is this?")]
    first, second, other = (answer(engine, asked, temperature=5.0, seed=seed)[:2] for seed in (7, 7, 8))
    assert first == second
    assert first != other


def test_max_pixels_shrinks_what_is_sent(engine: LocalEngine) -> None:
    large = [user(Picture(Image.new("RGB", (1200, 900))), "?")]
    free, capped = (engine.prepare(large, Options(max_pixels=pixels)).image_tokens for pixels in (None, 20_000))
    assert 20_000 // 784 < free <= 448 * 448 // 784
    assert 0 < capped <= 20_000 // 784
