"""What `verify` says of a folder: which file, what about it, and nothing of a folder that is whole."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ernie_cli.errors import ModelError
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.loading import load
from ernie_cli.runtime.verify import INDEX, Broken, Problem, check, header

Copy = Callable[[Checkpoint], Path]
SHARD = "model-00003-of-00012.safetensors"


def test_whole_checkpoints_have_no_problem(nano: Checkpoint, hub: Checkpoint, twin: Checkpoint) -> None:
    for checkpoint in (nano, hub, twin):
        assert check(checkpoint.folder, deep=True) == []


def test_the_module_needs_no_torch() -> None:
    code = "import sys, ernie_cli.runtime.verify; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_every_broken_file_is_told_not_only_the_first(hub: Checkpoint, copy_of: Copy) -> None:
    folder = copy_of(hub)
    (folder / SHARD).unlink()
    os.truncate(folder / "model-00005-of-00012.safetensors", 4000)
    (folder / "tokenizer.model").write_bytes(b"")
    assert [problem.file for problem in check(folder)] == [
        "tokenizer.model",
        SHARD,
        "model-00005-of-00012.safetensors",
    ]


def test_a_cut_off_shard_is_told_with_its_sizes(hub: Checkpoint, copy_of: Copy) -> None:
    folder = copy_of(hub)
    size = (folder / SHARD).stat().st_size
    os.truncate(folder / SHARD, size - 7)
    assert check(folder) == [
        Problem(
            SHARD,
            f"{SHARD} has {size - 7} bytes, but its header promises {size}.",
            "Fetch this file again; the download may have been cut off.",
        )
    ]


def test_a_shard_with_something_behind_it_is_refused_too(hub: Checkpoint, copy_of: Copy) -> None:
    folder = copy_of(hub)
    with (folder / SHARD).open("ab") as file:
        file.write(b"more")
    assert [problem.file for problem in check(folder)] == [SHARD]


def rewritten(folder: Path, shard: str, **changes: torch.Tensor | None) -> None:
    """Replaces tensors of a shard, or takes them out, and keeps the index right."""
    tensors = load_file(folder / shard)
    index = json.loads((folder / INDEX).read_text())
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name], index["weight_map"][name]
        else:
            tensors[name] = tensor
    save_file(tensors, folder / shard, metadata={"format": "pt"})
    (folder / INDEX).write_text(json.dumps(index))


def test_a_tensor_nobody_has_is_told(hub: Checkpoint, copy_of: Copy) -> None:
    folder = copy_of(hub)
    shard = json.loads((folder / INDEX).read_text())["weight_map"]["model.layers.2.mlp.experts.7.down_proj.weight"]
    rewritten(folder, shard, **{"model.layers.2.mlp.experts.7.down_proj.weight": None})
    (problem,) = check(folder)
    assert problem.file == INDEX
    assert "lacks model.layers.2.mlp.experts.7.down_proj.weight" in problem.what


def test_a_tensor_of_another_shape_is_told_with_both_shapes(hub: Checkpoint, copy_of: Copy) -> None:
    folder = copy_of(hub)
    name = "model.layers.1.mlp.gate.weight"
    shard = json.loads((folder / INDEX).read_text())["weight_map"][name]
    # The router of native memory, not of the hub's files, where it is transposed.
    rewritten(folder, shard, **{name: torch.zeros(4, 64)})
    (problem,) = check(folder)
    assert problem.file == shard
    assert "[4, 64]" in problem.what
    assert "[64, 4]" in problem.what


@pytest.mark.parametrize("stray", ["lm_head.weight", "model.mtp_linear_proj.0.weight"])
def test_strays_may_be_there_or_not(hub: Checkpoint, copy_of: Copy, stray: str) -> None:
    folder = copy_of(hub)
    shard = json.loads((folder / INDEX).read_text())["weight_map"][stray]
    rewritten(folder, shard, **{stray: None})
    assert check(folder) == []


def test_names_of_transformers_memory_are_left_to_the_loading(twin: Checkpoint, copy_of: Copy) -> None:
    folder = copy_of(twin)
    state = load(twin, "cpu").native.to(torch.bfloat16).state_dict()
    state.pop("lm_head.weight")
    save_file({name: tensor.clone() for name, tensor in state.items()}, folder / "model.safetensors")
    assert check(folder) == []
    assert load(Checkpoint(folder, "memory"), "cpu").native.num_parameters() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_only_the_deep_check_sees_infinities_and_nan(
    hub: Checkpoint, copy_of: Copy, dtype: torch.dtype, value: float
) -> None:
    folder = copy_of(hub)
    name = "model.norm.weight"
    shard = json.loads((folder / INDEX).read_text())["weight_map"][name]
    tensor = load_file(folder / shard)[name].to(dtype)
    rewritten(folder, shard, **{name: tensor})
    assert check(folder, deep=True) == []
    tensor[-1] = value
    rewritten(folder, shard, **{name: tensor})
    assert check(folder) == []
    assert [(problem.file, name in problem.what) for problem in check(folder, deep=True)] == [(shard, True)]


def test_the_deep_check_reads_block_by_block(hub: Checkpoint, copy_of: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_of(hub)
    name = "model.embed_tokens.weight"
    shard = json.loads((folder / INDEX).read_text())["weight_map"][name]
    tensor = load_file(folder / shard)[name]
    tensor[-1, -1] = float("nan")
    rewritten(folder, shard, **{name: tensor})
    monkeypatch.setattr("ernie_cli.runtime.verify.BLOCK", 64)
    assert [problem.file for problem in check(folder, deep=True)] == [shard]


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 6]},
        {"dtype": "BF16", "shape": [2, 2], "data_offsets": [-8, 0]},
        {"dtype": "BF16", "shape": [2, 2]},
        {"dtype": "BF16", "shape": "2x2", "data_offsets": [0, 8]},
        [],
    ],
)
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, entry: object) -> None:
    raw = json.dumps({"x": entry}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(8))
    with pytest.raises(Broken, match="no valid safetensors header"):
        header(path)


def test_headers_are_read_as_the_library_reads_them(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(3, 4), "b": torch.ones(5, dtype=torch.bfloat16), "c": torch.tensor(1)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    found = header(tmp_path / "x.safetensors")
    assert {name: (entry.dtype, entry.shape) for name, entry in found.items()} == {
        "a": ("F32", (3, 4)),
        "b": ("BF16", (5,)),
        "c": ("I64", ()),
    }


def test_loading_tells_the_first_problem(hub: Checkpoint, copy_of: Copy) -> None:
    folder = copy_of(hub)
    (folder / SHARD).unlink()
    with pytest.raises(ModelError, match=rf"The checkpoint mine cannot be run: {SHARD} is missing\.") as told:
        load(Checkpoint(folder, "mine"), "cpu")
    assert told.value.hint == "Fetch this file; the index names it."
