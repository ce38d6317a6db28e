"""`ernie models` over a cache that `ernie pull` filled from a hub on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import validate
from typer.testing import Result

from ernie_cli.runtime.checkpoint import NANO_FOLDER
from ernie_cli.runtime.verify import Problem

from ..runtime.test_hub import FILES, FIRST, NAMES, REPO, SECOND, SHARDS, FakeHub, pulled, serving_hub  # noqa: F401

Ernie = Callable[..., Result]
SIZE = sum(map(len, FILES.values()))


@pytest.fixture
def folder(hub: FakeHub) -> Path:
    """What was pulled of the hub's one model."""
    folder = pulled()
    hub.log.clear()
    return folder


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, bool]]:
    """Finds every folder whole, for the hub's model is none that could run; remembers what was asked."""
    asked: list[tuple[Path, bool]] = []

    def check(folder: Path, deep: bool) -> list[Problem]:
        asked.append((folder, deep))
        return []

    monkeypatch.setattr("ernie_cli.runtime.verify.check", check)
    return asked


# list


def test_what_is_said_before_a_command_is_meant_for_it(ernie: Ernie, folder: Path) -> None:
    assert json.loads(ernie("models", "--json", "list").stdout)["command"] == "models list"


@pytest.mark.parametrize("arguments", [["models"], ["models", "list"]])
def test_the_list_on_a_pipe_is_a_table_with_tabs(ernie: Ernie, folder: Path, arguments: list[str]) -> None:
    header, nano, tiny = (line.split("\t") for line in ernie(*arguments).stdout.splitlines())
    assert header == ["NAME", "SIZE", "PRECISION", "LAYOUT", "REVISION", "STATE", "PATH"]
    assert (nano[0], nano[2:]) == ("ernie-nano", ["bf16", "hub", "-", "", str(NANO_FOLDER)])
    assert tiny == [REPO, "6.5 kB", "bf16", "hub", f"main {FIRST[:8]}", "", str(folder)]


@pytest.mark.parametrize("arguments", [["models", "--json"], ["models", "list", "-f", "json"]])
def test_the_list_as_json(ernie: Ernie, folder: Path, arguments: list[str]) -> None:
    listed = json.loads(ernie(*arguments).stdout)
    assert (listed["version"], listed["command"], len(listed["models"])) == (1, "models list", 2)
    about = {"name": REPO, "layout": "hub", "precision": "bf16", "bytes": SIZE, "whole": True}
    assert listed["models"][1] == about | {"revision": FIRST, "branches": ["main"], "path": str(folder)}


def test_an_empty_machine_has_the_built_in_model(ernie: Ernie, hub: FakeHub) -> None:
    assert [model["name"] for model in json.loads(ernie("models", "--json").stdout)["models"]] == ["ernie-nano"]


def test_a_partial_one_is_listed_as_such(ernie: Ernie, folder: Path) -> None:
    (folder / NAMES[0]).unlink()
    assert "incomplete" in ernie("models").stdout


def test_one_with_a_broken_config_hides_no_other(ernie: Ernie, folder: Path) -> None:
    broken = folder.parent / SECOND
    broken.mkdir()
    (broken / "config.json").write_text("{")
    assert REPO in ernie("models").stdout


# show


def test_show(ernie: Ernie, folder: Path) -> None:
    shown = dict(line.split("\t") for line in ernie("models", "show", "ernie-tiny").stdout.splitlines())
    assert shown == {
        "name": REPO,
        "path": str(folder),
        "revision": f"main {FIRST[:8]}",
        "layout": "hub (flat config.json)",
        "size": "6.5 kB, bf16",
        "layers": "2, 64 wide",
        "experts": "4 text + 4 vision; a token takes 2, and 0 shared",
        "vision": "2 layers, 32 wide",
        "context": "4096 tokens",
        "tokenizer": "tokenizer.model, 512 tokens",
        "chat template": "its own",
    }


def test_show_as_json_of_the_native_layout(ernie: Ernie, tmp_path: Path) -> None:
    text = {"num_hidden_layers": 3, "moe_num_experts": 8, "moe_k": 2, "dtype": "float32"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "ernie4_5_vl_moe", "text_config": text}))
    (tmp_path / "tokenizer.json").write_text("{}")
    shown = json.loads(ernie("models", "show", tmp_path, "--json").stdout)
    assert {key: shown[key] for key in ("layout", "precision", "layers", "experts", "tokenizer", "revision")} == {
        **{"layout": "native", "precision": "fp32", "layers": 3, "experts": [8, 8]},
        **{"tokenizer": "tokenizer.json", "revision": None},
    }


