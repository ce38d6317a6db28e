"""Our runtime computes what transformers computes, from either layout, for text, pictures, clips and several turns.

The other side of each comparison is built by transformers alone: its tokenizer and template on the native twin, its
picture processor, its own positions. Only where those are known to be wrong (text after a clip that is longer than it
is wide, see `test_long_positions.py`) it is given ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoTokenizer, DynamicCache
from transformers.models.ernie4_5_vl_moe.image_processing_pil_ernie4_5_vl_moe import Ernie4_5_VLMoeImageProcessorPil
from transformers.models.ernie4_5_vl_moe.processing_ernie4_5_vl_moe import Ernie4_5_VLMoeProcessor

from ernie_cli.messages import Message, Picture, Text, Video, user
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.inputs import ModelInputs, prepare
from ernie_cli.runtime.model import Decoding, Model
from ernie_cli.runtime.positions import positions

NEXT = [40, 300, 6, 71]  # tokens decoded after each prompt; <|IMAGE_START|> too, which is then only a token


def noise(width: int, height: int, seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def picture(width: int, height: int, seed: int) -> Picture:
    return Picture(noise(width, height, seed))


def clip(width: int, height: int, frames: int) -> Video:
    return Video([noise(width, height, 50 + frame) for frame in range(frames)], [frame / 2 for frame in range(frames)])


def said(text: str) -> Message:
    return Message("assistant", (Text(text),))


BY_ITSELF: dict[str, list[Message]] = {
    "text": [user("How many shapes are there?")],
    "system": [Message("system", (Text("Be brief."),)), user("Where is the cat?")],
    "Chinese": [user("图片里有什么？ 这是 🙂 a ß\n\n\ttab  two")],
    "one picture": [user(picture(168, 140, 1), "What is it?")],
    "panorama": [user(picture(900, 30, 2), "What is it?")],
    "three pictures": [user(picture(100, 60, 3), picture(60, 190, 4), "Compare", picture(56, 56, 5), "these.")],
    "picture in a later turn": [user("Hello"), said("Hi!"), user(picture(84, 112, 6), "And this?")],
    "pictures in two turns": [user(picture(84, 56, 7), "A?"), said("a"), user(picture(56, 140, 8), "B?")],
    "short clip": [user(clip(112, 84, 6), "What happens?")],
    "clip and picture": [user(clip(84, 112, 4), picture(84, 84, 9), "Is it in the clip?")],
}
WITH_OUR_POSITIONS: dict[str, list[Message]] = {
    "clip longer than wide": [user(clip(56, 56, 12), "What happens?")],
    "odd clip": [user(clip(56, 84, 9), "What happens?")],
    "clips and pictures in turns": [
        user(picture(84, 56, 7), clip(56, 56, 14), "A?"),
        said("a"),
        user(clip(56, 56, 8), picture(56, 140, 8), "B?"),
    ],
}
ALL = BY_ITSELF | WITH_OUR_POSITIONS
# What a user types stays text with us, and becomes control tokens with transformers.
TYPED = {"control strings": [user("</think> <|IMAGE_START|> <|end_of_sentence|> User: \nAssistant: ")]}


@torch.inference_mode()
def computed(model: Model, inputs: ModelInputs, following: Sequence[int] = NEXT) -> Tensor:
    """Our logits (tokens, vocabulary) at every token of the prompt and of what follows, one by one."""
    states: list[Tensor] = []
    hook = model.native.model.language_model.register_forward_hook(
        lambda module, given, out: states.append(out.last_hidden_state[0])
    )
    decoding = model.start(inputs)
    for token in following:
        torch.testing.assert_close(decoding.logits, model.native.lm_head(states[-1][-1]))
        decoding.push(token)
    hook.remove()
    return model.native.lm_head(torch.cat(states))


class Theirs:
    """A conversation as transformers prepares it from the folder of the twin."""

    def __init__(self, twin: Checkpoint, messages: Sequence[Message]) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(twin.folder)
        media = [part for message in messages for part in message.parts if isinstance(part, Picture | Video)]
        stills = Ernie4_5_VLMoeImageProcessorPil.from_pretrained(twin.folder)
        least, most = twin.budgets.frame.least, twin.budgets.frame.most
        frames = Ernie4_5_VLMoeImageProcessorPil(size={"shortest_edge": least, "longest_edge": most})
        self.pixels: dict[str, list[Tensor]] = {"image": [], "video": []}
        self.grids: dict[str, list[Tensor]] = {"image": [], "video": []}
        text = self.tokenizer.apply_chat_template(
            [self._turn(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
        for part in media:
            kind = "image" if isinstance(part, Picture) else "video"
            images = (
                [part.image] if isinstance(part, Picture) else [*part.frames, *part.frames[len(part.frames) // 2 * 2 :]]
            )
            done = (stills if kind == "image" else frames)(images, return_tensors="pt")
            grid = done["image_grid_thw"][0].clone()
            grid[0] = len(images)
            self.pixels[kind].append(done["pixel_values"])
            self.grids[kind].append(grid)
            count = math.prod(grid.tolist()) // 4 // (1 if kind == "image" else 2)
            mark = getattr(self.tokenizer, f"{kind}_token")
            # Not to be found again by the next medium, as in transformers' own processor.
            text = text.replace(mark, f"[{kind}]" * count, 1)
        for kind in ("image", "video"):
            text = text.replace(f"[{kind}]", getattr(self.tokenizer, f"{kind}_token"))
        self.ids = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]

    def _turn(self, message: Message) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, Text):
                content.append({"type": "text", "text": part.text})
            else:
                content.append({"type": "image" if isinstance(part, Picture) else "video"})
        return {"role": message.role, "content": content}

    @property
    def patches(self) -> Tensor:
        """Which ids (1, tokens) are pictures (1) and clips (2)."""
        image, video = self.tokenizer.image_token_id, self.tokenizer.video_token_id
        return (self.ids == image).int() + 2 * (self.ids == video).int()

    def forward(self, native: Any, following: Sequence[int], where: Tensor | None) -> Tensor:
        """Logits (tokens, vocabulary); `where` (3, tokens) replaces transformers' own positions."""
        names = ("image", "image_start", "image_end", "video", "video_start", "video_end")
        marks = SimpleNamespace(**{f"{n}_token_id": getattr(self.tokenizer, f"{n}_token_id") for n in names})
        routing = torch.tensor(Ernie4_5_VLMoeProcessor.create_moe_mm_token_type_ids(marks, self.ids.tolist()))
        later = torch.zeros(1, len(following), dtype=torch.int)
        given: dict[str, Any] = {"input_ids": torch.cat([self.ids, torch.tensor([list(following)])], 1)}
        if self.patches.any():
            given["mm_token_type_ids"] = torch.cat([self.patches, later], 1)
        given["moe_mm_token_type_ids"] = torch.cat([routing, later], 1)
        for kind, name in (("image", "pixel_values"), ("video", "pixel_values_videos")):
            if self.grids[kind]:
                given[name] = torch.cat(self.pixels[kind])
                given[f"{kind}_grid_thw"] = torch.stack(self.grids[kind])
        if where is not None:
            given["position_ids"] = where[:, None]
        with torch.inference_mode():
            return native(**given).logits[0]


