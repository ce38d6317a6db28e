"""A checkpoint's `config.json`, in the hub's flat layout or in transformers' native one, as the native configuration.

The flat keys and what they become are those of transformers' own conversion script for this architecture
(`convert_ernie4_5_vl_moe_to_hf.py`); unlike it, values such as the rope sections are read instead of assumed. The
limits of pictures and frames, which the two layouts keep in different files, are read here too, and so is told which
tensors belong to a configuration.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ernie_cli.errors import ModelError
from ernie_cli.runtime.vision import FRAME_BUDGET, PICTURE_BUDGET, PixelBudget, PixelBudgets

if TYPE_CHECKING:
    from transformers import Ernie4_5_VLMoeConfig

Shape: TypeAlias = tuple[int, ...]

QUANT_METHOD = "ernie_weight_only"  # as a checkpoint states that this program quantized it
HUB_TYPE = "ernie4_5_moe_vl"
NATIVE_TYPE = "ernie4_5_vl_moe"

# Without one of these, transformers would quietly take the 28B's own number.
TEXT_KEYS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "moe_k", "moe_intermediate_size"),
)
OPTIONAL_TEXT_KEYS = (
    *("max_position_embeddings", "rms_norm_eps", "use_bias", "head_dim", "hidden_act", "initializer_range"),
    *("bos_token_id", "eos_token_id", "pad_token_id"),
)
VISION_KEYS = ("depth", "hidden_size", "num_heads")
OPTIONAL_VISION_KEYS = ("hidden_act", "in_channels", "patch_size")
EDGE_NAMES = {
    "image_start_token_id": "<|IMAGE_START|>",
    "image_end_token_id": "<|IMAGE_END|>",
    "video_start_token_id": "<|VIDEO_START|>",
    "video_end_token_id": "<|VIDEO_END|>",
}
AGAIN = "Fetch the file again, or use an unmodified checkpoint."


def decode_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object. Raises ModelError, naming the file, for anything else and for NaN in it."""
    try:
        decoded = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as broken:
        raise ModelError(f"{path} is not valid JSON.", "Fetch the file again.") from broken
    if not isinstance(decoded, dict):
        raise ModelError(f"{path} holds no JSON object.", "Fetch the file again.")
    return decoded


def _refuse(constant: str) -> None:
    # Python reads NaN and Infinity, which JSON does not have; they would turn up far from here, as a wrong shape.
    raise ValueError(constant)


