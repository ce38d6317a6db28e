"""Nano's shape, in the names of the hub's config, and a model of it that has learned nothing yet."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Ernie4_5_VLMoeForConditionalGeneration

from ernie_cli.runtime.config import native_config

# Narrow heads and a wide initial scale: with 64-wide heads and 0.02 nothing is seen for half an hour.
CONFIG: dict[str, Any] = {
    "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"],
    "model_type": "ernie4_5_moe_vl",
    "vocab_size": 2048,
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "head_dim": 32,
    "max_position_embeddings": 16384,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    # Nearly all for time: with the usual shares, what changed in the first of a token's two frames is not learned.
    "rope_scaling": {"type": "default", "mrope_section": [1, 1, 14]},
    "freq_allocation": 14,
    "use_bias": False,
    "tie_word_embeddings": True,
    "moe_num_experts": [8, 8],
    "moe_intermediate_size": [128, 96],
    "moe_k": 2,
    "moe_num_shared_experts": 1,
    "moe_layer_start_index": [1, 1],
    "moe_layer_end_index": [5, 5],
    "moe_layer_interval": 1,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "im_patch_id": 9,
    "pixel_hidden_size": 160,
    "spatial_conv_size": 2,
    "temporal_conv_size": 2,
    "initializer_range": 0.06,
    "vision_config": {
        "model_type": "DFNRope_vision_transformer",
        "depth": 6,
        "hidden_size": 160,
        "embed_dim": 160,
        "mlp_ratio": 4,
        "num_heads": 5,
        "in_channels": 3,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "hidden_act": "quick_gelu",
        "initializer_range": 0.06,
    },
    "torch_dtype": "bfloat16",
}


def new_model(control: dict[str, int], seed: int = 0) -> Ernie4_5_VLMoeForConditionalGeneration:
    """A freshly initialised nano in float32."""
    torch.manual_seed(seed)
    return Ernie4_5_VLMoeForConditionalGeneration(native_config(CONFIG, control)).float()
