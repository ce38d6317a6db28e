"""Both layouts on disk are opened as they are, the 28B's own numbers included, and nobody's code is run."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import Ernie4_5_VLMoeConfig, Ernie4_5_VLMoeForConditionalGeneration
from transformers.core_model_loading import revert_weight_conversion

from ernie_cli.engines import Options
from ernie_cli.engines.local import LocalEngine
from ernie_cli.errors import ModelError
from ernie_cli.messages import Answer, Finish, Picture, Thinking, user
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.config import TEXT_KEYS as REQUIRED
from ernie_cli.runtime.config import expected_tensors, native_config, pixel_budgets
from ernie_cli.runtime.model import Model
from ernie_cli.runtime.tokenizer import Literal, Markup
from ernie_cli.runtime.vision import PixelBudget
from scripts.make_fixture import make_fixture, plan, shape, size_of

# The 28B as its flat config.json has it, and the ids of its tokenizer.
REAL: dict[str, Any] = {
    "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"],
    "model_type": "ernie4_5_moe_vl",
    "torch_dtype": "bfloat16",
    **{"vocab_size": 103424, "hidden_size": 2560, "intermediate_size": 12288, "num_hidden_layers": 28},
    **{"num_attention_heads": 20, "num_key_value_heads": 4, "max_position_embeddings": 131072},
    **{"rms_norm_eps": 1e-5, "use_bias": False, "rope_theta": 500000, "tie_word_embeddings": True},
    "rope_scaling": {"type": "default", "mrope_section": [22, 22, 20]},
    "freq_allocation": 20,
    **{"moe_num_experts": [64, 64], "moe_intermediate_size": [1536, 512], "moe_k": 6, "moe_num_shared_experts": 2},
    **{"moe_layer_start_index": [1, 1], "moe_layer_end_index": [29, 28], "moe_layer_interval": 1},
    **{"im_patch_id": 100295, "pixel_hidden_size": 1280, "spatial_conv_size": 2, "temporal_conv_size": 2},
    "vision_config": {
        **{"depth": 32, "embed_dim": 1280, "hidden_size": 1280, "hidden_act": "quick_gelu", "mlp_ratio": 4},
        **{"num_heads": 16, "in_channels": 3, "patch_size": 14, "spatial_merge_size": 2},
    },
}
REAL_IDS = {
    **{"<|IMAGE_START|>": 101304, "<|IMAGE_END|>": 101305, "<|VIDEO_START|>": 101306, "<|VIDEO_END|>": 101307},
    "<|VIDEO_PLACEHOLDER|>": 103367,
}


def test_the_28bs_flat_configuration_becomes_transformers_own_defaults() -> None:
    """transformers' defaults for this architecture are the 28B's, so every number must come out the same."""
    expected = Ernie4_5_VLMoeConfig().to_dict()
    # These stand in its code.
    expected["text_config"]["rope_parameters"]["mrope_section"] = [22, 22, 20]
    assert native_config(REAL, REAL_IDS).to_dict() == expected


def test_unusual_numbers_are_read_and_not_assumed() -> None:
    eyes = REAL["vision_config"] | {"mlp_ratio": 3, "depth": 5}
    layers = {"num_hidden_layers": 4, "moe_layer_start_index": [2, 2], "moe_layer_end_index": [2, 2]}
    numbers = {"rope_theta": 7, "rope_scaling": {"mrope_section": [3, 3, 2]}, "rms_norm_eps": 1e-3}
    config = native_config(REAL | layers | numbers | {"vision_config": eyes}, {})
    assert config.text_config.rope_parameters["rope_theta"] == 7.0
    assert config.text_config.rope_parameters["mrope_section"] == [3, 3, 2]
    assert config.text_config.rms_norm_eps == 1e-3
    assert config.text_config.mlp_layer_types == ["dense", "dense", "sparse", "dense"]
    assert (config.vision_config.intermediate_size, config.vision_config.depth) == (3840, 5)


@pytest.mark.parametrize("key", [*REQUIRED, "moe_layer_end_index", "spatial_conv_size", "vision_config"])
def test_a_missing_number_is_named_and_not_taken_from_the_28b(key: str) -> None:
    with pytest.raises(ModelError, match=f"lacks the key '{key}'"):
        native_config({name: value for name, value in REAL.items() if name != key}, REAL_IDS)


def test_unequal_numbers_of_experts_are_refused() -> None:
    with pytest.raises(ModelError, match="equally many"):
        native_config(REAL | {"moe_num_experts": [64, 32]}, REAL_IDS)


def test_the_28b_has_its_29_4_billion_parameters_and_59_35_gb_on_disk() -> None:
    config = native_config(REAL, REAL_IDS)
    with torch.device("meta"):
        native = Ernie4_5_VLMoeForConditionalGeneration(config)
    needed = expected_tensors(config)
    count = native.num_parameters()
    assert count == pytest.approx(29.40e9, rel=1e-3)
    assert sum(map(math.prod, needed.values())) == count
    # Of bfloat16 weights, with a copy of the embeddings and the routers in float32, the 29 files have the size known.
    routers = sum(math.prod(size) for name, size in needed.items() if ".gate." in name or "moe_statics" in name)
    assert 2 * (count + routers + math.prod(needed["model.embed_tokens.weight"])) == pytest.approx(59.35e9, rel=1e-4)


def test_the_28bs_tensors_on_the_hub_are_those_that_transformers_writes() -> None:
    config = native_config(REAL, REAL_IDS)
    with torch.device("meta"):
        native = Ernie4_5_VLMoeForConditionalGeneration(config)
    written = revert_weight_conversion(native, native.state_dict())
    shapes = {name.replace("model.vision_model", "vision_model"): tuple(t.shape) for name, t in written.items()}
    del shapes["lm_head.weight"]  # tied
    assert shapes == expected_tensors(config)


@pytest.mark.parametrize("change", [{"tie_word_embeddings": False}, {"use_bias": True}, {"moe_num_shared_experts": 0}])
def test_tensors_follow_the_configuration(change: dict[str, Any]) -> None:
    config = native_config(shape(64, 3, 4, 704) | change, {})
    with torch.device("meta"):
        native = Ernie4_5_VLMoeForConditionalGeneration(config)
    written = revert_weight_conversion(native, native.state_dict())
    shapes = {name.replace("model.vision_model", "vision_model"): tuple(t.shape) for name, t in written.items()}
    if config.tie_word_embeddings:
        del shapes["lm_head.weight"]
    assert shapes == expected_tensors(config)


def stored(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def test_the_fixture_is_in_the_hubs_layout_and_its_twin_holds_the_same_weights(
    hub: Checkpoint, twin: Checkpoint
) -> None:
    ours, theirs = stored(hub.folder), stored(twin.folder)
    assert (hub.folder / "model-00012-of-00012.safetensors").exists()
    assert not any(name.startswith("model.vision") for name in ours)
    strays = {name for name in ours if "mtp_" in name}
    assert strays
    assert torch.equal(ours.pop("lm_head.weight"), ours["model.embed_tokens.weight"])
    renamed = {name.replace("model.vision_model", "vision_model"): tensor for name, tensor in theirs.items()}
    assert ours.keys() - strays == renamed.keys()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in renamed.items())
    assert {str(t.dtype) for n, t in ours.items() if ".gate." in n or "moe_statics" in n} == {"torch.float32"}
    assert ours["model.layers.1.mlp.gate.weight"].shape == (64, 4)
    assert {str(t.dtype) for n, t in ours.items() if ".experts." in n} == {"torch.bfloat16"}


def test_the_stored_copy_of_the_embeddings_takes_no_memory(hub_model: Model) -> None:
    native = hub_model.native
    assert native.lm_head.weight.data_ptr() == native.get_input_embeddings().weight.data_ptr()


def test_the_number_of_shards_changes_no_weight(hub: Checkpoint, tmp_path: Path) -> None:
    other = stored(make_fixture(tmp_path, shards=2))
    assert all(torch.equal(tensor, other[name]) for name, tensor in stored(hub.folder).items())
    other = stored(make_fixture(tmp_path / "seed", shards=1, seed=1))
    assert not torch.equal(other["model.norm.weight"], stored(hub.folder)["model.norm.weight"])


@pytest.mark.parametrize(("hidden", "experts"), [(512, 8), (2560, 64)])
def test_larger_fixtures_have_the_28bs_proportions(hidden: int, experts: int) -> None:
    config = shape(hidden, 3, experts, 704)
    assert config["moe_intermediate_size"] == [round(hidden * 0.6 / 16) * 16, round(hidden * 0.2 / 16) * 16]
    assert config["intermediate_size"] % 16 == 0
    assert size_of(plan(config)) > 0


def test_the_two_layouts_say_the_same_of_the_model(hub: Checkpoint, twin: Checkpoint) -> None:
    ours, theirs = hub.config.to_dict(), twin.config.to_dict()
    assert theirs["video_token_id"] == len(hub.tokenizer)  # the native layout's own patch token for clips
    for config in (ours, theirs, ours["text_config"], theirs["text_config"]):
        for key in ("architectures", "video_token_id", "dtype", "vision_config"):
            config.pop(key, None)
    assert ours == theirs
    assert hub.config.vision_config.hidden_size == twin.config.vision_config.hidden_size == 32
    assert hub.stop_ids == twin.stop_ids
    assert len(hub.stop_ids) == 2


def test_any_text_has_the_same_tokens_in_both_vocabularies(hub: Checkpoint, twin: Checkpoint) -> None:
    random = Random(0)
    letters = "abcdefgh  \n\n  éß日本図片里有什么🙂{}[]\"',.:0123456789<>/|_\t"
    words = ["the picture", "</think>", "<|IMAGE_START|>", "00:00:01.50", "User: ", "circle", "\n\n", "colour"]
    for _ in range(400):
        drawn = (random.choice(words) if random.random() < 0.3 else random.choice(letters) for _ in range(40))
        text = "".join(drawn)
        for part in (Literal(text), Markup(text)):
            ids = hub.tokenizer.encode([part])
            assert ids == twin.tokenizer.encode([part])
            assert hub.tokenizer.decode(ids) == twin.tokenizer.decode(ids) == text


def test_rows_beyond_the_vocabulary_stand_for_nothing(hub: Checkpoint, twin: Checkpoint) -> None:
    for checkpoint in (hub, twin):
        rows = checkpoint.config.text_config.vocab_size
        assert rows > len(checkpoint.tokenizer)
        assert checkpoint.tokenizer.decode(range(len(checkpoint.tokenizer), rows)) == ""


FILES: dict[str, dict[str, Any]] = {
    "processor_config.json": {
        "image_processor": {"size": {"shortest_edge": 10, "longest_edge": 20}},
        "video_processor": {"size": {"shortest_edge": 30, "longest_edge": 40}},
    },
    "preprocessor_config.json": {"size": {"shortest_edge": 50, "longest_edge": 60}},
    "video_preprocessor_config.json": {"size": {"shortest_edge": 70, "longest_edge": 80}},
}
HUB_FILE = {"min_pixels": 1, "max_pixels": 2, "video_min_pixels": 3, "video_max_pixels": 4}
PRINT = {"print_min_pixels": 5, "print_max_pixels": 6}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ((3_136, 4_842_768), (234_416, 937_664), (3_136, 4_842_768))),
        (FILES, ((10, 20), (30, 40), (10, 20))),
        ({k: v for k, v in FILES.items() if "preprocessor" in k}, ((50, 60), (70, 80), (50, 60))),
        ({"preprocessor_config.json": HUB_FILE}, ((1, 2), (3, 4), (1, 2))),
        # The size of a picture is no frame's.
        ({k: v for k, v in FILES.items() if k.startswith("pre")}, ((50, 60), (234_416, 937_664), (50, 60))),
        # Print may have a size of its own, and has a picture's where it has none.
        ({"preprocessor_config.json": HUB_FILE | PRINT}, ((1, 2), (3, 4), (5, 6))),
        ({"preprocessor_config.json": HUB_FILE | {"print_max_pixels": 7}}, ((1, 2), (3, 4), (1, 7))),
    ],
)
def test_limits_of_pixels_are_read_wherever_a_layout_keeps_them(
    files: dict[str, dict[str, Any]], expected: tuple[tuple[int, int], ...]
) -> None:
    assert pixel_budgets(lambda name: files.get(name, {})) == tuple(PixelBudget(*budget) for budget in expected)


@pytest.mark.parametrize("limits", [{"min_pixels": "many"}, {"min_pixels": 9, "max_pixels": 3}, {"max_pixels": -1}])
def test_limits_that_are_no_range_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="no range"):
        pixel_budgets(lambda name: limits if name == "preprocessor_config.json" else {})


def test_a_checkpoints_code_would_leave_a_trace_if_it_were_imported(
    hub: Checkpoint, copy_of: Callable[[Checkpoint], Path]
) -> None:
    folder = copy_of(hub)
    subprocess.run([sys.executable, "-c", "import modeling_ernie4_5_vl"], cwd=folder, check=True)
    assert [file.name for file in folder.glob("*.imported")] == ["modeling_ernie4_5_vl.imported"]


@pytest.mark.parametrize("layout", ["hub", "native"])
def test_a_checkpoint_answers_and_none_of_its_code_is_imported(
    hub: Checkpoint, twin: Checkpoint, red_circle: Any, layout: str
) -> None:
    checkpoint = hub if layout == "hub" else twin
    engine = LocalEngine(Checkpoint(checkpoint.folder, "random"), "cpu")
    events = list(engine.stream([user(Picture(red_circle), "What is it?")], Options(max_tokens=24, seed=1)))
    assert any(isinstance(event, Thinking | Answer) and event.text for event in events)
    assert isinstance(events[-1], Finish)
    assert events[-1].model == "random"
    assert events[-1].usage.image_tokens == 30
    assert len(list(hub.folder.glob("*.py"))) == 3
    assert not list(hub.folder.glob("*.imported"))
    assert not list(hub.folder.glob("__pycache__"))
    assert not [name for name in sys.modules if name.endswith("_ernie4_5_vl")]


def test_a_single_file_without_an_index_is_fine(hub: Checkpoint, twin: Checkpoint) -> None:
    assert not (twin.folder / "model.safetensors.index.json").exists()
    index = json.loads((hub.folder / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == 12
    with safe_open(twin.folder / "model.safetensors", "pt") as file:
        assert "model.layers.1.mlp.experts.7.up_proj.weight" in file.keys()  # noqa: SIM118 (no mapping)
