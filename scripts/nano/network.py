"""A forward pass of nano made for training: transformers' own modules and weights, computed in batches.

transformers walks pictures one by one and attends from everything to everything, which on small models is mostly
waiting. Here all pictures of a batch have one size, and questions that share a picture never look at each other: the
same numbers, several times faster. `tests/nano/test_network.py` holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from shape import CONFIG
from torch import Tensor
from torch.nn import functional as F
from transformers import Ernie4_5_VLMoeForConditionalGeneration
from transformers.models.ernie4_5_vl_moe.modeling_ernie4_5_vl_moe import (
    apply_rotary_pos_emb,
    apply_rotary_pos_emb_vision,
    get_vision_position_ids,
)

TOP_K: int = CONFIG["moe_k"]
# A CPU's bfloat16 kernels are made anew for each number of rows they meet: tokens come in round numbers.
ROUND, SLOTS = 512, 128
LAYER_NORM_EPS: float = 1e-6


def see(
    model: Ernie4_5_VLMoeForConditionalGeneration,
    pixels: Tensor,
    grid: tuple[int, int, int],
    *,
    patches: list[Tensor] | None = None,
) -> Tensor:
    """Media of one grid (t, h, w) as token embeddings (batch, tokens, hidden); pixels are (batch, t * h * w, 588).

    The tower appends what it makes of them, (batch * t, h * w, width), to `patches`: in the order of the pixels.
    """
    tower, resampler = model.model.vision_tower, model.model.resampler_model
    frames, height, width = grid
    batch = pixels.shape[0]
    one_frame = torch.tensor([[1, height, width]], device=pixels.device)
    places = get_vision_position_ids(one_frame, tower.spatial_merge_size)
    x = tower.patch_embed(pixels.reshape(batch * frames, height * width, -1))
    cos, sin = (part[None] for part in tower.rotary_pos_emb(x, places))
    for block in tower.blocks:
        x = _run(_vision_block, _vision_weights(block), x, cos, sin)
    x = tower.ln(x)
    if patches is not None:
        patches.append(x)
    merged = resampler.spatial_linear(x.reshape(batch, frames, height * width // 4, -1))
    first, second = (merged, merged) if frames == 1 else (merged[:, 0::2], merged[:, 1::2])
    pairs = resampler.temporal_linear(torch.cat([first, second], dim=-1).flatten(1, 2))
    return resampler.after_norm(resampler.mlp(pairs))


@dataclass(frozen=True)
class Layout:
    """How the tokens of every row of a batch stand: a shared prefix, then `branches` questions of one padded length.

    `vision` is the slice of the prefix that goes to the vision experts; what stands before it is the same in all rows.
    `valid` (batch, tokens) is false on padding, which stands at the end of a question, where causality hides it from
    all that counts.
    """

    prefix: int
    branches: int
    vision: slice
    valid: Tensor

    @property
    def medium(self) -> slice:
        """The tokens of `vision` without those that begin and end the medium."""
        return slice(self.vision.start + 1, self.vision.stop - 1)


def read(
    model: Ernie4_5_VLMoeForConditionalGeneration,
    embeds: Tensor,
    positions: Tensor,
    layout: Layout,
    *,
    loads: list[Tensor] | None = None,
    states: list[Tensor] | None = None,
    looks: list[Tensor] | None = None,
    layers: int | None = None,
    wanted: Tensor | None = None,
) -> Tensor:
    """Hidden states (batch, tokens, hidden), after so many `layers` or all; `positions` is (3, batch, tokens).

    Each sparse layer appends the load of its text and vision experts, (2, experts), to `loads`; every layer appends
    what it hands on, (batch, tokens, hidden), to `states`, and, of several questions, how much their tokens attend to
    the prefix and to each other, (batch, heads, branches, length, prefix + length), to `looks`. With `wanted` (batch,
    tokens), only where it is true the states are worked out to the end. Those of padding are left as they come.
    """
    text_model = model.model.language_model
    cos, sin = text_model.rotary_emb(embeds, positions)
    mask = _causal(embeds.shape[1], torch.float32, embeds.device)
    (text, count), vision = _kinds_of_token(layout)
    start = layout.vision.start
    x = embeds
    for layer in text_model.layers[:layers]:
        if layout.branches <= 1:
            x = _run(_attention, _attention_weights(layer), x, cos, sin, mask)
        else:
            x = _attention(_attention_weights(layer), x, cos, sin, mask, layout.prefix, layout.branches, looks)
        if wanted is not None and layer is text_model.layers[-1]:
            (text, count), vision = padded_indices(wanted), vision[:0]
        flat = x.flatten(0, 1)
        if not hasattr(layer.mlp, "text_moe"):
            both = _run(_dense, _dense_weights(layer), flat[torch.cat([text, vision])][None])
            said, seen = both[:, : len(text)], both[:, len(text) :]
        else:
            said, text_load = _sparse(_sparse_weights(layer, layer.mlp.text_moe), flat[text][None], count)
            seen, vision_load = _sparse(_sparse_weights(layer, layer.mlp.vision_moe), flat[vision][None], len(vision))
            if loads is not None:
                loads.append(torch.stack([text_load, vision_load]))
        # Written over another token's output, that of a token too many would still have a gradient.
        places = torch.cat([text[:count], vision])
        flat = flat.index_copy(0, places, torch.cat([said[:, :count], seen], 1)[0])
        x = flat.view_as(x)
        # What comes before the medium was worked out for the first row only.
        x = torch.cat([x[:1, :start].expand(len(x), -1, -1), x[:, start:]], 1)
        if states is not None:
            states.append(x)
    return text_model.norm(x)


def _kinds_of_token(layout: Layout) -> tuple[tuple[Tensor, int], Tensor]:
    """Where, in all rows one after the other, tokens for the text experts and for the vision experts stand.

    Those for the text experts as `padded_indices` has them.
    """
    seen = torch.zeros_like(layout.valid)
    seen[:, layout.vision] = True
    said = layout.valid & ~seen
    said[1:, : layout.vision.start] = False
    return padded_indices(said), seen.flatten().nonzero().squeeze(1)


def padded_indices(tokens: Tensor) -> tuple[Tensor, int]:
    """The indices, in `tokens` as a flat list, of all that are true, then of others up to a multiple of `ROUND`.

    And how many are true.
    """
    count = int(tokens.sum())
    order = tokens.flatten().logical_not().byte().argsort(stable=True)
    return order[: -(-count // ROUND) * ROUND], count


# Run as they stand, or compiled: what lies between the matrix products is fused, and takes half the time.
_compiled: dict[Any, Any] = {}


def compile_parts() -> None:
    """From now on the layers run as compiled code, which takes a minute to make and needs a C++ compiler."""
    if _compiled:
        return
    torch._dynamo.config.recompile_limit = 64
    for part in (_vision_block, _attention, _dense, _routed, _gated, _loss):
        _compiled[part] = torch.compile(part)


def _run(part: Any, weights: list[Tensor], *tensors: Tensor) -> Any:
    """A part of a layer on tensors whose second dimension is tokens: their number changes from batch to batch."""
    if part not in _compiled:
        return part(weights, *tensors)
    for tensor in tensors:
        torch._dynamo.maybe_mark_dynamic(tensor, tensor.ndim - 2 if tensor.ndim > 2 else tensor.ndim - 1)
        if tensor.ndim == 2 and tensor.shape[0] == tensor.shape[1]:
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
    return _compiled[part](weights, *tensors)


def loss(hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy of what hidden states (tokens, hidden) foretell, with the matrix `head` (classes, hidden).

    It is the mean by `weights` (tokens,): how much each counts.
    """
    if _loss not in _compiled:
        return _loss(hidden, head, targets, weights)
    for tensor in (hidden, targets, weights):
        torch._dynamo.mark_dynamic(tensor, 0)
    return _compiled[_loss](hidden, head, targets, weights)


