"""Nano's shape, and a forward pass made for training: transformers' own modules and weights, computed in batches.

transformers walks pictures one by one and experts one by one, which on small models is mostly waiting. Here all
pictures of a batch have one size, and every expert sees every token (the unused ones weighted zero): the same numbers,
several times faster. `tests/nano/test_network.py` holds the two against each other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import Ernie4_5_VLMoeForConditionalGeneration
from transformers.models.ernie4_5_vl_moe.modeling_ernie4_5_vl_moe import (
    apply_rotary_pos_emb,
    apply_rotary_pos_emb_vision,
    get_vision_position_ids,
)

from ernie_cli.runtime.config import native_config

# Narrow heads and a wide initial scale: with 64-wide heads and 0.02 nothing is seen for half an hour.
CONFIG: dict[str, Any] = {
    "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"],
    "model_type": "ernie4_5_moe_vl",
    "vocab_size": 2048,
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 5,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 16384,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "rope_scaling": {"type": "default", "mrope_section": [5, 5, 6]},
    "freq_allocation": 6,
    "use_bias": False,
    "tie_word_embeddings": True,
    "moe_num_experts": [8, 8],
    "moe_intermediate_size": [128, 96],
    "moe_k": 2,
    "moe_num_shared_experts": 1,
    "moe_layer_start_index": [1, 1],
    "moe_layer_end_index": [4, 4],
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


def see(model: Ernie4_5_VLMoeForConditionalGeneration, pixels: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """Media of one grid (t, h, w) as token embeddings (batch, tokens, hidden); pixels are (batch, t * h * w, 588)."""
    tower, resampler = model.model.vision_tower, model.model.resampler_model
    frames, height, width = grid
    batch = pixels.shape[0]
    one_frame = torch.tensor([[1, height, width]])
    places = get_vision_position_ids(one_frame, tower.spatial_merge_size)
    x = tower.patch_embed(pixels.reshape(batch * frames, height * width, -1))
    cos, sin = tower.rotary_pos_emb(x, places)
    for block in tower.blocks:
        qkv = block.attn.qkv(block.norm1(x)).unflatten(-1, (3, block.attn.num_heads, -1))
        q, k, v = qkv.unbind(2)
        q, k = apply_rotary_pos_emb_vision(q, k, cos, sin)
        attended = _attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        x = x + block.attn.proj(attended.transpose(1, 2).flatten(2))
        x = x + block.mlp(block.norm2(x))
    x = tower.ln(x)
    merged = resampler.spatial_linear(x.reshape(batch, frames, height * width // 4, -1))
    first, second = (merged, merged) if frames == 1 else (merged[:, 0::2], merged[:, 1::2])
    pairs = resampler.temporal_linear(torch.cat([first, second], dim=-1).flatten(1, 2))
    return resampler.after_norm(resampler.mlp(pairs))


def read(
    model: Ernie4_5_VLMoeForConditionalGeneration,
    embeds: Tensor,
    positions: Tensor,
    mask: Tensor,
    vision: slice,
    loads: list[Tensor] | None = None,
) -> Tensor:
    """Hidden states (batch, tokens, hidden) of a batch whose vision tokens stand in one slice.

    `positions` is (3, batch, tokens), `mask` (batch, 1, tokens, tokens) true where a token may look. Each sparse layer
    appends the load of its text and vision experts, (2, experts), to `loads`.
    """
    text_model = model.model.language_model
    cos, sin = text_model.rotary_emb(embeds, positions)
    bias = torch.zeros(mask.shape, dtype=torch.bfloat16).masked_fill(~mask, -1e4)
    x = embeds
    for layer in text_model.layers:
        attention = layer.self_attn
        normed = layer.input_layernorm(x)
        heads = (-1, attention.head_dim)
        q, k, v = (
            project(normed).unflatten(-1, heads).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k = apply_rotary_pos_emb(q, k, cos, sin)
        groups = q.shape[1] // k.shape[1]
        attended = _attend(q, k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1), bias)
        x = x + attention.o_proj(attended.transpose(1, 2).flatten(2))
        normed = layer.post_attention_layernorm(x)
        if not hasattr(layer.mlp, "text_moe"):
            x = x + layer.mlp(normed)
            continue
        before, inside, after = normed[:, : vision.start], normed[:, vision], normed[:, vision.stop :]
        words = torch.cat([before, after], dim=1)
        said, text_load = _experts(layer.mlp.text_moe, words)
        seen, vision_load = _experts(layer.mlp.vision_moe, inside) if inside.shape[1] else (inside, text_load * 0)
        routed = torch.cat([said[:, : vision.start], seen, said[:, vision.start :]], dim=1)
        x = x + routed + layer.mlp.shared_experts(normed)
        if loads is not None:
            loads.append(torch.stack([text_load, vision_load]))
    return text_model.norm(x)


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Plain attention: on a CPU its backward pass takes a quarter of the fused one's time at these sizes."""
    scores = q @ (k.transpose(-1, -2) * q.shape[-1] ** -0.5)
    return (scores if bias is None else scores + bias).softmax(-1, dtype=scores.dtype) @ v


def _experts(block: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """A sparse block with every expert computed for every token: its output and the share of tokens each expert got."""
    _, weights, chosen = block.gate(x.flatten(0, 1))
    count, experts = block.gate.num_experts, block.experts
    spread = torch.zeros(weights.shape[0], count, dtype=weights.dtype).scatter(1, chosen, weights)
    gate_up = F.linear(x.flatten(0, 1), experts.gate_up_proj.flatten(0, 1)).unflatten(-1, (count, -1))
    gate, up = gate_up.chunk(2, dim=-1)
    hidden = F.silu(gate) * up * spread[..., None].to(gate.dtype)
    down = experts.down_proj.transpose(1, 2).flatten(0, 1)  # (experts * intermediate, hidden)
    return (hidden.flatten(1) @ down).view_as(x), (spread > 0).float().mean(0)
