"""The benchmark of decoding: its random models are those the engine would load, and its table has every row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from drawn_model import bytes_read, read, shape
from transformers import Ernie4_5_VLMoeConfig

from ernie_cli.errors import ModelError
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.config import expected_tensors
from ernie_cli.runtime.loading import load
from ernie_cli.runtime.memory import kv_bytes
from ernie_cli.runtime.precision import PRECISIONS, Precision
from scripts import bench_decode
from scripts.bench_decode import Bench
from scripts.make_fixture import make_fixture

REAL = Ernie4_5_VLMoeConfig()  # transformers' defaults are the 28B's numbers: test_layouts.py
TINY = shape(hidden=256, layers=2, experts=8, vocabulary=512)  # of which 6 are chosen
DEVICES = ["cpu", pytest.param("cuda:0", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
ROWS = [
    "transformers generate, bf16",
    *("ernie, bf16", "ernie, int8", "ernie, nf4"),
    "transformers generate, load_in_8bit",
]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Reading a model turns transformers' messages off."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    yield
    logging.set_verbosity(before)
    logging.enable_progress_bar()


def test_the_full_shape_is_the_28b() -> None:
    assert expected_tensors(shape(2560, 28, 64, 103_424)) == expected_tensors(REAL)
    assert shape(2560, 28, 64, 103_424).text_config.moe_k == 6


@pytest.mark.parametrize("device", DEVICES)
def test_every_row_is_printed_with_its_figures(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    bench_decode.run(Bench(TINY, device, prompt=24, tokens=4, runs=1), bench_decode.LOADS)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in _table(capsys.readouterr().out)]
    names, rows = lines[0], [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]]
    assert [row["row"] for row in rows] == ROWS
    assert ("tokens/s" in names) == ("GB/s" in names) == (device != "cpu")  # no absolute speed from a CPU
    assert not [row for row in rows if "-" in row.values() or "fails" in str(row)]
    assert rows[0]["x generate"] == "1.00"
    assert all(float(row["x generate"]) > 0 and float(row["prefill x generate"]) > 0 for row in rows)
    off = [float(row["logits off"]) for row in rows]
    assert off[0] == 0
    assert off[1] < 0.02  # bfloat16
    assert all(0 < far < 0.3 for far in off[2:])  # the same weights; others would be 1.4 off


def _table(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("|")]


def test_a_row_that_fails_says_so_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(config: Any, load: str, device: str) -> Any:
        if load == "bf16":
            raise torch.OutOfMemoryError
        if load == "nf4":
            raise ModelError("bitsandbytes does not work here.", "Install it.")
        return read(config, load, device)

    monkeypatch.setattr(bench_decode, "read", full)
    bench_decode.run(Bench(TINY, "cpu", prompt=8, tokens=3, runs=1), ("bf16", "nf4", "int8"))
    rows = _table(capsys.readouterr().out)[2:]
    said = [row.split(" | ")[1] for row in rows]
    assert said[:3] == ["does not fit", "does not fit", "fails: bitsandbytes does not work here."]
    assert rows[3].startswith("| ernie, int8 | 0.0")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_random_model_has_the_modules_of_a_loaded_one(
    precision: Precision, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Names, types, shapes, and the tables of the rotary embeddings; numbers in bfloat16, as for the 28B."""
    fixture = Checkpoint(make_fixture(tmp_path_factory.mktemp("decode") / precision, hidden=64), "fixture")
    loaded = load(fixture, "cpu", precision).native
    drawn = read(fixture.config, precision, "cpu")
    assert _modules(drawn) == _modules(loaded)
    wanted = {name: tuple(weight.shape) for name, weight in loaded.named_parameters()}
    assert {name: tuple(weight.shape) for name, weight in drawn.named_parameters()} == wanted
    for (name, ours), (_, theirs) in zip(drawn.named_buffers(), loaded.named_buffers(), strict=True):
        torch.testing.assert_close(ours.float(), theirs.float(), msg=name)
    assert {w.dtype for name, w in drawn.named_parameters() if name.endswith("moe.gate.weight")} == {torch.float32}
    assert drawn.lm_head.weight is drawn.model.language_model.embed_tokens.weight


def _modules(native: torch.nn.Module) -> dict[str, str]:
    return {name: type(module).__name__ for name, module in native.named_modules()}


def test_all_precisions_are_of_the_same_weights() -> None:
    """The rows of a quantized matrix are those of the plain one, within half a step of int8."""
    plain, quantized = (
        read(TINY, name, "cpu").model.language_model.layers[1].mlp.text_moe.experts for name in ("bf16", "int8")
    )
    weight = plain.gate_up_proj.float()
    near = quantized.gate_up_proj * quantized.gate_up_proj_scale[..., None]
    assert (near - weight).abs().max() <= 0.51 / 127 * weight.abs().max()


def test_load_in_8bit_leaves_the_experts_the_eyes_and_the_output_layer() -> None:
    native = read(TINY, "8bit", "cpu")
    held = {name: weight.dtype for name, weight in native.named_parameters()}
    taken = {name for name, dtype in held.items() if dtype == torch.int8}
    assert taken
    assert all("self_attn" in name or ".mlp." in name for name in taken)
    assert not [name for name in taken if "moe.experts" in name or "vision" in name or "lm_head" in name]


def test_what_a_token_of_the_28b_reads() -> None:
    """From the 28B's sizes: 3.35 billion numbers, of which the chosen experts are 1.91."""
    chosen = 27 * 6 * 3 * 2560 * 1536
    others = 27 * 3 * 2560 * 3072 + 28 * (2 * 2560**2 + 2 * 2560 * 512) + 3 * 2560 * 12288
    output = 103_424 * 2560
    expected = {
        "bf16": 2 * (chosen + others + output),
        "int8": chosen + others + 2 * output,
        "nf4": chosen * 36 / 64 + others + 2 * output,  # 32 bytes and a scale for 64 numbers
        "8bit": 2 * chosen + others + 2 * output,
    }
    for way, size in expected.items():
        assert bytes_read(REAL, way, context=0) == pytest.approx(size, rel=0.01), way
        assert bytes_read(REAL, way, 2048) - bytes_read(REAL, way, 0) == 2048 * kv_bytes(REAL)


def test_what_a_token_reads_is_what_the_modules_hold() -> None:
    """The arithmetic against the tensors themselves: of the text experts k in all, of the eyes nothing."""
    for way in bench_decode.LOADS:
        native = read(TINY, way, "cpu")
        text = TINY.text_config
        total = 0.0
        for name, weight in native.model.language_model.named_parameters():
            scales = getattr(weight, "SCB", None)
            size = weight.nbytes + (0 if scales is None else scales.nbytes)
            if ".vision_moe." not in name:
                total += size * (text.moe_k / text.moe_num_experts if "moe.experts." in name else 1)
        assert bytes_read(TINY, way, 0) == pytest.approx(total, rel=2e-3), way