def _loss(hidden: Tensor, head: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return F.cross_entropy(F.linear(hidden, head).float(), targets, reduction="none") @ weights / weights.sum()


# A layer's weights as tensors, so that the code compiled for one layer serves them all.


def _vision_weights(block: Any) -> list[Tensor]:
    parts = (block.norm1, block.attn.qkv, block.attn.proj, block.norm2, block.mlp.fc1, block.mlp.fc2)
    return [tensor for part in parts for tensor in (part.weight, part.bias)]


def _attention_weights(layer: Any) -> list[Tensor]:
    attention = layer.self_attn
    parts = (layer.input_layernorm, attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
    return [part.weight for part in parts]


def _mlp_weights(mlp: Any) -> list[Tensor]:
    return [mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight]


def _dense_weights(layer: Any) -> list[Tensor]:
    return [layer.post_attention_layernorm.weight, *_mlp_weights(layer.mlp)]


def _expert_weights(block: Any) -> list[Tensor]:
    gate, experts = block.gate, block.experts
    return [gate.weight, gate.moe_statics.e_score_correction_bias, experts.gate_up_proj, experts.down_proj]


def _sparse_weights(layer: Any, block: Any) -> list[Tensor]:
    shared = _mlp_weights(layer.mlp.shared_experts)
    return [layer.post_attention_layernorm.weight, *shared, *_expert_weights(block)]


def _vision_block(weights: list[Tensor], x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """One block of the vision tower; x is (pictures, patches, hidden)."""
    n1, n1b, qkv, qkvb, out, outb, n2, n2b, fc1, fc1b, fc2, fc2b = weights
    width = x.shape[-1]
    parts = F.linear(F.layer_norm(x, (width,), n1, n1b, LAYER_NORM_EPS), qkv, qkvb)
    q, k, v = parts.unflatten(-1, (3, -1, cos.shape[-1])).unbind(2)
    q, k = apply_rotary_pos_emb_vision(q, k, cos, sin)
    attended = _attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    x = x + F.linear(attended.transpose(1, 2).flatten(2), out, outb)
    inner = F.linear(F.layer_norm(x, (width,), n2, n2b, LAYER_NORM_EPS), fc1, fc1b)
    return x + F.linear(inner * torch.sigmoid(1.702 * inner), fc2, fc2b)  # quick_gelu


def _rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + CONFIG["rms_norm_eps"])).to(x.dtype)


def _attention(
    weights: list[Tensor],
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    mask: Tensor,
    prefix: int = 0,
    branches: int = 1,
    looks: list[Tensor] | None = None,
) -> Tensor:
    """The first half of a decoder layer; of several `branches`, it appends their attention to `looks`."""
    norm, to_q, to_k, to_v, out = weights
    normed = _rms_norm(x, norm)
    q, k = _queries_and_keys(normed, to_q, to_k, cos, sin)
    v = F.linear(normed, to_v).unflatten(-1, (-1, cos.shape[-1])).transpose(1, 2)
    v = v.repeat_interleave(q.shape[1] // v.shape[1], 1)
    if branches == 1:
        attended = _attend_causally(q, k, v, mask)
    else:
        attended, weights_of_branches = _attend_branches(q, k, v, prefix, branches)
        if looks is not None:
            looks.append(weights_of_branches)
    return x + F.linear(attended.transpose(1, 2).flatten(2), out)


def attention_in(
    model: Ernie4_5_VLMoeForConditionalGeneration, layer: int, states: Tensor, positions: Tensor
) -> Tensor:
    """Logarithms of how much tokens attend to each other in a layer, (batch, heads, tokens, tokens).

    `states` (batch, tokens, hidden) is what the layer before hands on, `positions` (3, batch, tokens).
    """
    text_model = model.model.language_model
    norm, to_q, to_k, *_ = _attention_weights(text_model.layers[layer])
    cos, sin = text_model.rotary_emb(states, positions)
    q, k = _queries_and_keys(_rms_norm(states, norm), to_q, to_k, cos, sin)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return (scores.float() + _causal(states.shape[1], torch.float32, states.device)).log_softmax(-1)


def _queries_and_keys(normed: Tensor, to_q: Tensor, to_k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Both (batch, heads, tokens, head width), at their positions."""
    heads = (-1, cos.shape[-1])
    q, k = (F.linear(normed, weight).unflatten(-1, heads).transpose(1, 2) for weight in (to_q, to_k))
    q, k = apply_rotary_pos_emb(q, k, cos, sin)
    return q, k.repeat_interleave(q.shape[1] // k.shape[1], 1)


def _swiglu(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


def _dense(weights: list[Tensor], x: Tensor) -> Tensor:
    """The second half of a decoder layer without experts."""
    norm, *mlp = weights
    return x + _swiglu(_rms_norm(x, norm), *mlp)


def _sparse(weights: list[Tensor], x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The second half of a decoder layer with experts, for tokens (1, tokens, hidden) of one kind.

    Gives its output and how large a share of the first `count` tokens each expert got.
    """
    if not x.shape[1]:
        return x, torch.zeros(len(weights[-1]), device=x.device)
    norm, gate, up, down, router, bias, gate_up, out = weights
    normed, x, chosen, shares = _run(_routed, [norm, gate, up, down, router, bias], x)
    # Sorted by expert, so that each sees its own tokens only, and some that count nothing to make their number round.
    by_token = chosen.flatten()
    counts = torch.bincount(by_token, minlength=gate_up.shape[0])
    spare = -counts % SLOTS
    ends = (counts + spare).cumsum(0)
    order = by_token.argsort()
    places = torch.arange(len(order), device=x.device) + (spare.cumsum(0) - spare)[by_token[order]]
    tokens = torch.zeros(int(ends[-1]), dtype=torch.long, device=x.device).scatter_(0, places, order // TOP_K)
    share = shares.new_zeros(len(tokens)).scatter(0, places, shares.flatten()[order])
    inner = F.grouped_mm(normed.flatten(0, 1)[tokens], gate_up.to(x.dtype).transpose(1, 2), offs=ends.int())
    inner = _run(_gated, [], inner[None], share[None])[0]
    back = torch.empty_like(order).scatter_(0, order, places)
    routed = F.grouped_mm(inner, out.to(x.dtype).transpose(1, 2), offs=ends.int())[back]
    load = torch.bincount(by_token[: count * TOP_K], minlength=len(counts)) / (count * TOP_K)
    return x + routed.view(*x.shape[:2], TOP_K, -1).sum(2), load


def _routed(weights: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normed tokens; tokens with the shared expert's part; chosen experts and their shares (batch, tokens, TOP_K)."""
    norm, gate, up, down, router, bias = weights
    normed = _rms_norm(x, norm)
    with torch.autocast(x.device.type, enabled=False):
        scores = F.linear(normed.float(), router.float()).softmax(-1)
        chosen = (scores + bias.squeeze()).topk(TOP_K, dim=-1).indices
        shares = scores.gather(-1, chosen)
        shares = shares / shares.sum(-1, keepdim=True).clamp(min=1e-12)
    return normed.to(x.dtype), x + _swiglu(normed, gate, up, down), chosen, shares


def _gated(_: list[Tensor], inner: Tensor, share: Tensor) -> Tensor:
    """What experts make of inner (1, tokens, 2 * width) before their last product, times the tokens' shares."""
    gate, up = inner.chunk(2, dim=-1)
    return F.silu(gate) * up * share[..., None].to(inner.dtype)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Plain full attention: on a CPU its backward pass takes a quarter of the fused one's time at these sizes."""
    return (q @ (k.transpose(-1, -2) * q.shape[-1] ** -0.5)).softmax(-1, dtype=q.dtype) @ v


def _attend_causally(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Plain causal attention; all (batch, heads, tokens, head width)."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return (scores.float() + mask).softmax(-1).to(q.dtype) @ v


def _attend_branches(q: Tensor, k: Tensor, v: Tensor, cut: int, branches: int) -> tuple[Tensor, Tensor]:
    """Causal attention in which a branch sees the prefix and itself; all (batch, heads, tokens, head width).

    Also gives that of the branches, (batch, heads, branches, length, prefix + length).
    """
    scale = q.shape[-1] ** -0.5
    first = (q[:, :, :cut] @ k[:, :, :cut].transpose(-1, -2)) * scale + _causal(cut, q.dtype, q.device)
    in_prefix = first.softmax(-1, dtype=q.dtype) @ v[:, :, :cut]
    bq, bk, bv = (t[:, :, cut:].unflatten(2, (branches, -1)) for t in (q, k, v))
    to_prefix = (q[:, :, cut:] @ k[:, :, :cut].transpose(-1, -2)).unflatten(2, (branches, -1))
    to_itself = bq @ bk.transpose(-1, -2)
    length = to_itself.shape[-1]
    unmasked = torch.zeros(length, cut, dtype=q.dtype, device=q.device)
    mask = torch.cat([unmasked, _causal(length, q.dtype, q.device)], dim=1)
    weights = (torch.cat([to_prefix, to_itself], dim=-1) * scale + mask).softmax(-1, dtype=q.dtype)
    from_prefix = weights[..., :cut].flatten(2, 3) @ v[:, :, :cut]
    from_itself = (weights[..., cut:] @ bv).flatten(2, 3)
    return torch.cat([in_prefix, from_prefix + from_itself], dim=2), weights


def _causal(length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.full((length, length), -1e4, dtype=dtype, device=device).triu(1)