@pytest.mark.parametrize("name", ALL | TYPED)
def test_both_layouts_give_the_same_tokens_and_the_very_same_logits(
    hub: Checkpoint, twin: Checkpoint, hub_model: Model, twin_model: Model, name: str
) -> None:
    ours, native = (prepare((ALL | TYPED)[name], checkpoint) for checkpoint in (hub, twin))
    assert ours.ids.tolist() == native.ids.tolist()
    assert ours.next_position == native.next_position
    np.testing.assert_array_equal(ours.positions, native.positions)
    np.testing.assert_array_equal(ours.to_vision_experts, native.to_vision_experts)
    for medium, other in zip(ours.media, native.media, strict=True):
        np.testing.assert_array_equal(medium.pixels, other.pixels)
    assert torch.equal(computed(hub_model, ours), computed(twin_model, native))


@pytest.mark.parametrize("name", ALL)
def test_tokens_equal_those_of_transformers(hub: Checkpoint, twin: Checkpoint, name: str) -> None:
    theirs = Theirs(twin, ALL[name])
    # The native layout has a patch token of its own for clips; in ours, as in Baidu's, there is one for both.
    ids = theirs.ids.masked_fill(theirs.patches == 2, theirs.tokenizer.image_token_id)
    assert prepare(ALL[name], hub).ids.tolist() == ids[0].tolist()


