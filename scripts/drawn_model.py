"""Random models of the 28B's proportions, drawn where they are to be, and what a token must read of one.

No checkpoint is read or written: `from_pretrained` takes weights that are drawn on the device when it asks for them,
each from its own name, so every load of one shape has the same ones, quantized as the engine does it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from logging import ERROR, getLogger
from typing import Any
from zlib import crc32

import torch
from torch import Tensor
from transformers import Ernie4_5_VLMoeConfig, Ernie4_5_VLMoeForConditionalGeneration

from ernie_cli.errors import ModelError
from ernie_cli.runtime.config import expected_tensors
from ernie_cli.runtime.kernels.bits import bitsandbytes
from ernie_cli.runtime.memory import kv_bytes
from ernie_cli.runtime.precision import Kind, bytes_of, kind_of

SEED = 0
# bitsandbytes breaks what it would take of these (int8 pixels, an output layer that is tied to the embeddings).
SKIPPED = ["lm_head", "model.vision_tower", "model.resampler_model"]
_EXPERT = re.compile(r"\.mlp\.experts\.(\d+)\.")


def shape(hidden: int, layers: int, experts: int, vocabulary: int) -> Ernie4_5_VLMoeConfig:
    """The 28B's configuration for (2560, 28, 64, 103424), else one of its proportions; `hidden` a multiple of 256."""

    def of(share: float) -> int:
        return max(64, round(share * hidden / 64) * 64)

    keys, tower = max(1, hidden // 640), hidden // 2
    text = {
        **{"hidden_size": hidden, "num_hidden_layers": layers, "vocab_size": vocabulary},
        **{"num_attention_heads": hidden // 128 // keys * keys, "num_key_value_heads": keys},
        **{"intermediate_size": of(4.8), "moe_intermediate_size": [of(0.6), of(0.2)]},
        **{"moe_num_experts": experts, "moe_k": min(6, experts)},
    }
    eyes = {
        **{"hidden_size": tower, "intermediate_size": 4 * tower},
        **{"depth": max(2, layers * 8 // 7), "num_heads": max(1, tower // 80)},
    }
    return Ernie4_5_VLMoeConfig(text_config=text, vision_config=eyes)


@dataclass(frozen=True)
class Drawn:
    """A weight that is drawn on its device when the loader takes it, as it would take one from a file."""

    name: str
    size: tuple[int, ...]
    device: str

    def __getitem__(self, _: Any) -> Tensor:
        """Scaled so that hidden states keep their size from layer to layer; the routers in float32."""
        source = torch.Generator(self.device).manual_seed(crc32(f"{SEED} {self.name}".encode()))
        noise = torch.randn(self.size, generator=source, device=self.device)
        if ".gate.weight" in self.name:  # stored transposed
            return noise.mul_(self.size[0] ** -0.5)
        if "e_score_correction_bias" in self.name:
            return noise.mul_(0.05)
        if len(self.size) == 1:
            return noise.mul_(0.1).add_(float(self.name.endswith(".weight"))).to(torch.bfloat16)
        return noise.mul_(0.5 if "embed_tokens" in self.name else self.size[1] ** -0.5).to(torch.bfloat16)


def read(config: Ernie4_5_VLMoeConfig, load: str, device: str) -> Ernie4_5_VLMoeForConditionalGeneration:
    """The random model of a shape, as `runtime.loading` reads one from disk, or as `load_in_8bit=True` does.

    Raises ModelError where bitsandbytes is needed and missing, torch.OutOfMemoryError if it does not fit.
    """
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    getLogger("bitsandbytes.autograd._functions").setLevel(ERROR)  # it tells of every product that it casts
    os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"  # nothing is drawn before it is wanted
    if load != "bf16" and bitsandbytes() is None:
        raise ModelError("bitsandbytes does not work here.", "Install it.")
    native, report = Ernie4_5_VLMoeForConditionalGeneration.from_pretrained(
        None,
        config=Ernie4_5_VLMoeConfig(**config.to_dict()),  # loading writes into it
        state_dict={name: Drawn(name, size, device) for name, size in expected_tensors(config).items()},
        dtype=torch.bfloat16,
        experts_implementation="grouped_mm",  # also transformers' own choice where nothing is said
        output_loading_info=True,
        quantization_config=quantization(load),
        device_map={"": device},
    )
    assert not report["missing_keys"], sorted(report["missing_keys"])[:3]
    native.generation_config.eos_token_id = None  # random weights may choose it, and every row writes as many tokens
    ready: Ernie4_5_VLMoeForConditionalGeneration = native.eval()
    return ready


def quantization(load: str) -> Any:
    """What transformers is told to do while loading."""
    from transformers import BitsAndBytesConfig

    from ernie_cli.runtime.quantizer import WeightOnlyConfig

    if load == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=SKIPPED)
    return None if load == "bf16" else WeightOnlyConfig(load)  # type: ignore[arg-type]


def bytes_read(config: Ernie4_5_VLMoeConfig, load: str, context: int) -> int:
    """What one token of text must read after `context` others: the active weights, and their keys and values.

    Of the text experts the chosen ones; nothing of the vision experts and the eyes; the embeddings once, as the output
    layer that they are tied to (the one row that is looked up does not count).
    """
    weights = sum(
        bytes_of(kind(name, load, config), size) * share(name, config)
        for name, size in expected_tensors(config).items()
    )
    return round(weights + context * kv_bytes(config))


def kind(name: str, load: str, config: Ernie4_5_VLMoeConfig) -> Kind:
    """How a weight is kept; `load_in_8bit` takes the same layers as our int8, but for the experts."""
    if load == "8bit":
        return "float" if _EXPERT.search(name) else kind_of(name, "int8", config)
    return kind_of(name, load, config)  # type: ignore[arg-type]


def share(name: str, config: Ernie4_5_VLMoeConfig) -> float:
    """How much of a weight a token of text reads."""
    text = config.text_config
    if name.startswith(("vision_model.", "model.resampler_model.")) or name.endswith(".gate.weight_1"):
        return 0.0
    if expert := _EXPERT.search(name):
        return float(text.moe_k / text.moe_num_experts) if int(expert[1]) < text.moe_num_experts else 0.0
    return float(config.tie_word_embeddings or "embed_tokens" not in name)
