"""Which weight is kept how at each precision, and how many bytes that makes.

Told by names and shapes alone, as the hub writes them, so it is known before a byte is read. What is not in `KEPT`, and
is a matrix of the text model, is quantized: the experts (92 % of the 28B) and the linear layers around them. `int8` has
one float32 scale a row; `nf4` has 4 bits a weight and one float32 scale a block (QLoRA, arXiv:2305.14314), for the
experts, and int8 rows for the other layers. Both are weight-only: activations stay as they are.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ernie_cli.runtime.config import QUANT_METHOD, expected_tensors

if TYPE_CHECKING:
    from transformers import Ernie4_5_VLMoeConfig

    from ernie_cli.runtime.config import Shape

Precision: TypeAlias = Literal["bf16", "int8", "nf4"]
Kind: TypeAlias = Literal["float32", "float", "int8", "nf4"]

PRECISIONS: tuple[Precision, ...] = ("bf16", "int8", "nf4")  # from the best to the smallest

# What no precision touches, by its name on the hub, and why.
KEPT: dict[str, tuple[str, Kind]] = {
    r"\.mlp\.gate\.weight(_1)?$": ("routers choose experts by small differences", "float32"),
    r"\.moe_statics\.": ("part of the routers", "float32"),
    r"^model\.embed_tokens\.": ("rows that are looked up, and tied to the output layer", "float"),
    r"^lm_head\.": ("every token's probability comes out of it", "float"),
    r"^vision_model\.": ("eyes: 2 % of the weights, and every later token rests on them", "float"),
    r"^model\.resampler_model\.": ("eyes, as well", "float"),
    r"norm\d?\.weight$|\.bias$": ("vectors", "float"),
}
_KEPT = [(re.compile(pattern), kind) for pattern, (_, kind) in KEPT.items()]
_EXPERT = re.compile(r"\.mlp\.experts\.\d+\.")

SCALE = "_scale"  # behind the name of a weight: float32 (rows,)
ABSMAX = "_absmax"  # behind the name of a weight: float32 (rows, blocks of a row)
BLOCKS = (64, 32)  # weights that share an nf4 scale: the first that divides a row


def kind_of(name: str, precision: Precision, config: Ernie4_5_VLMoeConfig) -> Kind:
    """How a weight is kept at a precision; `float` is the dtype the model computes in."""
    for pattern, kind in _KEPT:
        if pattern.search(name):
            return kind
    if precision == "bf16":
        return "float"
    return "nf4" if precision == "nf4" and _EXPERT.search(name) and _has_blocks(name, config) else "int8"


def _has_blocks(name: str, config: Ernie4_5_VLMoeConfig) -> bool:
    """Whether blocks divide the rows of an expert's matrix, in both modalities; in very small models they may not."""
    text = config.text_config
    columns = text.moe_intermediate_size if ".down_proj" in name else (text.hidden_size,)
    return all(block_of(count) for count in columns)


def block_of(columns: int) -> int | None:
    """How many weights of a row of `columns` share an nf4 scale; None if it cannot be cut evenly."""
    return next((size for size in BLOCKS if columns % size == 0), None)


def bytes_of(kind: Kind, shape: Shape, float_bytes: int = 2) -> int:
    """What a weight takes with its scales; `float_bytes` is the width of the dtype the model computes in."""
    count = math.prod(shape)
    if kind == "int8":
        return count + 4 * shape[0]
    if kind == "nf4":
        return count // 2 + 4 * count // (block_of(shape[-1]) or count)
    return count * (4 if kind == "float32" else float_bytes)


@dataclass(frozen=True)
class Weights:
    """Bytes of a model's weights, by how they are kept, and those of its experts and all of one layer."""

    by_kind: dict[Kind, int]
    experts: int  # part of the whole
    largest_layer: int  # the experts of the layer that has most
    layers: int  # with experts
    by_layer: tuple[int, ...]  # everything of each layer, in order

    @property
    def total(self) -> int:
        return sum(self.by_kind.values())


def weigh(config: Ernie4_5_VLMoeConfig, precision: Precision, float_bytes: int = 2) -> Weights:
    """The bytes of the weights in memory: tied embeddings once, fused experts as their parts."""
    by_kind: dict[Kind, int] = {}
    experts, layers = ([0] * config.text_config.num_hidden_layers for _ in range(2))
    for name, shape in expected_tensors(config).items():
        kind = kind_of(name, precision, config)
        size = bytes_of(kind, shape, float_bytes)
        by_kind[kind] = by_kind.get(kind, 0) + size
        if name.startswith("model.layers."):
            layer = int(name.split(".")[2])
            layers[layer] += size
            experts[layer] += size if _EXPERT.search(name) else 0
    return Weights(by_kind, sum(experts), max(experts), sum(map(bool, experts)), tuple(layers))


def stored_tensors(config: Ernie4_5_VLMoeConfig, precision: Precision) -> dict[str, tuple[str | None, Shape]]:
    """What a checkpoint quantized to `precision` holds: safetensors dtype (None: any float) and shape by name."""
    stored: dict[str, tuple[str | None, Shape]] = {}
    for name, shape in expected_tensors(config).items():
        kind = kind_of(name, precision, config)
        if kind == "int8":
            stored[name], stored[name + SCALE] = ("I8", shape), ("F32", shape[:1])
        elif kind == "nf4":
            block = block_of(shape[-1])
            assert block is not None
            stored[name] = ("U8", (shape[0], shape[1] // 2))
            stored[name + ABSMAX] = ("F32", (shape[0], shape[1] // block))
        else:
            stored[name] = (None, shape)
    return stored


def stated_precision(config: Ernie4_5_VLMoeConfig) -> Precision | None:
    """The precision a checkpoint was quantized to by this program, or None."""
    stated: Any = getattr(config, "quantization_config", None)
    stated = stated if isinstance(stated, dict) or stated is None else stated.to_dict()
    if not stated or stated.get("quant_method") != QUANT_METHOD:
        return None
    precision: Precision = stated["precision"]
    return precision