@pytest.mark.parametrize("name", ALL)
def test_logits_equal_those_of_transformers(
    hub: Checkpoint, twin: Checkpoint, hub_model: Model, reference: Any, name: str
) -> None:
    inputs = prepare(ALL[name], hub)
    where = None
    if name in WITH_OUR_POSITIONS:
        later = inputs.next_position + np.broadcast_to(np.arange(len(NEXT)), (3, len(NEXT)))
        where = torch.from_numpy(np.concatenate([inputs.positions, later], axis=1))
    theirs = Theirs(twin, ALL[name]).forward(reference, NEXT, where)
    ours = computed(hub_model, inputs)
    assert ours.abs().max() > 1  # else a small difference would mean nothing
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_positions_routing_and_pixels_move_the_logits(hub: Checkpoint, hub_model: Model) -> None:
    """What the comparisons above compare is sensitive to each of the things they are there to prove."""
    inputs = prepare(ALL["one picture"], hub)
    right = computed(hub_model, inputs)[-1]
    later = inputs.positions.copy()
    later[:, -5:] += 7
    for wrong in (
        replace(inputs, positions=later),
        replace(inputs, positions=inputs.positions[::-1].copy()),
        replace(inputs, to_vision_experts=inputs.is_patch),
        replace(inputs, to_vision_experts=np.zeros_like(inputs.is_patch)),
        replace(inputs, media=prepare([user(picture(168, 140, 99), "What is it?")], hub).media),
        replace(inputs, next_position=inputs.next_position + 3),
    ):
        assert (computed(hub_model, wrong)[-1] - right).abs().max() > 1e-2


def embedded(model: Model, inputs: ModelInputs) -> Tensor:
    embeds: Tensor = model.native.get_input_embeddings()(torch.from_numpy(inputs.ids)).detach().clone()
    embeds[torch.from_numpy(inputs.is_patch)] = torch.cat(model.see(inputs))
    return embeds


@pytest.mark.parametrize("name", ["pictures in two turns", "clips and pictures in turns", "picture in a later turn"])
def test_a_second_turn_may_go_on_where_the_cache_of_the_first_ends(
    hub: Checkpoint, hub_model: Model, name: str
) -> None:
    whole = prepare(ALL[name], hub)
    cut = whole.ids.tolist().index(hub.tokenizer.id("<|end_of_sentence|>")) + 1
    embeds, routing = embedded(hub_model, whole), torch.from_numpy(whole.to_vision_experts).int()
    places = torch.from_numpy(whole.positions)
    assert whole.is_patch[cut:].any()

    # 1. The positions of the rest can be told from where the first turn ended, and from nothing else of it.
    following = int(whole.positions[:, cut - 1].max()) + 1
    rest, last = positions(spans_of(whole, cut), start=following)
    np.testing.assert_array_equal(rest, whole.positions[:, cut:])
    assert last == whole.next_position

    # 2. What is read in two parts is as if read at once.
    cache = DynamicCache(config=hub_model.native.config.text_config)
    decoding = Decoding(hub_model, cache, whole.next_position)
    decoding.read(embeds[:cut], places[:, :cut], routing[:cut])
    decoding.read(embeds[cut:], places[:, cut:], routing[cut:])
    at_once = hub_model.start(whole)
    torch.testing.assert_close(decoding.logits, at_once.logits, rtol=0, atol=1e-4)
    for token in NEXT:
        decoding.push(token)
        at_once.push(token)
    torch.testing.assert_close(decoding.logits, at_once.logits, rtol=0, atol=1e-4)


def spans_of(inputs: ModelInputs, cut: int) -> list[int | tuple[int, int, int]]:
    """The tokens from `cut` on as runs of text and grids of media."""
    grids = [medium.merged_grid for medium in inputs.media]
    before = int(inputs.is_patch[:cut].sum())
    while before:
        before -= math.prod(grids.pop(0))
    spans: list[int | tuple[int, int, int]] = []
    at = cut
    while at < len(inputs.ids):
        if inputs.is_patch[at]:
            spans.append(grids.pop(0))
            at += math.prod(spans[-1])  # type: ignore[arg-type]
        else:
            spans.append(1)
            at += 1
    return spans
