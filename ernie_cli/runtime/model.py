"""The model in memory: transformers' native modules, driven with our own inputs and a KV cache.

Frames are seen and prompts read in pieces of bounded size, so that what is needed beside weights and cache is too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.inputs import ModelInputs
from ernie_cli.runtime.memory import PATCHES, PREFILL
from ernie_cli.runtime.vision import normalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import DynamicCache, Ernie4_5_VLMoeForConditionalGeneration

    from ernie_cli.runtime.fit import Choice
    from ernie_cli.runtime.vision import Patches

Grid: TypeAlias = tuple[int, int, int]


class Model:
    """The weights of a checkpoint, where `choice` put them; `device` takes the inputs."""

    def __init__(
        self, checkpoint: Checkpoint, native: Ernie4_5_VLMoeForConditionalGeneration, choice: Choice | None = None
    ) -> None:
        self.checkpoint = checkpoint
        self.native = native
        self.choice = choice
        self.device = native.device
        self.prefill, self.patches = PREFILL, PATCHES

    def bytes_by_dtype(self) -> dict[str, int]:
        """What the weights take, by dtype, as torch counts them; tied ones once."""
        held: dict[str, int] = {}
        for weight in {id(weight): weight for weight in self.native.parameters()}.values():
            name = str(weight.dtype).removeprefix("torch.")
            held[name] = held.get(name, 0) + weight.nbytes
        return held

    @property
    def _core(self) -> Any:
        return self.native.model

    @torch.inference_mode()
    def see(self, inputs: ModelInputs) -> list[Tensor]:
        """Embeddings (tokens, hidden) of each medium."""
        room = torch.empty(0, dtype=torch.float32, device=self.device)
        return [
            torch.cat([self._see(media.levels(which), grid, room) for which, grid in pieces(media, self.patches)])
            for media in inputs.media
        ]

    def _see(self, levels: NDArray[np.uint8], grid: Grid, room: Tensor) -> Tensor:
        shape = torch.tensor([grid], device=self.device)
        pixels = normalise(torch.from_numpy(levels).to(self.device), room)
        features = self._core.vision_tower(pixels, shape)
        seen: Tensor = self._core.resampler_model(features.last_hidden_state, shape)
        return seen

    @torch.inference_mode()
    def start(self, inputs: ModelInputs) -> Decoding:
        """Reads the whole prompt into a fresh cache."""
        from transformers import DynamicCache

        embeds = self._core.language_model.embed_tokens(torch.from_numpy(inputs.ids).to(self.device))
        if inputs.media:
            embeds[torch.from_numpy(inputs.is_patch)] = torch.cat(self.see(inputs)).to(embeds.dtype)
        routing = torch.from_numpy(inputs.to_vision_experts).to(self.device, torch.int32)
        places = torch.from_numpy(inputs.positions).to(self.device)
        decoding = Decoding(self, DynamicCache(config=self.native.config.text_config), inputs.next_position)
        decoding.read(embeds, places, routing)
        return decoding


class Decoding:
    """One sequence being decoded: its KV cache, the position of the next token, and the logits that foretell it."""

    def __init__(self, model: Model, cache: DynamicCache, next_position: int) -> None:
        self._model, self._cache, self._position = model, cache, next_position
        self.logits: Tensor = torch.empty(0)  # (vocabulary,), float32

    @torch.inference_mode()
    def read(self, embeds: Tensor, places: Tensor, routing: Tensor | None) -> None:
        """Takes embeddings (tokens, hidden) at places (3, tokens) into the cache, a bounded piece at a time."""
        native = self._model.native
        for start in range(0, len(embeds), self._model.prefill):
            piece = slice(start, start + self._model.prefill)
            out = native.model.language_model(
                inputs_embeds=embeds[None, piece],
                position_ids=places[:, None, piece],
                moe_mm_token_type_ids=None if routing is None else routing[None, piece],
                use_cache=True,
                **{_cache_argument(): self._cache},
            )
        self.logits = native.lm_head(out.last_hidden_state[0, -1]).float()

    @torch.inference_mode()
    def push(self, token: int) -> None:
        """Takes the next token; generated tokens always go to the text experts."""
        native = self._model.native
        embeds = native.model.language_model.embed_tokens(torch.tensor([token], device=self._model.device))
        places = torch.full((3, 1), self._position, device=self._model.device)
        self._position += 1
        self.read(embeds, places, None)


def pieces(patches: Patches, most: int = PATCHES) -> Iterator[tuple[range, Grid]]:
    """A medium's frames and their grid, a clip cut into pairs so that at most `most` patches are seen at a time.

    A frame's patches attend to each other alone, and the resampler joins pairs: the cut changes nothing.
    """
    frames, height, width = patches.grid
    step = frames if frames == 1 else max(2, most // (height * width) // 2 * 2)
    for start in range(0, frames, step):
        stop = min(start + step, frames)
        yield range(start, stop), (stop - start, height, width)


@cache
def _cache_argument() -> str:
    """What transformers calls the KV cache: `cache` since 5.24, which warns of the older `past_key_values`."""
    from transformers.models.ernie4_5_vl_moe.modeling_ernie4_5_vl_moe import Ernie4_5_VLMoeTextModel

    return "cache" if "cache" in signature(Ernie4_5_VLMoeTextModel.forward).parameters else "past_key_values"
