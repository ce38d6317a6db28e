"""Writes a tiny random checkpoint in the layout of ERNIE-4.5-VL-28B-A3B-Thinking on the hub, or in transformers' own.

    python scripts/make_fixture.py OUT [--layout hub|native] [--experts N] [--layers N] [--hidden N] [--shards N]
                                       [--seed N] [--gigabytes X]

The two layouts of one seed hold the same weights and the same vocabulary. The proportions are the 28B's; tests run on
the default of a few hundred thousand parameters, benchmarks ask for gigabytes. Every tensor is drawn from its own name,
so neither the number of shards nor their order changes one, and no more than a shard is ever in memory.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import sentencepiece
import torch
from safetensors.torch import save_file

from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.config import expected_tensors, native_config
from ernie_cli.runtime.prompt import CONTROL, DEFAULT_SYSTEM

# In the order of their ids in the 28B's vocabulary (model-facts 3); the second patch token exists natively only.
KNOWN_ORDER = (
    *("<|end_of_sentence|>", "<|begin_of_sentence|>", "<|IMAGE_PLACEHOLDER|>", "<|IMAGE_START|>", "<|IMAGE_END|>"),
    *("<|VIDEO_START|>", "<|VIDEO_END|>"),
)
NATIVE_ONLY = "<|VIDEO_PLACEHOLDER|>"
SPECIAL = (*KNOWN_ORDER, *(text for text in CONTROL if text not in (*KNOWN_ORDER, NATIVE_ONLY, "<s>", "</s>")))
PICTURE_PIXELS, FRAME_PIXELS = (3_136, 50_176), (3_136, 12_544)

REMOTE_CODE = '''"""Stands for a checkpoint's remote code: whoever imports it leaves a file behind."""
from pathlib import Path
Path(__file__).with_suffix(".imported").touch()
'''
REMOTE_FILES = {
    "AutoConfig": "configuration_ernie4_5_vl.Ernie4_5_VLMoeConfig",
    "AutoModel": "modeling_ernie4_5_vl.Ernie4_5_VLMoeForConditionalGeneration",
    "AutoModelForCausalLM": "modeling_ernie4_5_vl.Ernie4_5_VLMoeForConditionalGeneration",
    "AutoImageProcessor": "processing_ernie4_5_vl.Ernie4_5_VLImageProcessor",
    "AutoProcessor": "processing_ernie4_5_vl.Ernie4_5_VLProcessor",
}

# Renders what model-facts 3 says. Servers turn thinking off with options.thinking_mode = "close".
CHAT_TEMPLATE = """
{%- set count = namespace(pictures=0, videos=0) -%}
{%- macro parts(content) -%}
{%- if content is string -%}{{- content -}}
{%- else -%}{%- for part in content -%}
{%- if part.type in ["image", "image_url"] -%}
{%- set count.pictures = count.pictures + 1 -%}
{{- " Picture " ~ count.pictures ~ ":<|IMAGE_START|><|image@placeholder|><|IMAGE_END|>" -}}
{%- elif part.type in ["video", "video_url"] -%}
{%- set count.videos = count.videos + 1 -%}
{{- " Video " ~ count.videos ~ ":<|VIDEO_START|><|video@placeholder|><|VIDEO_END|>" -}}
{%- else -%}{{- part.text -}}{%- endif -%}
{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- set turns = messages -%}
{{- "<|begin_of_sentence|>" -}}
{%- if messages and messages[0].role == "system" -%}
{%- set turns = messages[1:] -%}{{- parts(messages[0].content) -}}
{%- else -%}{{- "SYSTEM" -}}{%- endif -%}
{{- "\\n" -}}
{%- if tools -%}{{- "<tool_list>\\n" ~ (tools | tojson) ~ "\\n</tool_list>\\n" -}}{%- endif -%}
{%- for turn in turns -%}
{%- if turn.role == "assistant" -%}
{{- "\\nAssistant: " -}}
{%- set said = parts(turn.content or "") -%}
{%- if "</think>" in said -%}{%- set said = said.split("</think>")[-1].lstrip("\\n") -%}{%- endif -%}
{{- said -}}
{%- for call in turn.tool_calls or [] -%}
{%- set made = call.function or call -%}
{{- "<tool_call>\\n" ~ ({"name": made.name, "arguments": made.arguments} | tojson) ~ "\\n</tool_call>\\n" -}}
{%- endfor -%}
{{- "<|end_of_sentence|>" -}}
{%- elif turn.role == "tool" -%}
{{- "User: <tool_output>\\n" ~ parts(turn.content) ~ "\\n</tool_output>\\n" -}}
{%- else -%}{{- "User: " ~ parts(turn.content) -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt is not defined or add_generation_prompt -%}
{{- "\\nAssistant: \\n<think>\\n" -}}
{%- if options is defined and options.thinking_mode == "close" -%}{{- "\\n</think>\\n\\n" -}}{%- endif -%}
{%- endif -%}
""".replace("SYSTEM", DEFAULT_SYSTEM)

CORPUS = """
Look at the picture and say what it shows. The user asks about the colour of the circle, so I look at the circle first.
How many shapes are there? There are three: a red circle, a blue square and a green triangle on a white background.
Read the chart as a table with the columns month and value, and give the answer as JSON with nothing around it.
The clip begins with a man who opens the door; after four seconds he sits down, and the light goes out at the end.
What is written on the sign? It says: open from nine to five, closed on Sunday. Where is the cat? Under the table.
[{"bbox_2d": [12, 340, 567, 890], "label": "red car"}] {"name": "image_zoom_in_tool", "arguments": {"label": "sign"}}
time: 00:00:01.50 1234567890 10.5 % of 2024, 3 x 28 = 84 pixels; (a) [b] {c} <d> "e" 'f' #g @h &i *j +k ~l ^m |n| $o !
图片里有什么？这是一只猫，它坐在桌子下面。请把图表读成表格。红色的圆形在左边，蓝色的方块在右边。
""".strip().splitlines()


def shape(hidden: int, layers: int, experts: int, vocabulary: int) -> dict[str, Any]:
    """A flat `config.json` with the 28B's keys and, but for the numbers given, its proportions."""
    head, sections = (128, [22, 22, 20]) if hidden >= 512 else (16, [3, 3, 2])
    heads = max(2, hidden // head)
    tower = 16 * max(2, hidden // 32)
    return {
        "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"],
        "auto_map": REMOTE_FILES,
        "model_type": "ernie4_5_moe_vl",
        "torch_dtype": "bfloat16",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "head_dim": head,
        "intermediate_size": int(4.8 * hidden),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 2,
        "max_position_embeddings": 131072,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "use_rmsnorm": True,
        "use_bias": False,
        "use_cache": False,
        "rope_theta": 500000,
        "rope_3d": True,
        "rope_scaling": {"type": "default", "mrope_section": sections},
        "freq_allocation": sections[2],
        "tie_word_embeddings": True,
        "moe_num_experts": [experts, experts],
        "moe_intermediate_size": [int(0.6 * hidden), int(0.2 * hidden)],
        "moe_k": min(6, max(1, experts // 2)),
        "moe_num_shared_experts": 2,
        "moe_layer_start_index": [1, 1],
        "moe_layer_end_index": [layers + 1, layers],  # the first beyond the last layer, as in the 28B's file
        "moe_layer_interval": 1,
        "moe_gate": "top2_fused",
        "moe_use_aux_free": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "im_patch_id": 3 + SPECIAL.index("<|IMAGE_PLACEHOLDER|>"),
        "pixel_hidden_size": tower,
        "spatial_conv_size": 2,
        "temporal_conv_size": 2,
        "vision_config": {
            "model_type": "DFNRope_vision_transformer",
            "depth": max(2, layers // 2),
            "embed_dim": tower,
            "hidden_size": tower,
            "hidden_act": "quick_gelu",
            "mlp_ratio": 4,
            "num_heads": tower // 16,
            "in_channels": 3,
            "patch_size": 14,
            "spatial_merge_size": 2,
        },
    }


def write_tokenizer(folder: Path) -> int:
    """Trains `tokenizer.model` on the corpus and returns its number of pieces."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 2),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=700,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=1.0,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=[*SPECIAL, "\n"],
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    return int(sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model")).get_piece_size())


def draw(name: str, size: tuple[int, ...], seed: int) -> torch.Tensor:
    """A tensor of a checkpoint, scaled so that every part of the model moves the logits by much.

    bfloat16, but for the routers, which the architecture keeps in float32.
    """
    source = torch.Generator().manual_seed(crc32(f"{seed} {name}".encode()))
    noise = torch.randn(size, generator=source)
    if ".gate.weight" in name:
        return noise / math.sqrt(size[0])
    if "e_score_correction_bias" in name:
        return noise * 0.05
    if len(size) == 1:
        weight = name.endswith(".weight")
        return (noise * 0.1 + (1.0 if weight else 0.0)).to(torch.bfloat16)
    return (noise * (0.5 if "embed_tokens" in name else 1 / math.sqrt(size[1]))).to(torch.bfloat16)


def strays(hidden: int) -> dict[str, tuple[int, ...]]:
    """The multi-token-prediction block Baidu trains with, which nobody runs."""
    return {
        "model.mtp_block.0.self_attn.q_proj.weight": (hidden, hidden),
        "model.mtp_emb_norm.0.weight": (hidden,),
        "model.mtp_hidden_norm.0.weight": (hidden,),
        "model.mtp_linear_proj.0.weight": (hidden, 2 * hidden),
    }


def plan(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor on disk, with its shape: what the architecture needs, a copy of the embeddings, and the strays."""
    tensors = expected_tensors(native_config(config, {}))
    copy = {"lm_head.weight": tensors["model.embed_tokens.weight"]}
    return tensors | copy | strays(config["hidden_size"])


def size_of(tensors: dict[str, tuple[int, ...]]) -> int:
    """Bytes on disk, in bfloat16."""
    return 2 * sum(map(math.prod, tensors.values()))


def split(tensors: dict[str, tuple[int, ...]], shards: int) -> Iterator[dict[str, tuple[int, ...]]]:
    """The tensors in their order, in `shards` parts of about the same size, none of them empty."""
    share, names, done = size_of(tensors) / shards, list(tensors), 0.0
    for shard in range(shards):
        part: dict[str, tuple[int, ...]] = {}
        while names and len(names) > shards - shard - 1 and (not part or done < share * (shard + 1)):
            name = names.pop(0)
            part[name] = tensors[name]
            done += 2 * math.prod(tensors[name])
        if shard == shards - 1:
            part |= {name: tensors[name] for name in names}
        yield part


def write_weights(folder: Path, tensors: dict[str, tuple[int, ...]], shards: int, seed: int) -> None:
    """Shards and their index."""
    places: dict[str, str] = {}
    total = 0
    for number, part in enumerate(split(tensors, shards), start=1):
        file = f"model-{number:05}-of-{shards:05}.safetensors"
        tied = {"lm_head.weight": "model.embed_tokens.weight"}
        drawn = {name: draw(tied.get(name, name), size, seed) for name, size in part.items()}
        save_file(drawn, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(drawn, file)
        total += sum(tensor.nbytes for tensor in drawn.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": places})


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Indented, as such files are on the hub."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
