"""A broken checkpoint ends the command with exit code 4 and one sentence that names the file; never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ernie_cli.cli.app import build_app
from ernie_cli.runtime.checkpoint import Checkpoint

SHARD = "model-00002-of-00012.safetensors"
INDEX = "model.safetensors.index.json"
Break = Callable[[Path], Any]


def changed(file: str, **values: Any) -> Break:
    """Sets keys of a JSON file; None takes one out."""

    def change(folder: Path) -> None:
        content = json.loads((folder / file).read_text()) | values
        kept = {key: value for key, value in content.items() if value is not None}
        (folder / file).write_text(json.dumps(kept))

    return change


def truncated(file: str, lost: int) -> Break:
    return lambda folder: os.truncate(folder / file, (folder / file).stat().st_size - lost)


def written(file: str, content: str) -> Break:
    return lambda folder: (folder / file).write_text(content)


def removed(file: str) -> Break:
    return lambda folder: (folder / file).unlink()


def moved_in_the_index(folder: Path) -> None:
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"]["model.norm.weight"] = SHARD
    (folder / INDEX).write_text(json.dumps(index))


BREAKS: dict[str, tuple[Break, str]] = {
    "missing shard": (removed(SHARD), SHARD),
    "shard short by a byte": (truncated(SHARD, 1), SHARD),
    "shard cut off in its header": (lambda folder: os.truncate(folder / SHARD, 100), SHARD),
    "empty shard": (lambda folder: os.truncate(folder / SHARD, 0), SHARD),
    "git-lfs pointer": (written(SHARD, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), SHARD),
    "shard that is a page of HTML": (written(SHARD, "<!DOCTYPE html><html>" + "x" * 5000), SHARD),
    "index that is no JSON": (written(INDEX, "{"), INDEX),
    "index without a map": (written(INDEX, "{}"), INDEX),
    "index that names a wrong shard": (moved_in_the_index, SHARD),
    "index that leads out of the folder": (changed(INDEX, weight_map={"model.norm.weight": "../x.safetensors"}), INDEX),
    "no weights": (removed(INDEX), INDEX),
    "unknown architecture": (changed("config.json", model_type="qwen3_vl"), "config.json"),
    "config without a key": (changed("config.json", hidden_size=None), "config.json"),
    "config without rope sections": (changed("config.json", rope_scaling=None), "config.json"),
    "config with a word for a number": (changed("config.json", hidden_size="wide"), "config.json"),
    "config of another size": (changed("config.json", hidden_size=96), "config.json"),
    "config of another tokenizer": (changed("config.json", im_patch_id=11), "config.json"),
    "config with NaN": (changed("config.json", rms_norm_eps=float("nan")), "config.json"),
    "config that is a list": (written("config.json", "[]"), "config.json"),
    "config that is no text": (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"), "config.json"),
    "no config": (removed("config.json"), "config.json"),
    "processor without a range": (changed("preprocessor_config.json", min_pixels=-5), "preprocessor_config.json"),
    "processor with NaN": (changed("preprocessor_config.json", min_pixels=float("nan")), "preprocessor_config.json"),
    "generation defaults cut off": (written("generation_config.json", "{"), "generation_config.json"),
    "no tokenizer": (removed("tokenizer.model"), "tokenizer.model"),
    "garbage for a tokenizer": (written("tokenizer.model", "what is this"), "tokenizer.model"),
    "empty tokenizer": (written("tokenizer.model", ""), "tokenizer.model"),
}
NATIVE_BREAKS: dict[str, tuple[Break, str]] = {
    "truncated file": (truncated("model.safetensors", 10), "model.safetensors"),
    "no weights": (removed("model.safetensors"), "model.safetensors"),
    "config without its text part": (changed("config.json", text_config=None), "config.json"),
    "garbage for a tokenizer": (written("tokenizer.json", '{"model": 1}'), "tokenizer.json"),
}


def ask(folder: Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(build_app(), ["ask", "q", "--model", str(folder), "--max-tokens", "2"])
    return done.exit_code, done.stdout, done.stderr


def holds(folder: Path, file: str) -> None:
    code, printed, told = ask(folder)
    assert (code, printed) == (4, ""), told
    assert file in told
    assert "Traceback" not in told


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_checkpoint_exits_4_and_names_the_file(
    hub: Checkpoint, copy_of: Callable[[Checkpoint], Path], name: str
) -> None:
    folder = copy_of(hub)
    breaks, file = BREAKS[name]
    breaks(folder)
    holds(folder, file)


@pytest.mark.parametrize("name", NATIVE_BREAKS)
def test_so_does_one_in_the_native_layout(twin: Checkpoint, copy_of: Callable[[Checkpoint], Path], name: str) -> None:
    folder = copy_of(twin)
    breaks, file = NATIVE_BREAKS[name]
    breaks(folder)
    holds(folder, file)


def test_a_whole_checkpoint_is_run(hub: Checkpoint, twin: Checkpoint) -> None:
    for checkpoint in (hub, twin):
        code, _, told = ask(checkpoint.folder)
        assert code == 6, told  # cut off after the two tokens asked for


@pytest.mark.parametrize("name", ["missing shard", "garbage for a tokenizer"])
def test_as_a_process_too(hub: Checkpoint, copy_of: Callable[[Checkpoint], Path], name: str) -> None:
    folder = copy_of(hub)
    breaks, file = BREAKS[name]
    breaks(folder)
    command = [sys.executable, "-m", "ernie_cli", "ask", "q", "--model", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (4, "")
    assert file in done.stderr
    assert done.stderr.count("\n") == 2  # one sentence of what, one of what to do
    assert not list(folder.glob("*.imported"))
