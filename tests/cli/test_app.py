"""What holds for every command: start-up, the config file, variables, versions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ernie_cli import __version__
from ernie_cli.cli.app import COMMANDS, build_app

from .conftest import FINISH, FakeEngine

Ernie = Callable[..., Result]
HEAVY = {"torch", "transformers", "numpy", "PIL", "httpx"}


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from ernie_cli.cli.app import build_app\n"
        f"build_app()({arguments!r}, standalone_mode=False)\n"
        f"assert not {HEAVY!r} & set(sys.modules), {HEAVY!r} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_list_without_options_is_the_list() -> None:
    listed, whole = (CliRunner().invoke(build_app(listed=short), ["--help"]).stdout for short in (True, False))
    assert listed == whole
    assert all(command in listed for command in COMMANDS)


def test_the_version_is_the_packages(ernie: Ernie) -> None:
    assert ernie("--version").stdout == f"ernie {__version__}\n"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(ernie: Ernie, command: str) -> None:
    result = ernie(command, "--help")
    assert result.exit_code == 0
    assert f"ernie {command} " in result.stdout.split("Usage:")[1].split("\n", 1)[1]


def test_every_command_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for command in COMMANDS:
        assert f"ernie {command}" in readme


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    monkeypatch.setenv("ERNIE_CONFIG", str(path))
    return path


def test_a_flag_beats_a_variable_beats_the_config_file(
    ernie: Ernie, fake: FakeEngine, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.queue = [[FINISH]] * 3
    config.write_text("seed = 1\nmax-tokens = 50\n")
    ernie("ask", "q")
    monkeypatch.setenv("ERNIE_SEED", "2")
    ernie("ask", "q")
    ernie("ask", "q", "--seed", "3")
    assert [(options.seed, options.max_tokens) for _, options in fake.asked] == [(1, 50), (2, 50), (3, 50)]


def test_the_config_file_reaches_the_commands_of_a_group(ernie: Ernie, config: Path) -> None:
    config.write_text('format = "json"\n')
    for command in (["models"], ["models", "list"]):
        assert json.loads(ernie(*command).stdout)["command"] == "models list"


@pytest.mark.parametrize(("content", "told"), [("sed = 1", "sets sed"), ("seed = ", "cannot be read")])
def test_a_broken_config_file_is_a_usage_error(ernie: Ernie, config: Path, content: str, told: str) -> None:
    config.write_text(content)
    result = ernie("ask", "q")
    assert result.exit_code == 2
    assert told in result.stderr


def test_an_empty_model_name_is_a_usage_error(ernie: Ernie) -> None:
    assert ernie("ask", "q", "--model", "").exit_code == 2


def test_an_unknown_model_exits_4(ernie: Ernie, tmp_path: Path) -> None:
    missing = ernie("ask", "q", "--model", "nowhere/nothing")
    assert missing.exit_code == 4
    assert "no model 'nowhere/nothing'" in missing.stderr
    empty = ernie("ask", "q", "--model", tmp_path)
    assert empty.exit_code == 4
    assert "tokenizer.model" in empty.stderr or "config.json" in empty.stderr
