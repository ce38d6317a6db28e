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

# In the order of their ids in the 28B's vocabulary; the second patch token exists natively only.
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

# Renders what a logged prompt shows. Servers turn thinking off with options.thinking_mode = "close".
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


def sixteens(width: float) -> int:
    """The nearest multiple of 16, which GPU kernels for grouped experts ask for."""
    return max(16, round(width / 16) * 16)


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
        "intermediate_size": sixteens(4.8 * hidden),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 2,
        "max_position_embeddings": 131072,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "use_bias": False,
        "use_cache": False,
        "rope_theta": 500000,
        "rope_scaling": {"type": "default", "mrope_section": sections},
        "freq_allocation": sections[2],
        "tie_word_embeddings": True,
        "moe_num_experts": [experts, experts],
        "moe_intermediate_size": [sixteens(0.6 * hidden), sixteens(0.2 * hidden)],
        "moe_k": min(6, max(1, experts // 2)),
        "moe_num_shared_experts": 2,
        "moe_layer_start_index": [1, 1],
        "moe_layer_end_index": [layers + 1, layers],  # the first beyond the last layer, as in the 28B's file
        "moe_layer_interval": 1,
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


def write_hub(folder: Path, config: dict[str, Any], shards: int, seed: int) -> None:
    """Everything but the tokenizer, which is there already."""
    write_weights(folder, plan(config), shards, seed)
    write_json(folder / "config.json", config)
    write_json(
        folder / "generation_config.json",
        {"do_sample": True, "temperature": 0.2, "top_p": 0.8, "max_new_tokens": 64, "bos_token_id": 1},
    )
    write_json(
        folder / "preprocessor_config.json",
        {
            "auto_map": {"AutoImageProcessor": REMOTE_FILES["AutoImageProcessor"]},
            "image_processor_type": "Ernie4_5_VLImageProcessor",
            "processor_class": "Ernie4_5_VLProcessor",
            **{"do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True, "resample": 3},
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "rescale_factor": 1 / 255,
            **{"min_pixels": PICTURE_PIXELS[0], "max_pixels": PICTURE_PIXELS[1]},
            **{"video_min_pixels": FRAME_PIXELS[0], "video_max_pixels": FRAME_PIXELS[1]},
            **{"patch_size": 14, "merge_size": 2, "temporal_conv_size": 2},
        },
    )
    write_json(
        folder / "tokenizer_config.json",
        {
            "auto_map": {"AutoTokenizer": ["processing_ernie4_5_vl.Ernie4_5_VLTokenizer", None]},
            "tokenizer_class": "Ernie4_5_VLTokenizer",
            **{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"},
            **{"cls_token": "<|begin_of_sentence|>", "sep_token": "<|end_of_sentence|>"},
            "additional_special_tokens": list(SPECIAL),
            "chat_template": CHAT_TEMPLATE,
        },
    )
    for module in sorted({target.split(".")[0] for target in REMOTE_FILES.values()}):
        (folder / f"{module}.py").write_text(REMOTE_CODE)


def write_native(hub: Path, folder: Path) -> None:
    """The twin of a checkpoint in the hub's layout, written by transformers as it writes this architecture."""
    from transformers import Ernie4_5_VLMoeForConditionalGeneration as Native
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    source = Checkpoint(hub, hub.name)
    patches = {NATIVE_ONLY: len(source.tokenizer)}
    config = native_config(json.loads((hub / "config.json").read_text()), source.tokenizer.control | patches)
    model = Native.from_pretrained(hub, config=config, dtype=torch.bfloat16, use_safetensors=True)
    model.save_pretrained(folder)
    write_native_tokenizer(hub / "tokenizer.model", folder)
    write_native_processors(folder)


def write_native_tokenizer(model: Path, folder: Path) -> None:
    """`tokenizer.json` of a SentencePiece model, with the second patch token, as transformers' conversion has it."""
    from tokenizers import AddedToken
    from transformers import LlamaTokenizer
    from transformers.tokenization_utils_base import generate_merges

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
    vocabulary = {pieces.id_to_piece(id): id for id in range(pieces.get_piece_size())}
    tokenizer = LlamaTokenizer(
        vocab=vocabulary,
        merges=generate_merges(vocabulary, skip_tokens=[*SPECIAL, "\n"]),
        pad_token="<unk>",
        cls_token="<|begin_of_sentence|>",
        sep_token="<|end_of_sentence|>",
        add_bos_token=False,
        add_prefix_space=False,
        extra_special_tokens={
            **{"image_token": "<|IMAGE_PLACEHOLDER|>", "video_token": NATIVE_ONLY},
            **{"image_start_token": "<|IMAGE_START|>", "image_end_token": "<|IMAGE_END|>"},
            **{"video_start_token": "<|VIDEO_START|>", "video_end_token": "<|VIDEO_END|>"},
        },
    )
    # Pieces that SentencePiece never splits; of these, only the prompt's own are special.
    plain = [AddedToken(text, normalized=False, special=text != "\n") for text in (*SPECIAL, "\n")]
    tokenizer.add_tokens(plain)
    tokenizer.chat_template = CHAT_TEMPLATE.replace("<|image@placeholder|>", KNOWN_ORDER[2]).replace(
        "<|video@placeholder|>", NATIVE_ONLY
    )
    tokenizer.save_pretrained(folder)


def write_native_processors(folder: Path) -> None:
    """Sizes as `size`; the video processor's by hand, since transformers' own class needs torchvision."""
    from transformers.models.ernie4_5_vl_moe.image_processing_pil_ernie4_5_vl_moe import Ernie4_5_VLMoeImageProcessorPil

    edges = ("shortest_edge", "longest_edge")
    pictures = dict(zip(edges, PICTURE_PIXELS, strict=True))
    Ernie4_5_VLMoeImageProcessorPil(size=pictures).save_pretrained(folder)
    frames = {"size": dict(zip(edges, FRAME_PIXELS, strict=True)), "temporal_patch_size": 2, "draw_on_frames": True}
    more = {"video_processor_type": "Ernie4_5_VLMoeVideoProcessor", "font": "Roboto-Regular.ttf", "patch_size": 14}
    write_json(folder / "video_preprocessor_config.json", frames | more)


def make_fixture(
    out: Path | str,
    *,
    layout: str = "hub",
    experts: int = 4,
    layers: int = 3,
    hidden: int = 64,
    shards: int = 3,
    seed: int = 0,
    gigabytes: float | None = None,
) -> Path:
    """Writes a checkpoint into the folder `out` and returns it; `experts` counts those of one modality.

    With `gigabytes`, the smallest width (a multiple of 256) is taken with which it is at least that large on disk.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        hub = folder if layout == "hub" else Path(scratch) / "hub"
        hub.mkdir(exist_ok=True)
        pieces = write_tokenizer(hub)
        rows = (pieces // 64 + 1) * 64  # as in the 28B, there are more rows than tokens
        if gigabytes:
            hidden = 256
            while size_of(plan(shape(hidden, layers, experts, rows))) < gigabytes * 1e9:
                hidden += 256
        write_hub(hub, shape(hidden, layers, experts, rows), shards, seed)
        if layout == "native":
            write_native(hub, folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--layout", choices=["hub", "native"], default="hub")
    parser.add_argument("--experts", type=int, default=4, help="of each modality, in each layer")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=64, help="a multiple of 32; of 256 from 512 on")
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gigabytes", type=float, help="how large it shall be on disk; sets --hidden")
    make_fixture(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
