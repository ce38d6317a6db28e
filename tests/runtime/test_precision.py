"""What is kept how at each precision, and in how many bytes: for the 28B by arithmetic, for nano by measuring."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import DynamicCache, Ernie4_5_VLMoeConfig, Ernie4_5_VLMoeForConditionalGeneration

from ernie_cli.errors import InputError, ModelError
from ernie_cli.messages import Picture, Video, user
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.config import expected_tensors
from ernie_cli.runtime.inputs import prepare
from ernie_cli.runtime.kernels import Int8Weight, Nf4Weight
from ernie_cli.runtime.loading import load
from ernie_cli.runtime.memory import Load, estimate, kv_bytes
from ernie_cli.runtime.model import Decoding, Model, pieces
from ernie_cli.runtime.precision import KEPT, PRECISIONS, Precision, block_of, kind_of, weigh
from ernie_cli.runtime.quantize import quantize, quantize_checkpoint
from ernie_cli.runtime.quantizer import replace_modules
from ernie_cli.runtime.verify import check

REAL = Ernie4_5_VLMoeConfig()  # transformers' defaults are the 28B's numbers: test_layouts.py


@pytest.mark.parametrize(("precision", "gigabytes"), [("bf16", 58.8), ("int8", 30.3)])
def test_the_28b_takes_what_it_should(precision: Precision, gigabytes: float) -> None:
    assert weigh(REAL, precision).total / 1e9 == pytest.approx(gigabytes, rel=0.01)


def test_the_28b_fits_a_24_gb_card_at_nf4() -> None:
    assert weigh(REAL, "nf4").total / 1e9 <= 19.7


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_skeleton_of_the_28b_has_the_bytes_that_were_foretold(precision: Precision) -> None:
    """transformers' own modules with ours in their places, on the meta device: nobody's arithmetic but torch's."""
    with torch.device("meta"):
        native = Ernie4_5_VLMoeForConditionalGeneration(REAL).to(torch.bfloat16)
        if precision != "bf16":
            replace_modules(native, precision)
    routers = ("gate.weight", "moe_statics.e_score_correction_bias")
    held = {
        id(w): w.numel() * (4 if name.endswith(routers) else w.element_size()) for name, w in native.named_parameters()
    }
    assert sum(held.values()) == pytest.approx(weigh(REAL, precision).total, rel=1e-3)


def test_layers_that_stay_in_higher_precision_are_those_of_the_list() -> None:
    """Each pattern names something, and what none of them names is quantized."""
    tensors = expected_tensors(REAL) | {"lm_head.weight": (103424, 2560)}
    for pattern in KEPT:
        assert any(re.search(pattern, name) for name in tensors), pattern
    kept = {name for name in tensors if kind_of(name, "int8", REAL) in ("float", "float32")}
    assert kept == {name for name in tensors if any(re.search(pattern, name) for pattern in KEPT)}
    assert not any(".experts." in name or "shared_experts" in name or "self_attn" in name for name in kept)
    kept.remove("lm_head.weight")  # the same tensor as the embeddings
    assert sum(math.prod(tensors[name]) for name in kept) / sum(map(math.prod, tensors.values())) < 0.04
    assert kind_of("model.layers.3.mlp.gate.weight_1", "nf4", REAL) == "float32"
    assert kind_of("vision_model.blocks.0.attn.qkv.weight", "nf4", REAL) == "float"


def test_rows_that_no_block_divides_stay_at_int8() -> None:
    assert [block_of(columns) for columns in (2560, 96, 80)] == [64, 32, None]
    odd = Ernie4_5_VLMoeConfig(text_config={"moe_intermediate_size": [1536, 80]})
    names = [f"model.layers.1.mlp.experts.7.{part}.weight" for part in ("up_proj", "down_proj")]
    assert [kind_of(name, "nf4", odd) for name in names] == ["nf4", "int8"]
    assert [kind_of(name, "nf4", REAL) for name in names] == ["nf4", "nf4"]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("which", ["nano", "fixture"])
