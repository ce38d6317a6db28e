"""Nano's shape, and a forward pass made for training: transformers' own modules and weights, computed in batches.

transformers walks pictures one by one and attends from everything to everything, which on small models is mostly
waiting. Here all pictures of a batch have one size, and questions that share a picture never look at each other: the
same numbers, several times faster. `tests/nano/test_network.py` holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
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

ROUND = 256

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
        x = _vision_block(block, x, cos, sin)
    x = tower.ln(x)
    merged = resampler.spatial_linear(x.reshape(batch, frames, height * width // 4, -1))
    first, second = (merged, merged) if frames == 1 else (merged[:, 0::2], merged[:, 1::2])
    pairs = resampler.temporal_linear(torch.cat([first, second], dim=-1).flatten(1, 2))
    return resampler.after_norm(resampler.mlp(pairs))


@dataclass(frozen=True)
class Layout:
    """How the tokens of every row of a batch stand: a shared prefix, then `branches` questions of one padded length.

    `vision` is the slice of the prefix that goes to the vision experts; `valid` (batch, tokens) is false on padding,
    which stands at the end of a question, where causality hides it from all that counts.
    """

    prefix: int
    branches: int
    vision: slice
    valid: Tensor


def read(
    model: Ernie4_5_VLMoeForConditionalGeneration,
    embeds: Tensor,
    positions: Tensor,
    layout: Layout,
    loads: list[Tensor] | None = None,
) -> Tensor:
    """Hidden states (batch, tokens, hidden); `positions` is (3, batch, tokens).

    Each sparse layer appends the load of its text and vision experts, (2, experts), to `loads`.
    """
    text_model = model.model.language_model
    cos, sin = text_model.rotary_emb(embeds, positions)
    to_vision = torch.zeros_like(layout.valid)
    to_vision[:, layout.vision] = True
    said = (layout.valid & ~to_vision).flatten().nonzero().squeeze(1)
    seen = to_vision.flatten().nonzero().squeeze(1)
    x = embeds
    for layer in text_model.layers:
        x = _attention(layer, x, cos, sin, layout.prefix, layout.branches)
        normed = layer.post_attention_layernorm(x)
        if not hasattr(layer.mlp, "text_moe"):
            x = x + layer.mlp(normed)
            continue
        flat = normed.flatten(0, 1)
        routed = torch.zeros_like(flat)
        text_out, text_load = _experts(layer.mlp.text_moe, flat.index_select(0, said))
        vision_out, vision_load = _experts(layer.mlp.vision_moe, flat.index_select(0, seen))
        routed = routed.index_copy(0, said, text_out).index_copy(0, seen, vision_out)
        x = x + routed.view_as(x) + layer.mlp.shared_experts(normed)
        if loads is not None:
            loads.append(torch.stack([text_load, vision_load]))
    return text_model.norm(x)


def _vision_block(block: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """One block of the vision tower; x is (pictures, patches, hidden)."""
    qkv = block.attn.qkv(block.norm1(x)).unflatten(-1, (3, block.attn.num_heads, -1))
    q, k, v = qkv.unbind(2)
    q, k = apply_rotary_pos_emb_vision(q, k, cos, sin)
    attended = _attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    x = x + block.attn.proj(attended.transpose(1, 2).flatten(2))
    return x + block.mlp(block.norm2(x))


def _attention(layer: Any, x: Tensor, cos: Tensor, sin: Tensor, prefix: int, branches: int) -> Tensor:
    """The first half of a decoder layer."""
    attention = layer.self_attn
    normed = layer.input_layernorm(x)
    heads = (-1, attention.head_dim)
    q, k, v = (
        project(normed).unflatten(-1, heads).transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    q, k = apply_rotary_pos_emb(q, k, cos, sin)
    groups = q.shape[1] // k.shape[1]
    attended = _attend_branches(q, k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1), prefix, branches)
    return x + attention.o_proj(attended.transpose(1, 2).flatten(2))


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Plain full attention: on a CPU its backward pass takes a quarter of the fused one's time at these sizes."""
    return (q @ (k.transpose(-1, -2) * q.shape[-1] ** -0.5)).softmax(-1, dtype=q.dtype) @ v


def _attend_branches(q: Tensor, k: Tensor, v: Tensor, cut: int, branches: int) -> Tensor:
    """Causal attention in which a branch sees the prefix and itself; all (batch, heads, tokens, head width)."""
    scale = q.shape[-1] ** -0.5
    first = (q[:, :, :cut] @ k[:, :, :cut].transpose(-1, -2)) * scale + _causal(cut, q.dtype)
    in_prefix = first.softmax(-1, dtype=q.dtype) @ v[:, :, :cut]
    if not branches:
        return in_prefix
    bq, bk, bv = (t[:, :, cut:].unflatten(2, (branches, -1)) for t in (q, k, v))
    to_prefix = (q[:, :, cut:] @ k[:, :, :cut].transpose(-1, -2)).unflatten(2, (branches, -1))
    to_itself = bq @ bk.transpose(-1, -2)
    length = to_itself.shape[-1]
    mask = torch.cat([torch.zeros(length, cut, dtype=q.dtype), _causal(length, q.dtype)], dim=1)
    weights = (torch.cat([to_prefix, to_itself], dim=-1) * scale + mask).softmax(-1, dtype=q.dtype)
    from_prefix = weights[..., :cut].flatten(2, 3) @ v[:, :, :cut]
    from_itself = (weights[..., cut:] @ bv).flatten(2, 3)
    return torch.cat([in_prefix, from_prefix + from_itself], dim=2)


def _causal(length: int, dtype: torch.dtype) -> Tensor:
    return torch.full((length, length), -1e4, dtype=dtype).triu(1)


def _experts(block: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """A sparse block over tokens (tokens, hidden), sorted by expert: its output and each expert's share of tokens.

    Every expert's tokens are padded to a multiple of `ROUND`: the CPU's bfloat16 kernels are compiled for each shape
    they meet, and a shape that never comes again would cost more than the work itself.
    """
    _, weights, chosen = block.gate(x)
    count, top_k = block.gate.num_experts, chosen.shape[1]
    order = chosen.flatten().argsort(stable=True)
    sizes = chosen.flatten().bincount(minlength=count)
    room = (sizes + ROUND - 1) // ROUND * ROUND
    shift = (room.cumsum(0) - room) - (sizes.cumsum(0) - sizes)
    place = torch.arange(len(order)) + shift.repeat_interleave(sizes)
    token = order // top_k
    padded = x.new_zeros(int(room.sum()), x.shape[1]).index_copy(0, place, x.index_select(0, token))
    gate_up = block.experts.gate_up_proj.unbind(0)
    down = block.experts.down_proj.unbind(0)
    parts = []
    for expert, rows in enumerate(padded.split(room.tolist())):
        gate, up = F.linear(rows, gate_up[expert]).chunk(2, dim=-1)
        parts.append(F.linear(F.silu(gate) * up, down[expert]))
    done = torch.cat(parts).index_select(0, place)
    scaled = done * weights.flatten()[order, None].to(done.dtype)
    return torch.zeros_like(x, dtype=scaled.dtype).index_add(0, token, scaled).to(x.dtype), sizes / max(1, len(order))