def native_config(raw: dict[str, Any], control: dict[str, int]) -> Ernie4_5_VLMoeConfig:
    """The native configuration of a decoded `config.json`.

    `control` gives the ids of the tokenizer's control strings: the flat layout names only the patch token's. Raises
    ModelError for another architecture, a missing key or a value that makes no sense.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import Ernie4_5_VLMoeConfig

    kind = raw.get("model_type")
    if kind not in (HUB_TYPE, NATIVE_TYPE):
        raise ModelError(
            f"config.json describes a model of type {kind!r}, which this program does not run.",
            f"It runs {HUB_TYPE} (the layout on the hub) and {NATIVE_TYPE} (transformers' own).",
        )
    try:
        if kind == NATIVE_TYPE:
            _require(raw, ("text_config", "vision_config"))
            return Ernie4_5_VLMoeConfig.from_dict(raw)
        config = Ernie4_5_VLMoeConfig(**_from_flat(raw, control))
        if raw.get("quantization_config"):
            config.quantization_config = _stated_quantization(raw["quantization_config"])
        return config
    except KeyError as missing:
        raise ModelError(f"config.json lacks the key {missing}.", AGAIN) from missing
    except (TypeError, ValueError, AttributeError, IndexError, StrictDataclassError) as wrong:
        why = " ".join(str(wrong).split())
        raise ModelError(f"config.json holds a value that makes no sense: {why}.", AGAIN) from wrong


def full_config() -> Ernie4_5_VLMoeConfig:
    """The 28B's own configuration, with no checkpoint at hand: its numbers are transformers' defaults."""
    from transformers import Ernie4_5_VLMoeConfig

    return Ernie4_5_VLMoeConfig()


def _stated_quantization(stated: Any) -> dict[str, Any]:
    """`quantization_config` of a flat configuration; whose quantization it is, is not asked here."""
    if not isinstance(stated, dict) or not isinstance(stated.get("quant_method"), str):
        raise ValueError(f"quantization_config is {stated!r}, which names no method")
    if stated["quant_method"] == QUANT_METHOD and stated.get("precision") not in ("int8", "nf4"):
        raise ValueError(f"quantization_config has the precision {stated.get('precision')!r}")
    return stated


def _require(raw: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if raw.get(key) is None:
            raise KeyError(key)


def _from_flat(raw: dict[str, Any], control: dict[str, int]) -> dict[str, Any]:
    _require(raw, (*TEXT_KEYS, "vision_config", "moe_num_experts", "im_patch_id", "rope_scaling"))
    eyes = raw["vision_config"]
    _require(eyes, VISION_KEYS)
    text = {key: raw[key] for key in TEXT_KEYS + OPTIONAL_TEXT_KEYS if raw.get(key) is not None}
    text |= {
        "moe_num_experts": _experts(raw["moe_num_experts"]),
        "moe_num_shared_experts": raw.get("moe_num_shared_experts") or 0,
        "mlp_layer_types": _layer_types(raw),
        "tie_word_embeddings": raw.get("tie_word_embeddings", True),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": float(raw.get("rope_theta", 500_000)),
            "mrope_section": raw["rope_scaling"]["mrope_section"],
        },
    }
    vision = {key: eyes[key] for key in VISION_KEYS + OPTIONAL_VISION_KEYS if eyes.get(key) is not None}
    vision |= {
        "intermediate_size": int(eyes["hidden_size"] * eyes["mlp_ratio"]),
        "spatial_merge_size": raw["spatial_conv_size"],
        "temporal_merge_size": raw["temporal_conv_size"],
        "initializer_range": eyes.get("initializer_range", 0.02),
    }
    # The hub layout has one patch token for pictures and video; the native layout wants the second one to exist.
    video_patch = control.get("<|VIDEO_PLACEHOLDER|>", raw["im_patch_id"])
    return {
        "text_config": text,
        "vision_config": vision,
        "image_token_id": raw["im_patch_id"],
        "video_token_id": video_patch,
        "tie_word_embeddings": text["tie_word_embeddings"],
        **{key: control[name] for key, name in EDGE_NAMES.items() if name in control},
    }


def _experts(stated: list[int]) -> int:
    """Experts of each modality: the architecture has as many for text as for vision."""
    if len(set(stated)) != 1:
        raise ValueError(f"moe_num_experts is {stated}, but text and vision must have equally many")
    return stated[0]


def _layer_types(raw: dict[str, Any]) -> list[str]:
    first, last = min(raw["moe_layer_start_index"]), max(raw["moe_layer_end_index"])
    interval = raw.get("moe_layer_interval", 1)
    return [
        "sparse" if first <= layer <= last and (layer + 1) % interval == 0 else "dense"
        for layer in range(raw["num_hidden_layers"])
    ]


def pixel_budgets(read: Callable[[str], dict[str, Any]]) -> PixelBudgets:
    """Pixels of a picture, a video frame and a printed page, as the checkpoint states them.

    Where it states none they are Baidu's, and a page's those of a picture: `print_min_pixels` and `print_max_pixels`,
    beside a picture's, are keys of our own, for a model that learned print at a size of its own.

    `read` gives a file of the checkpoint decoded, and an empty dictionary where there is none. The hub's layout keeps
    both in `preprocessor_config.json` (`min_pixels`, `video_min_pixels`); transformers keeps `size.shortest_edge` and
    `size.longest_edge`, which are pixels too, in a file for each or in one for both. Raises ModelError for a limit that
    is no positive number.
    """
    both, hub = read("processor_config.json"), read("preprocessor_config.json")
    pictures = both.get("image_processor") or hub
    clips = both.get("video_processor") or read("video_preprocessor_config.json")
    picture = _budget(pictures, ("min_pixels", "max_pixels"), PICTURE_BUDGET)
    return PixelBudgets(
        picture,
        _budget(clips or hub, ("video_min_pixels", "video_max_pixels"), FRAME_BUDGET, sizes=bool(clips)),
        _budget(pictures, ("print_min_pixels", "print_max_pixels"), picture, sizes=False),
    )


def frame_sampling(read: Callable[[str], dict[str, Any]]) -> tuple[float, int, int]:
    """Frames a second, and the least and most frames of a clip, as the checkpoint states them; else Baidu's.

    `read` is as in `pixel_budgets`; the keys are those of transformers' video processor.
    """
    stated = read("processor_config.json").get("video_processor") or read("video_preprocessor_config.json")
    stated = stated or read("preprocessor_config.json")
    usual = (("fps", 2.0), ("min_frames", 16), ("max_frames", 180))
    fps, least, most = (stated.get(key) or value for key, value in usual)
    if not (isinstance(fps, int | float) and isinstance(least, int) and isinstance(most, int) and 0 < least <= most):
        raise ModelError(
            f"The video processor's configuration allows from {least!r} to {most!r} frames, which is no range.",
            "Fetch video_preprocessor_config.json again.",
        )
    return float(fps), least, most


def _budget(stated: dict[str, Any], keys: tuple[str, str], usual: PixelBudget, *, sizes: bool = True) -> PixelBudget:
    size = (stated.get("size") if sizes else None) or {}
    least = stated.get(keys[0]) or size.get("shortest_edge") or usual.least
    most = stated.get(keys[1]) or size.get("longest_edge") or usual.most
    if not (isinstance(least, int) and isinstance(most, int) and 0 < least <= most):
        raise ModelError(
            f"The picture processor's configuration allows from {least!r} to {most!r} pixels, which is no range.",
            "Fetch preprocessor_config.json again.",
        )
    return PixelBudget(least, most)


def expected_tensors(config: Ernie4_5_VLMoeConfig) -> dict[str, Shape]:
    """Every tensor the architecture needs, under its name on the hub, with its shape there."""
    text = config.text_config
    hidden = text.hidden_size
    tensors: dict[str, Shape] = {"model.embed_tokens.weight": (text.vocab_size, hidden)}
    if not config.tie_word_embeddings:
        tensors["lm_head.weight"] = (text.vocab_size, hidden)
    for index, kind in enumerate(text.mlp_layer_types):
        layer = f"model.layers.{index}"
        tensors |= _attention(f"{layer}.self_attn", text)
        tensors[f"{layer}.input_layernorm.weight"] = (hidden,)
        tensors[f"{layer}.post_attention_layernorm.weight"] = (hidden,)
        if kind == "sparse":
            tensors |= _sparse(f"{layer}.mlp", text)
        else:
            tensors |= _mlp(f"{layer}.mlp", text, text.intermediate_size, bias=text.use_bias)
    tensors["model.norm.weight"] = (hidden,)
    return tensors | _tower(config.vision_config) | _resampler(config)


def _linear(name: str, rows: int, columns: int, bias: bool = True) -> dict[str, Shape]:
    weight: dict[str, Shape] = {f"{name}.weight": (rows, columns)}
    return weight | {f"{name}.bias": (rows,)} if bias else weight


def _layer_norm(name: str, width: int) -> dict[str, Shape]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _attention(name: str, text: Any) -> dict[str, Shape]:
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    queries, keys = text.num_attention_heads * head, text.num_key_value_heads * head
    return (
        _linear(f"{name}.q_proj", queries, text.hidden_size, text.use_bias)
        | _linear(f"{name}.k_proj", keys, text.hidden_size, text.use_bias)
        | _linear(f"{name}.v_proj", keys, text.hidden_size, text.use_bias)
        | _linear(f"{name}.o_proj", text.hidden_size, queries, text.use_bias)
    )


def _mlp(name: str, text: Any, width: int, *, bias: bool) -> dict[str, Shape]:
    return (
        _linear(f"{name}.gate_proj", width, text.hidden_size, bias)
        | _linear(f"{name}.up_proj", width, text.hidden_size, bias)
        | _linear(f"{name}.down_proj", text.hidden_size, width, bias)
    )


def _sparse(name: str, text: Any) -> dict[str, Shape]:
    """Two routers, stored transposed, their biases in one tensor, text experts before vision experts, shared ones."""
    count = text.moe_num_experts
    tensors: dict[str, Shape] = {
        f"{name}.gate.weight": (text.hidden_size, count),
        f"{name}.gate.weight_1": (text.hidden_size, count),
        f"{name}.moe_statics.e_score_correction_bias": (2, count),
    }
    for expert in range(2 * count):
        width = text.moe_intermediate_size[expert // count]
        tensors |= _mlp(f"{name}.experts.{expert}", text, width, bias=False)
    if text.moe_num_shared_experts:
        shared = text.moe_intermediate_size[0] * text.moe_num_shared_experts
        tensors |= _mlp(f"{name}.shared_experts", text, shared, bias=text.use_bias)
    return tensors


def _tower(vision: Any) -> dict[str, Shape]:
    width = vision.hidden_size
    patch = vision.in_channels * vision.patch_size**2
    tensors = _linear("vision_model.patch_embed.proj", width, patch, bias=False)
    tensors |= _layer_norm("vision_model.ln", width)
    for index in range(vision.depth):
        block = f"vision_model.blocks.{index}"
        tensors |= _layer_norm(f"{block}.norm1", width) | _layer_norm(f"{block}.norm2", width)
        tensors |= _linear(f"{block}.attn.qkv", 3 * width, width) | _linear(f"{block}.attn.proj", width, width)
        tensors |= _linear(f"{block}.mlp.fc1", vision.intermediate_size, width)
        tensors |= _linear(f"{block}.mlp.fc2", width, vision.intermediate_size)
    return tensors


def _resampler(config: Any) -> dict[str, Shape]:
    name, hidden = "model.resampler_model", config.text_config.hidden_size
    patch = config.vision_config.hidden_size * config.vision_config.spatial_merge_size**2
    pair = patch * config.vision_config.temporal_merge_size
    tensors = _linear(f"{name}.mlp", hidden, patch) | {f"{name}.after_norm.weight": (hidden,)}
    for part, width in (("spatial_linear", patch), ("temporal_linear", pair)):
        tensors |= _linear(f"{name}.{part}.0", patch, width) | _linear(f"{name}.{part}.2", patch, patch)
        tensors |= _layer_norm(f"{name}.{part}.3", patch)
    return tensors