def test_loaded_bytes_are_those_foretold(which: str, precision: Precision, nano: Checkpoint, hub: Checkpoint) -> None:
    model = load(nano if which == "nano" else hub, "cpu", precision)
    assert model.choice is not None
    assert sum(model.bytes_by_dtype().values()) == pytest.approx(model.choice.need.weights.total, rel=0.02)


@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_no_expert_is_left_in_higher_precision(precision: Precision, nano: Checkpoint) -> None:
    native = load(nano, "cpu", precision).native
    experts = {name: w for name, w in native.named_parameters() if "moe.experts." in name}
    sparse = nano.config.text_config.mlp_layer_types.count("sparse")
    assert len(experts) == sparse * 2 * 2 * 2  # layers, modalities, matrices, weight and scale
    assert {w.dtype for name, w in experts.items() if name.endswith("_proj")} == (
        {torch.int8} if precision == "int8" else {torch.uint8}
    )
    assert native.model.language_model.layers[1].mlp.text_moe.gate.weight.dtype == torch.float32


# ------------------------------------------------------------------------------------------------ numbers


def test_int8_rows_are_those_of_bitsandbytes() -> None:
    from ernie_cli.runtime.kernels.bits import bitsandbytes

    weight = torch.randn(64, 160, generator=torch.Generator().manual_seed(2)).to(torch.bfloat16)
    weight[3] = 0
    package = bitsandbytes()
    assert package is not None
    quantized, largest, _ = package.functional.int8_vectorwise_quant(weight.clone())
    ours = quantize(weight, "int8")
    rows = [row for row in range(64) if row != 3]  # of a row of zeros it makes what division by zero gives
    assert torch.equal(ours[""][rows], quantized[rows])
    assert torch.equal(ours["_scale"], largest / 127)
    assert not ours[""][3].any()


def test_a_saved_28b_takes_about_half() -> None:
    assert weigh(REAL, "int8").total / weigh(REAL, "bf16").total <= 0.53


@pytest.mark.parametrize(("kind", "bound"), [("int8", 0.5 / 127), ("nf4", 0.153)])
def test_quantized_weights_are_near(kind: str, bound: float) -> None:
    """Half a step of int8; half the widest gap of nf4 (from -1.0 to -0.6962), both of the largest in row or block."""
    weight = torch.randn(48, 192, generator=torch.Generator().manual_seed(1))
    parts = quantize(weight, kind)  # type: ignore[arg-type]
    back = (Int8Weight if kind == "int8" else Nf4Weight)(*parts.values()).dequantize(dtype=torch.float32)
    largest = weight.abs().amax(1, keepdim=True)
    assert ((back - weight).abs() <= bound * largest + 1e-6).all()
    assert (back - weight).abs().max() > 0


def asked(checkpoint: Checkpoint, model: Model, color: tuple[int, int, int] = (220, 20, 20)) -> torch.Tensor:
    picture = Image.new("RGB", (168, 140), (240, 240, 240))
    picture.paste(color, (30, 30, 90, 90))
    return model.start(prepare([user(Picture(picture), "What is in the picture?")], checkpoint)).logits


@torch.no_grad()
def rounded(checkpoint: Checkpoint, kind: Literal["int8", "nf4"]) -> Model:
    """The whole model with what int8 or nf4 leave of its weights: the decoder's matrices, of nf4 the experts' alone."""
    model = load(checkpoint, "cpu", "bf16")
    for name, weight in model.native.named_parameters():
        if not re.search(r"language_model\.layers\..*_proj(\.weight)?$", name):
            continue
        is_nf4 = kind == "nf4" and weight.ndim == 3
        for matrix in weight if weight.ndim == 3 else [weight]:
            parts = quantize(matrix.detach().clone(), "nf4" if is_nf4 else "int8").values()
            matrix.copy_((Nf4Weight if is_nf4 else Int8Weight)(*parts).dequantize(dtype=torch.float32))
    return model


