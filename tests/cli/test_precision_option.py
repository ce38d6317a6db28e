"""`--precision`, `ernie models quantize`, and which model answers when none is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ernie_cli.cli.engine import pick_engine
from ernie_cli.cli.options import Common
from ernie_cli.cli.output import Output
from ernie_cli.errors import ModelError
from ernie_cli.runtime import loading, snapshots
from ernie_cli.runtime.checkpoint import FULL, NANO, NANO_FOLDER
from ernie_cli.runtime.snapshots import Snapshot

Run = Callable[..., Result]


@pytest.mark.parametrize("precision", ["bf16", "int8", "nf4"])
def test_nano_answers_at_every_precision(ernie: Run, picture: Path, precision: str) -> None:
    done = ernie("ask", picture, "What color is the circle?", "--precision", precision, "-v")
    assert done.stdout == "red\n"
    assert f"{NANO}: {precision} on cpu" in done.stderr
    assert "Loaded: " in done.stderr


def test_another_precision_is_a_usage_error(ernie: Run) -> None:
    assert ernie("ask", "Hello", "--precision", "int3").exit_code == 2


def test_a_quantized_checkpoint_is_written_shown_and_answers(ernie: Run, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    done = ernie("models", "quantize", NANO, out, "--precision", "nf4", "--json")
    result = json.loads(done.stdout)
    assert (result["precision"], result["path"]) == ("nf4", str(out))
    assert result["bytes"] < result["source_bytes"]
    assert json.loads(ernie("models", "show", out, "--json").stdout)["precision"] == "nf4"
    assert ernie("models", "verify", out, "--deep").exit_code == 0
    assert ernie("ask", picture, "What color is the circle?", "-m", out).stdout == "red\n"

    again = ernie("models", "quantize", NANO, out)
    assert again.exit_code == 3
    assert f"{out} is there already." in again.stderr
    other = ernie("ask", picture, "What color is the circle?", "-m", out, "--precision", "int8")
    assert other.exit_code == 4
    assert "quantized to nf4, and cannot be run at int8" in other.stderr


def full(folder: Path = NANO_FOLDER) -> Snapshot:
    """The full model on this machine, as far as anybody looks before loading it."""
    return Snapshot(FULL, "0" * 40, ("main",), folder)


def test_the_full_model_answers_if_it_is_here_and_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(snapshots, "snapshots", lambda: [full()])
    assert pick_engine(Common(), Output()).model == FULL
    assert capsys.readouterr().err == f"Using {FULL}.\n"
    assert pick_engine(Common(model=NANO), Output()).model == NANO


def test_nano_answers_if_the_full_model_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_large(*_: object) -> None:
        raise ModelError("It does not fit: nf4 needs 21.1 GB.", "Buy memory.")

    monkeypatch.setattr(snapshots, "snapshots", lambda: [full()])
    monkeypatch.setattr(loading, "choose_for", too_large)
    assert pick_engine(Common(), Output()).model == NANO
    assert "nf4 needs 21.1 GB" in capsys.readouterr().err


def test_a_full_model_that_is_half_fetched_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00001-of-00029.safetensors"}}')
    monkeypatch.setattr(snapshots, "snapshots", lambda: [full(tmp_path)])
    assert pick_engine(Common(), Output()).model == NANO
