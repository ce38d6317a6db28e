"""A checkpoint's `config.json`, in the hub's flat layout or in transformers' native one, as the native configuration.

The flat keys and what they become are those of transformers' own conversion script for this architecture
(`convert_ernie4_5_vl_moe_to_hf.py`); unlike it, values such as the rope sections are read instead of assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ernie_cli.errors import ModelError

if TYPE_CHECKING:
    from transformers import Ernie4_5_VLMoeConfig

HUB_TYPE = "ernie4_5_moe_vl"
NATIVE_TYPE = "ernie4_5_vl_moe"

TEXT_KEYS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "use_bias", "moe_k", "moe_intermediate_size"),
    *("head_dim", "hidden_act", "initializer_range", "bos_token_id", "eos_token_id", "pad_token_id"),
)
VISION_KEYS = ("depth", "hidden_size", "hidden_act", "num_heads", "in_channels", "patch_size", "spatial_merge_size")


def native_config(raw: dict[str, Any], control: dict[str, int]) -> Ernie4_5_VLMoeConfig:
    """The native configuration of a decoded `config.json`.

    `control` gives the ids of the tokenizer's control strings: the flat layout names only the patch token's. Raises
    ModelError for another architecture or a missing key.
    """
    from transformers import Ernie4_5_VLMoeConfig

    kind = raw.get("model_type")
    if kind == NATIVE_TYPE:
        return Ernie4_5_VLMoeConfig.from_dict(raw)
    if kind != HUB_TYPE:
        raise ModelError(
            f"config.json describes a model of type {kind!r}, which this program does not run.",
            f"It runs {HUB_TYPE} (the layout on the hub) and {NATIVE_TYPE} (transformers' own).",
        )
    try:
        return Ernie4_5_VLMoeConfig(**_from_flat(raw, control))
    except KeyError as missing:
        raise ModelError(
            f"config.json lacks the key {missing}.", "Fetch the file again, or use an unmodified checkpoint."
        ) from missing


def _from_flat(raw: dict[str, Any], control: dict[str, int]) -> dict[str, Any]:
    eyes = raw["vision_config"]
    text = {key: raw[key] for key in TEXT_KEYS if raw.get(key) is not None}
    text |= {
        "moe_num_experts": raw["moe_num_experts"][0],
        "moe_num_shared_experts": raw.get("moe_num_shared_experts") or 0,
        "mlp_layer_types": _layer_types(raw),
        "tie_word_embeddings": raw.get("tie_word_embeddings", True),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": float(raw.get("rope_theta", 500_000)),
            "mrope_section": raw["rope_scaling"]["mrope_section"],
        },
    }
    vision = {key: eyes[key] for key in VISION_KEYS if key in eyes}
    vision |= {
        "intermediate_size": int(eyes["hidden_size"] * eyes["mlp_ratio"]),
        "spatial_merge_size": raw["spatial_conv_size"],
        "temporal_merge_size": raw["temporal_conv_size"],
        "initializer_range": eyes.get("initializer_range", 0.02),
    }
    names = {"image_start": "<|IMAGE_START|>", "image_end": "<|IMAGE_END|>"}
    names |= {"video_start": "<|VIDEO_START|>", "video_end": "<|VIDEO_END|>"}
    ids = {f"{key}_token_id": control[name] for key, name in names.items()}
    # The hub layout has one patch token for pictures and video; the native layout wants the second one to exist.
    video_patch = control.get("<|VIDEO_PLACEHOLDER|>", raw["im_patch_id"])
    return {
        "text_config": text,
        "vision_config": vision,
        "image_token_id": raw["im_patch_id"],
        "video_token_id": video_patch,
        "tie_word_embeddings": text["tie_word_embeddings"],
        **ids,
    }


def _layer_types(raw: dict[str, Any]) -> list[str]:
    first, last = min(raw["moe_layer_start_index"]), max(raw["moe_layer_end_index"])
    interval = raw.get("moe_layer_interval", 1)
    return [
        "sparse" if first <= layer <= last and (layer + 1) % interval == 0 else "dense"
        for layer in range(raw["num_hidden_layers"])
    ]
