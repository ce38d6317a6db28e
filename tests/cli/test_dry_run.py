"""`--dry-run` is the same for every command that asks the model: on stdout, as text or as JSON, never in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from ernie_cli.tasks.results import Preview

from ..media.clip_files import write_clip
from .conftest import FakeEngine

Ernie = Callable[..., Result]

COMMANDS = [
    ["ask", "PICTURE", "What?"],
    ["ground", "PICTURE", "red car"],
    ["chart", "PICTURE"],
    ["chart", "PICTURE", "Which is best?"],
    ["doc", "PICTURE"],
    ["doc", "PICTURE", "--schema", "total number"],
    ["video", "CLIP", "What happens?"],
    ["video", "CLIP", "--find", "it starts"],
]
OVER_MANY = [one for one in COMMANDS if one[0] != "ask" and "PICTURE" in one]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("inputs")
    Image.new("RGB", (64, 64)).save(folder / "picture.png")
    write_clip(folder / "clip.mp4", [place / 25 for place in range(50)])
    return {"PICTURE": str(folder / "picture.png"), "CLIP": str(folder / "clip.mp4")}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_dry_run_sends_and_writes_nothing(
    ernie: Ernie, fake: FakeEngine, inputs: dict[str, str], tmp_path: Path, command: list[str]
) -> None:
    place = tmp_path / "answer"
    place.write_text("kept")
    arguments = [*(inputs.get(one, one) for one in command), "--dry-run", "-o", place]
    result = ernie(*arguments, "-f", "text") if command[0] == "ground" else ernie(*arguments)
    assert (result.exit_code, result.stdout) == (0, "what would be sent\n"), result.stderr
    assert fake.asked == []
    assert place.read_text() == "kept"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_dry_run_as_json(ernie: Ernie, fake: FakeEngine, inputs: dict[str, str], command: list[str]) -> None:
    printed = ernie(*(inputs.get(one, one) for one in command), "--dry-run", "--json").stdout
    wanted = {"version": 1, "command": command[0], "model": "fake", "prompt": "what would be sent"}
    assert json.loads(printed) == wanted
    Preview.model_validate_json(printed)


@pytest.mark.parametrize("command", OVER_MANY, ids=" ".join)
def test_each_input_has_its_own(
    ernie: Ernie, fake: FakeEngine, inputs: dict[str, str], command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    arguments = [inputs.get(one, one) for one in command]
    result = ernie(*arguments[:1], tmp_path / "bad.png", *arguments[1:2], *arguments[1:], "--dry-run", "--json")
    assert result.exit_code == 8
    assert [json.loads(line)["command"] for line in result.stdout.splitlines()] == [command[0]] * 2


@pytest.mark.parametrize("command", [*OVER_MANY, ["ask", "PICTURE", "What?"]], ids=" ".join)
def test_a_dry_run_that_fails_prints_nothing(
    ernie: Ernie, fake: FakeEngine, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    result = ernie(*(tmp_path / "bad.png" if one == "PICTURE" else one for one in command), "--dry-run")
    assert (result.exit_code, result.stdout) == (3, "")


def test_its_schema_is_published(ernie: Ernie) -> None:
    assert json.loads(ernie("schema", "dry-run").stdout) == Preview.model_json_schema()