@pytest.mark.parametrize(
    ("config", "told"), [(None, "has no config.json"), ("{", "not valid JSON"), ('{"model_type": "bert"}', "'bert'")]
)
def test_show_of_what_is_no_checkpoint(ernie: Ernie, tmp_path: Path, config: str | None, told: str) -> None:
    if config:
        (tmp_path / "config.json").write_text(config)
    shown = ernie("models", "show", tmp_path)
    assert (shown.exit_code, shown.stdout) == (4, "")
    assert told in shown.stderr


def test_show_as_json_of_a_config_with_odd_values_is_told(ernie: Ernie, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "ernie4_5_moe_vl", "num_hidden_layers": "many"}')
    shown = ernie("models", "show", tmp_path, "--json")
    assert (shown.exit_code, shown.stdout) == (4, "")
    assert "layers" in shown.stderr


# verify


def test_the_built_in_model_is_whole(ernie: Ernie) -> None:
    verified = ernie("models", "verify", "ernie-nano")
    assert (verified.exit_code, verified.stdout, verified.stderr) == (0, "", "ernie-nano is whole.\n")


def test_problems_are_printed_and_exit_4(ernie: Ernie, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem("a.safetensors", "a.safetensors is missing.", "Fetch it.")
    monkeypatch.setattr("ernie_cli.runtime.verify.check", lambda folder, deep: [problem])
    verified = ernie("models", "verify", REPO)
    assert (verified.exit_code, verified.stdout) == (4, "a.safetensors is missing.\n")
    assert verified.stderr == f"  Fetch it.\nTo fetch what is missing or cut off: ernie pull {REPO}\n"
    as_json = ernie("models", "verify", REPO, "--json", "-q")
    assert (as_json.exit_code, as_json.stderr) == (4, "")
    assert json.loads(as_json.stdout) == {
        **{"version": 1, "command": "models verify", "name": REPO, "path": str(folder), "deep": False},
        "problems": [{"file": problem.file, "what": problem.what, "hint": problem.hint}],
    }


def test_a_partial_one_can_be_verified(ernie: Ernie, folder: Path) -> None:
    (folder / NAMES[0]).unlink()
    verified = ernie("models", "verify", REPO)
    assert verified.exit_code == 4
    assert NAMES[0] in verified.stdout


@pytest.mark.parametrize("online", [True, False])
def test_deep_compares_checksums(
    ernie: Ernie, hub: FakeHub, folder: Path, whole: list[tuple[Path, bool]], online: bool
) -> None:
    hub.refusal = None if online else (503, {})
    assert ernie("models", "verify", REPO, "--deep").exit_code == 0
    shard = NAMES[1]
    blob = (folder / shard).resolve()
    blob.write_bytes(b"x" * len(SHARDS[shard]))
    verified = ernie("models", "verify", REPO, "--deep")
    assert whole == [(folder, True)] * 2
    assert (verified.exit_code, verified.stdout) == (4, f"{shard} is not the file on the hub (checksum).\n")
    assert f"Delete {blob} and run: ernie pull {REPO}" in verified.stderr

    blob.unlink()
    hub.refusal = None
    assert ernie("pull", REPO).exit_code == 0
    assert ernie("models", "verify", REPO, "--deep").exit_code == 0


def test_deep_outside_the_cache_says_that_there_are_no_checksums(
    ernie: Ernie, tmp_path: Path, hub: FakeHub, whole: list[tuple[Path, bool]]
) -> None:
    verified = ernie("models", "verify", tmp_path, "--deep")
    assert (verified.exit_code, hub.log) == (0, [])
    assert "none were compared" in verified.stderr


def test_without_deep_nothing_is_asked(ernie: Ernie, hub: FakeHub, folder: Path, whole: object) -> None:
    for arguments in (["verify", REPO], ["list"], ["show", REPO], ["path", REPO], ["rm", REPO, "--yes"]):
        assert ernie("models", *arguments).exit_code == 0
    assert hub.log == []


@pytest.mark.parametrize(("name", "arguments"), [("models", ["list"]), ("verify", ["verify", REPO])])
def test_the_schema_is_that_of_what_is_printed(ernie: Ernie, folder: Path, name: str, arguments: list[str]) -> None:
    schema = json.loads(ernie("schema", name).stdout)
    validate(json.loads(ernie("models", *arguments, "--json").stdout), schema)
    assert schema["additionalProperties"] is False


# path


def test_path(ernie: Ernie, folder: Path) -> None:
    assert ernie("models", "path", "ERNIE-Tiny").stdout == f"{folder}\n"
    (folder / NAMES[0]).unlink()
    partial = ernie("models", "path", "ERNIE-Tiny")
    assert (partial.exit_code, partial.stdout) == (4, "")


# rm


def test_rm_wants_a_yes(ernie: Ernie, folder: Path) -> None:
    refused = ernie("models", "rm", REPO)
    assert (refused.exit_code, folder.exists()) == (2, True)
    assert "--yes" in refused.stderr


def test_rm_says_what_it_frees(ernie: Ernie, folder: Path) -> None:
    removed = ernie("models", "rm", "ernie-tiny", "--yes")
    assert removed.stderr == f"Removed {REPO} ({FIRST[:12]}); 6.5 kB freed.\n"
    assert not folder.parents[1].exists()
    assert ernie("models", "path", REPO).exit_code == 4


@pytest.mark.parametrize(("answer", "gone", "code"), [(True, True, 0), (False, False, 130)])
def test_rm_asks(
    ernie: Ernie, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: bool, gone: bool, code: int
) -> None:
    asked: list[str] = []

    def agrees(_: object, question: str, *, otherwise: bool) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr("ernie_cli.cli.output.Output.agrees", agrees)
    assert ernie("models", "rm", REPO).exit_code == code
    assert folder.exists() is not gone
    assert asked == [f"Remove {REPO} ({FIRST[:12]}) and free 6.5 kB?"]


def test_rm_of_one_revision_keeps_the_other(ernie: Ernie, hub: FakeHub, folder: Path) -> None:
    hub.files[SECOND] = FILES | {NAMES[2]: b"new" * 100}
    hub.branches["main"] = SECOND
    new = pulled()
    removed = ernie("models", "rm", f"{REPO}@{FIRST}", "--yes")
    assert "3.0 kB freed" in removed.stderr
    assert (folder.exists(), ernie("models", "path", REPO).stdout) == (False, f"{new}\n")
    assert {path.name: path.read_bytes() for path in new.iterdir()} == hub.files[SECOND]


@pytest.mark.parametrize("original", [True, False])
def test_rm_keeps_a_copy_under_another_name(ernie: Ernie, folder: Path, original: bool) -> None:
    home = folder.parents[1]
    copy = home.with_name("models--other--Tiny-copy")
    shutil.copytree(home, copy, symlinks=True)
    removed, kept = {True: (home, copy), False: (copy, home)}[original]
    name = REPO if original else "other/Tiny-copy"
    assert ernie("models", "rm", name, "--yes").exit_code == 0
    assert (removed.exists(), (kept / "snapshots" / FIRST / "config.json").exists()) == (False, True)


def test_rm_touches_nothing_outside_the_cache(ernie: Ernie, hub: FakeHub, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(NANO_FOLDER, outside)
    for name in ("ernie-nano", NANO_FOLDER, outside):
        assert ernie("models", "rm", name, "--yes").exit_code == 2
    assert {path.name for path in outside.iterdir()} == {path.name for path in NANO_FOLDER.iterdir()}
    assert ernie("models", "rm", "nobody/nothing", "--yes").exit_code == 4


def test_rm_of_what_huggingface_hub_cannot_remove_is_told(ernie: Ernie, folder: Path) -> None:
    (folder / NAMES[0]).resolve().unlink()
    removed = ernie("models", "rm", REPO, "--yes")
    assert removed.exit_code == 4
    assert f"Delete the folder yourself: {folder.parents[1]}" in removed.stderr
    assert folder.exists()


@pytest.mark.parametrize("command", ["list", "show", "verify", "path", "rm"])
def test_every_subcommand_has_an_example(ernie: Ernie, command: str) -> None:
    helped = ernie("models", command, "--help")
    assert helped.exit_code == 0
    assert f"ernie models {command} " in helped.stdout.split("Usage:")[1].split("\n", 1)[1]
