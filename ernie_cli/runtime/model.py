"""The model in memory: transformers' native modules, driven with our own inputs and a KV cache."""

from __future__ import annotations

from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ernie_cli.errors import ModelError
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.inputs import ModelInputs
from ernie_cli.runtime.verify import check_checkpoint

if TYPE_CHECKING:
    from transformers import DynamicCache, Ernie4_5_VLMoeForConditionalGeneration

SMALL = 1_000_000_000  # below this many parameters, float32 on a CPU costs little and is the faster there


class Model:
    """The weights of a checkpoint on a device."""

    def __init__(self, checkpoint: Checkpoint, native: Ernie4_5_VLMoeForConditionalGeneration) -> None:
        self.checkpoint = checkpoint
        self.native = native
        self.device = native.device

    @property
    def _core(self) -> Any:
        return self.native.model

    @torch.inference_mode()
    def see(self, inputs: ModelInputs) -> list[Tensor]:
        """Embeddings (tokens, hidden) of each medium."""
        seen = []
        for patches in inputs.media:
            grid = torch.tensor([patches.grid], device=self.device)
            features = self._core.vision_tower(torch.from_numpy(patches.pixels).to(self.device), grid)
            seen.append(self._core.resampler_model(features.last_hidden_state, grid))
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
        """Takes embeddings (tokens, hidden) at places (3, tokens) into the cache."""
        native = self._model.native
        out = native.model.language_model(
            inputs_embeds=embeds[None],
            position_ids=places[:, None],
            moe_mm_token_type_ids=None if routing is None else routing[None],
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


@cache
def _cache_argument() -> str:
    """What transformers calls the KV cache: `cache` since 5.24, which warns of the older `past_key_values`."""
    from transformers.models.ernie4_5_vl_moe.modeling_ernie4_5_vl_moe import Ernie4_5_VLMoeTextModel

    return "cache" if "cache" in signature(Ernie4_5_VLMoeTextModel.forward).parameters else "past_key_values"


def load(checkpoint: Checkpoint, device: str = "auto") -> Model:
    """Loads the weights, once all files are seen to be whole. Raises ModelError, naming what is missing or broken."""
    from safetensors import SafetensorError
    from transformers import Ernie4_5_VLMoeForConditionalGeneration
    from transformers.utils import logging as hf_logging

    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    if problems := check_checkpoint(checkpoint):
        first = problems[0]
        raise ModelError(f"The checkpoint {checkpoint.name} cannot be run: {first.what}", first.hint)
    config = checkpoint.config
    place = pick_device(device)
    try:
        native, report = Ernie4_5_VLMoeForConditionalGeneration.from_pretrained(
            checkpoint.folder,
            config=config,
            dtype=pick_dtype(checkpoint, place),
            use_safetensors=True,
            local_files_only=True,
            experts_implementation="grouped_mm",
            output_loading_info=True,
        )
    except (OSError, SafetensorError, ValueError, RuntimeError) as broken:
        raise ModelError(
            f"The weights in {checkpoint.folder} cannot be read: {str(broken).splitlines()[0]}",
            "Fetch the checkpoint again; a download may have been cut off.",
        ) from broken
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"The weights in {checkpoint.folder} are incomplete: {len(missing)} are missing, such as {missing[0]}.",
            "Fetch the checkpoint again, with all its safetensors files.",
        )
    if place == "cpu" and native.num_parameters() < SMALL:
        # A small model's steps are too short to be worth sharing: one thread decodes many times faster than several.
        torch.set_num_threads(1)
    try:
        return Model(checkpoint, native.eval().to(place))
    except torch.OutOfMemoryError as full:
        size = native.get_memory_footprint() / 1e9
        raise ModelError(
            f"{checkpoint.name} needs {size:.1f} GB and does not fit on {place}.", "Use a larger card, or --device cpu."
        ) from full


def pick_device(device: str) -> str:
    """The device meant by `auto`: the first GPU, else Apple's, else the CPU. Raises ModelError if one is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as absent:
        raise ModelError(
            f"This machine has no usable device {device!r}.", "Use --device cpu, or leave the option out."
        ) from absent
    return device


def pick_dtype(checkpoint: Checkpoint, device: str) -> torch.dtype:
    """bfloat16 as stored; float32 for a small model on a CPU, where bfloat16 is often emulated."""
    size = sum(file.stat().st_size for file in checkpoint.folder.glob("*.safetensors")) / 2
    return torch.float32 if device == "cpu" and size < SMALL else torch.bfloat16
