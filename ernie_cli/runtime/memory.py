"""How many bytes a model needs to answer: weights, KV cache, vision, workspace. Arithmetic on its configuration.

Weights and KV cache are exact. Vision and workspace are upper bounds on what is alive at once, term by term, for the
way `model.py` computes: frames and prompt in pieces of bounded size. A test holds them against what is allocated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ernie_cli.runtime.kernels import scratch_bytes
from ernie_cli.runtime.precision import Precision, Weights, weigh

if TYPE_CHECKING:
    from transformers import Ernie4_5_VLMoeConfig

PREFILL = 4096  # tokens of the prompt that are read at a time
PATCHES = 32_768  # patches that are seen at a time, but always a whole picture, or two frames


@dataclass(frozen=True)
class Load:
    """What is to be answered: tokens of prompt and answer together, those of the prompt, patches seen at once."""

    context: int
    prompt: int
    patches: int = 0

    def exceeds(self, other: Load) -> bool:
        """Whether it takes more than another, in any way."""
        return self.context > other.context or self.prompt > other.prompt or self.patches > other.patches


@dataclass(frozen=True)
class Need:
    """Bytes, by what they are for."""

    weights: Weights
    kv_cache: int
    vision: int
    workspace: int

    @property
    def beside(self) -> int:
        """All but the weights."""
        return self.kv_cache + self.vision + self.workspace

    @property
    def total(self) -> int:
        return self.weights.total + self.beside


def estimate(config: Ernie4_5_VLMoeConfig, precision: Precision, load: Load, float_bytes: int = 2) -> Need:
    """The bytes for a load; `float_bytes` is the width of the dtype the model computes in."""
    return Need(
        weigh(config, precision, float_bytes),
        load.context * kv_bytes(config, float_bytes),
        _vision(config, load.patches, float_bytes),
        _workspace(config, load, float_bytes),
    )


def kv_bytes(config: Ernie4_5_VLMoeConfig, float_bytes: int = 2) -> int:
    """Of the KV cache, for each token: keys and values of every layer; 57,344 for the 28B in bfloat16."""
    text = config.text_config
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(2 * text.num_hidden_layers * text.num_key_value_heads * head * float_bytes)


def _vision(config: Ernie4_5_VLMoeConfig, patches: int, float_bytes: int) -> int:
    """Per patch, in one block of the tower: what it comes with, and the wider of attention and MLP.

    The rotary embedding turns queries and keys in float32, and keeps both forms of both for a moment.
    """
    eyes = config.vision_config
    comes = 3 * eyes.hidden_size * float_bytes + eyes.in_channels * eyes.patch_size**2 * (4 + float_bytes)
    attention = eyes.hidden_size * (7 * float_bytes + 6 * 4)
    mlp = 4 * eyes.intermediate_size * float_bytes
    return int(patches * (comes + max(attention, mlp)))


def _workspace(config: Ernie4_5_VLMoeConfig, load: Load, float_bytes: int) -> int:
    """Of one layer over one piece of the prompt, the prompt's embeddings, and the logits."""
    text = config.text_config
    piece = min(load.prompt, PREFILL)
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    width = text.num_attention_heads * head
    # The mask of every score lives through the whole of a layer, as a bool and, inside attention, as numbers.
    mask = piece * load.context * (1 + float_bytes)
    # transformers repeats keys and values for every query head.
    attention = piece * 6 * width * float_bytes + 2 * load.context * width * float_bytes
    dense = piece * 4 * text.intermediate_size * float_bytes
    pairs = piece * text.moe_k
    # Ours, and transformers' grouped ones, which hold every pair's row four times.
    grouped = pairs * (4 * text.hidden_size + 4 * text.moe_intermediate_size[0]) * float_bytes
    experts = max(
        grouped, scratch_bytes(piece, text.moe_k, text.hidden_size, text.moe_intermediate_size[0], float_bytes)
    )
    stream = (2 * load.prompt + 6 * piece) * text.hidden_size * float_bytes
    return int(stream + mask + max(attention, dense, experts) + 3 * 4 * text.vocab_size)
