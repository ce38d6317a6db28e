"""Writes nano's weights as a checkpoint in the hub's layout: flat config, SentencePiece model, one safetensors file."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from curriculum import FRAMES, LENGTHS, PICTURES
from data.sizes import PRINT
from safetensors.torch import load_file, save_file
from shape import CONFIG
from transformers import Ernie4_5_VLMoeForConditionalGeneration

from ernie_cli.runtime.prompt import BEGIN, CONTROL, END_OF_TURN

TOKENIZER = Path(__file__).parents[2] / "ernie_cli" / "nano" / "tokenizer.model"

PREPROCESSOR: dict[str, Any] = {
    "image_processor_type": "Ernie4_5_VLImageProcessor",
    "min_pixels": PICTURES.least,
    "max_pixels": PICTURES.most,
    "print_min_pixels": PRINT.least,
    "print_max_pixels": PRINT.most,
    "video_min_pixels": FRAMES.least,
    "video_max_pixels": FRAMES.most,
    "max_frames": max(LENGTHS),
    "patch_size": 14,
    "merge_size": 2,
    "temporal_conv_size": 2,
}
TOKENIZER_CONFIG: dict[str, Any] = {
    "tokenizer_class": "Ernie4_5_VLTokenizer",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<unk>",
    "cls_token": BEGIN,
    "sep_token": END_OF_TURN,
    "additional_special_tokens": [token for token in CONTROL if token not in ("<s>", "</s>")],
}


def write_checkpoint(model: Ernie4_5_VLMoeForConditionalGeneration, out: Path) -> None:
    """bfloat16 weights (routers float32, as the architecture keeps them) and everything needed to open them."""
    out.mkdir(parents=True, exist_ok=True)
    model = copy.deepcopy(model)
    for name, weight in model.named_parameters():
        if ".gate.weight" not in name and "moe_statics" not in name:
            weight.data = weight.data.to(torch.bfloat16)
    model.save_pretrained(out)
    weights = load_file(out / "model.safetensors")
    # transformers writes the tower one level deeper than the hub's files have it.
    weights = {name.removeprefix("model.") if "vision_model." in name else name: w for name, w in weights.items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    files = {
        "config.json": CONFIG,
        "preprocessor_config.json": PREPROCESSOR,
        "tokenizer_config.json": TOKENIZER_CONFIG,
        "generation_config.json": {"do_sample": False, "max_new_tokens": 1024},
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=2) + "\n")
    if TOKENIZER.parent.resolve() != out.resolve():
        shutil.copy(TOKENIZER, out)
