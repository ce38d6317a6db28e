"""The forward pass made for training gives the numbers of transformers' own modules."""

from __future__ import annotations

import json
from random import Random
from statistics import median

import pytest
import torch
from PIL import Image

from ernie_cli.engines import Options
from ernie_cli.engines.local import LocalEngine
from ernie_cli.messages import Picture, Video, user
from ernie_cli.runtime.checkpoint import NANO, find
from ernie_cli.runtime.loading import load


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_packed_questions_get_the_logits_of_each_asked_alone(engine: LocalEngine, kind: str) -> None:
    from batches import collate
    from data import Question, Sample
    from data.scenes import draw_scene
    from network import read, see

    random = Random(3)
    questions = [Question("What color is it?", "It is one shape.", "red"), Question("How many?", "Two.", "2")]
    frames = [[draw_scene(random, 84, 112, 2).image for _ in range(4)] for _ in range(2)]
    media = [Picture(row[0]) if kind == "picture" else Video(row, [0, 0.5, 1, 1.5]) for row in frames]
    model, tokenizer = load(engine.checkpoint, "cpu"), engine.checkpoint.tokenizer
    native = model.native
    batch = collate([Sample(medium, questions) for medium in media], tokenizer, engine.checkpoint.budgets)

    with torch.inference_mode():
        seen = see(native, batch.pixels, batch.grid)
        embeds = native.model.language_model.embed_tokens(batch.ids)
        embeds[:, batch.layout.vision.start + 1 : batch.layout.vision.stop - 1] = seen
        logits = native.lm_head(read(native, embeds, batch.positions, batch.layout))
        learned = batch.targets != -100
        wanted = native.lm_head(read(native, embeds, batch.positions, batch.layout, wanted=learned))

    # What is learned from comes out the same where the rest is left out.
    assert learned.any()
    torch.testing.assert_close(wanted[learned], logits[learned], rtol=0, atol=1e-5)

    length = (batch.ids.shape[1] - batch.layout.prefix) // len(questions)
    for row, medium in enumerate(media):
        for index, question in enumerate(questions):
            inputs = engine.prepare([user(medium, question.text)], Options())
            at = batch.layout.prefix + index * length + len(inputs.ids) - batch.layout.prefix - 1
            assert batch.ids[row, at] == inputs.ids[-1]
            alone = model.start(inputs).logits
            torch.testing.assert_close(logits[row, at].float(), alone, rtol=0, atol=2e-4)


def test_gradients_are_the_slopes_of_what_is_learned(engine: LocalEngine) -> None:
    from batches import collate
    from data import Question, Sample
    from data.scenes import draw_scene
    from network import loss, padded_indices, read, see

    random = Random(3)
    questions = [Question("What color is it?", "It is one shape.", "red"), Question("How many?", "Two.", "2")]
    samples = [Sample(Picture(draw_scene(random, 84, 112, 2).image), questions) for _ in range(2)]
    native = load(engine.checkpoint, "cpu").native.float()
    batch = collate(samples, engine.checkpoint.tokenizer, engine.checkpoint.budgets)
    learned, _ = padded_indices(batch.targets != -100)
    assert len(learned) > (batch.targets != -100).sum()  # some are padding, which is to change nothing

    def wrong() -> tuple[torch.Tensor, torch.Tensor]:
        """The loss, and how many tokens each expert has."""
        loads: list[torch.Tensor] = []
        embeds = native.model.language_model.embed_tokens(batch.ids)
        medium = batch.layout.medium
        embeds = torch.cat([embeds[:, : medium.start], seen, embeds[:, medium.stop :]], 1)
        hidden = read(native, embeds, batch.positions, batch.layout, loads=loads, wanted=batch.targets != -100)
        targets = batch.targets.flatten()[learned]
        said = loss(hidden.flatten(0, 1)[learned], native.lm_head.weight, targets, (targets != -100).float())
        return said, torch.cat([load.flatten() for load in loads])

    with torch.no_grad():
        seen = see(native, batch.pixels, batch.grid)
    first, second = native.model.language_model.layers[:2]
    weights = [
        first.self_attn.o_proj.weight,
        first.mlp.down_proj.weight,
        second.mlp.text_moe.experts.down_proj,
        second.mlp.vision_moe.experts.down_proj,
    ]
    here, at = wrong()
    gradients = torch.autograd.grad(here, [weight.requires_grad_() for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        length, slopes = gradient.norm().item(), []
        # Steps of several lengths: where one ends, a token may have gone to another expert, and the loss has a jump.
        for step in (1e-2, 1e-3, 3e-4, 1e-4, 3e-5):
            ends = []
            for side in (-1, 1):  # along the gradient
                moved = gradient * (side * step / length)
                weight.data += moved
                with torch.no_grad():
                    ends.append(wrong())
                weight.data -= moved
            if all(torch.equal(there, at) for _, there in ends):
                slopes.append((ends[1][0] - ends[0][0]).item() / (2 * step))
        assert slopes
        assert median(slopes) == pytest.approx(length, rel=0.02)


def test_scenes_come_out_the_same_for_the_same_seed() -> None:
    from data.ask import scene_sample

    first, second, other = (scene_sample(Random(seed), 112, 140, 4, 3) for seed in (5, 5, 6))
    assert first.questions == second.questions
    assert isinstance(first.medium, Picture)
    assert isinstance(second.medium, Picture)
    assert isinstance(first.medium.image, Image.Image)
    assert first.medium.image.tobytes() == second.medium.image.tobytes()
    assert first.questions != other.questions


def test_a_training_goes_on_with_the_very_shape_of_the_checkpoint_in_the_package() -> None:
    from shape import CONFIG

    assert json.loads((find(NANO).folder / "config.json").read_text()) == CONFIG