def test_logits_stay_near_and_first_choices_the_same(nano: Checkpoint) -> None:
    """How near to the exact ones depends on the weights (`scripts/measure_quantization.py` prints it). To those of the
    same weights rounded off they are much nearer: quantizing changes nothing else.
    """
    colors = [(220, 20, 20), (20, 20, 220), (20, 160, 20), (240, 200, 40), (120, 60, 20), (30, 30, 30)]
    models = {precision: load(nano, "cpu", precision) for precision in PRECISIONS}
    exact, *quantized = (torch.stack([asked(nano, model, color) for color in colors]) for model in models.values())
    errors = []
    for kind, logits in zip(("int8", "nf4"), quantized, strict=True):
        expected = torch.stack([asked(nano, rounded(nano, kind), color) for color in colors])  # type: ignore[arg-type]
        errors.append(float((logits - exact).norm() / exact.norm()))
        assert (logits - expected).norm() < 0.01 * (logits - exact).norm()
        assert torch.equal(logits.argmax(1), exact.argmax(1))
    assert 0 < errors[0] < errors[1]


@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_a_saved_checkpoint_gives_the_same_logits_bit_for_bit(
    precision: Precision, nano: Checkpoint, tmp_path: Path
) -> None:
    quantize_checkpoint(nano, tmp_path / "out", precision)
    saved = Checkpoint(tmp_path / "out", "saved")
    assert check(saved.folder) == []
    again = load(saved, "cpu")
    assert again.choice is not None
    assert again.choice.precision == precision
    assert torch.equal(asked(nano, load(nano, "cpu", precision)), asked(saved, again))


# ------------------------------------------------------------------------------------------------ what can go wrong


def test_a_quantized_checkpoint_is_neither_quantized_again_nor_run_otherwise(nano: Checkpoint, tmp_path: Path) -> None:
    quantize_checkpoint(nano, tmp_path / "out", "int8")
    saved = Checkpoint(tmp_path / "out", "saved")
    with pytest.raises(ModelError, match="quantized already"):
        quantize_checkpoint(saved, tmp_path / "again", "nf4")
    with pytest.raises(ModelError, match="quantized to int8, and cannot be run at nf4"):
        load(saved, "cpu", "nf4")


