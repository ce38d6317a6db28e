"""A tiny random checkpoint in the hub's layout and its native twin, and transformers' own model of the twin."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.loading import load
from ernie_cli.runtime.model import Model
from scripts.make_fixture import make_fixture

SHARDS = 12


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return Checkpoint(make_fixture(tmp_path_factory.mktemp("hub"), shards=SHARDS), "hub")


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return Checkpoint(make_fixture(tmp_path_factory.mktemp("twin"), layout="native"), "twin")


@pytest.fixture(scope="session")
def hub_model(hub: Checkpoint) -> Model:
    return load(hub, "cpu")


@pytest.fixture(scope="session")
def twin_model(twin: Checkpoint) -> Model:
    return load(twin, "cpu")


@pytest.fixture(scope="session")
def reference(twin: Checkpoint) -> Any:
    """The twin as transformers opens and computes it: in float32, with its plainest kernels and nothing of ours."""
    from transformers import Ernie4_5_VLMoeForConditionalGeneration as Native

    plain = {"attn_implementation": "eager", "experts_implementation": "eager"}
    return Native.from_pretrained(twin.folder, dtype=torch.float32, **plain).eval()


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Checkpoint], Path]:
    """A copy of a checkpoint to break."""

    def copy(checkpoint: Checkpoint) -> Path:
        return Path(shutil.copytree(checkpoint.folder, tmp_path / "copy"))

    return copy