def test_a_folder_with_something_in_it_is_left_alone(nano: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="there already"):
        quantize_checkpoint(nano, tmp_path, "int8")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_behind_when_writing_fails(
    nano: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ernie_cli.runtime.quantize._write_small_files", fail)
    with pytest.raises(InputError, match="No space left"):
        quantize_checkpoint(nano, tmp_path / "out", "int8")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_does_not_get_into_the_result(nano: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part" / "model-00009.safetensors").write_text("stale")
    quantize_checkpoint(nano, tmp_path / "out", "int8")
    assert [path.name for path in (tmp_path / "out").glob("*.safetensors")] == ["model.safetensors"]
    assert not (tmp_path / ".out.part").exists()


@pytest.mark.parametrize("stated", [{"quant_method": "ernie_weight_only", "precision": "int4"}, "int8", {"bits": 4}])
def test_a_quantization_that_makes_no_sense_is_told(stated: object, nano: Checkpoint, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(nano.folder, tmp_path / "copy"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": stated}))
    with pytest.raises(ModelError, match="quantization_config"):
        load(Checkpoint(folder, "copy"), "cpu")


def test_nf4_without_bitsandbytes_says_so(nano: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ernie_cli.runtime.quantize.bitsandbytes", lambda: None)
    with pytest.raises(ModelError, match="bitsandbytes does not work here, and nf4 needs it"):
        load(nano, "cpu", "nf4")
    assert load(nano, "cpu", "int8").choice is not None


def test_a_scale_of_another_shape_is_told(nano: Checkpoint, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    quantize_checkpoint(nano, tmp_path / "out", "int8")
    weights = load_file(tmp_path / "out" / "model.safetensors")
    name = "model.layers.1.mlp.experts.3.up_proj.weight"
    weights[name] = weights[name].float()
    save_file(weights, tmp_path / "out" / "model.safetensors", metadata={"format": "pt"})
    assert [problem.what for problem in check(tmp_path / "out")] == [
        f"model.safetensors has {name} in the shape [128, 192] of F32, but config.json asks for [128, 192] of I8."
    ]


# ------------------------------------------------------------------------------------------------ beside the weights


def test_the_cache_takes_what_is_foretold(nano: Checkpoint) -> None:
    assert kv_bytes(REAL) == 57_344
    model = load(nano, "cpu", "bf16")
    inputs = prepare([user("Hello there")], nano)
    layers = model.start(inputs)._cache.layers
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
    need = estimate(nano.config, "bf16", Load(len(inputs.ids), len(inputs.ids)), float_bytes=4)
    assert held == need.kv_cache


@pytest.mark.parametrize(("tokens", "piece", "patches"), [(512, 512, 0), (1536, 256, 0), (0, 0, 1024)])
def test_estimates_cover_what_is_allocated(tokens: int, piece: int, patches: int) -> None:
    """The 28B's widths with few layers, experts and words, in bfloat16: the peak as torch counts it."""
    torch.manual_seed(0)
    config = Ernie4_5_VLMoeConfig(
        text_config={
            **{"vocab_size": 1000, "num_hidden_layers": 2, "mlp_layer_types": ["dense", "sparse"]},
            **{"moe_num_experts": 8, "pad_token_id": 0},
        },
        vision_config={"depth": 1},
    )
    native = Ernie4_5_VLMoeForConditionalGeneration(config).to(torch.bfloat16).eval()
    native.set_experts_implementation("grouped_mm")
    model = Model(Checkpoint(Path(), "wide"), native)
    if patches:
        levels = np.random.default_rng(0).integers(0, 256, (patches, 588), dtype=np.uint8)
        peak, need = (
            allocated(lambda: model._see(levels, (1, 32, patches // 32), torch.empty(0))),
            estimate(config, "bf16", Load(0, 0, patches)),
        )
        assert peak <= need.vision <= 3 * peak
        return
    model.prefill = piece
    embeds, places = torch.randn(tokens, 2560).bfloat16(), torch.arange(tokens).expand(3, tokens)
    decoding = Decoding(model, DynamicCache(config=config.text_config), tokens)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ernie_cli.runtime.memory.PREFILL", piece)
        need = estimate(config, "bf16", Load(tokens, tokens))
    peak = allocated(lambda: decoding.read(embeds, places, torch.zeros(tokens, dtype=torch.int32)))
    assert peak <= need.kv_cache + need.workspace <= 3 * peak


def allocated(work: Callable[[], object]) -> int:
    """The most bytes that were alive at once, of those that torch allocated meanwhile."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler, torch.inference_mode():
        work()
    events = profiler.profiler.kineto_results.events()  # type: ignore[union-attr]
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    return max(accumulate(size for _, size in changes))


def test_a_prompt_read_in_pieces_and_a_clip_seen_in_pairs_give_the_same(nano: Checkpoint) -> None:
    frames = [Image.new("RGB", (112, 84), (40 * at, 200, 30)) for at in range(6)]
    inputs = prepare([user(Video(frames, [at / 2 for at in range(6)]), "What happens?")], nano)
    model = load(nano, "cpu", "bf16")
    whole = model.start(inputs).logits
    assert [grid for _, grid in pieces(inputs.media[0])] == [(6, 6, 8)]
    model.patches, model.prefill = 100, 16
    assert [grid for _, grid in pieces(inputs.media[0], 100)] == [(2, 6, 8)] * 3
    torch.testing.assert_close(model.start(inputs).logits, whole, rtol=0, atol=1e-4)
