"""`ernie pull` against a hub on this machine: what it says, what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import validate
from typer.testing import Result

from ..runtime.test_hub import FILES, FIRST, NAMES, REPO, FakeHub, serving_hub  # noqa: F401

Ernie = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[bytes]]
SIZE = sum(map(len, FILES.values()))


def test_it_says_the_size_first_and_prints_the_folder(ernie: Ernie, hub: FakeHub, tmp_path: Path) -> None:
    done = ernie("pull", REPO)
    folder = tmp_path / "hf" / "hub" / "models--baidu--ERNIE-Tiny" / "snapshots" / FIRST
    assert (done.exit_code, done.stdout) == (0, f"{folder}\n")
    told = done.stderr.splitlines()
    assert told[:2] == [f"{REPO}, revision main", f"Commit {FIRST}"]
    assert told[2].startswith("10 files, 6.5 kB; 6.5 kB to fetch, ")
    assert told[3].startswith("[1/10] config.json, ")
    assert told[-2:] == ["[10/10] model-00003-of-00003.safetensors, 3.0 kB", f"Fetched. Use it with: --model {REPO}"]


def test_as_json(ernie: Ernie, hub: FakeHub) -> None:
    done = ernie("pull", REPO, "--json", "-q")
    path = str(Path(os.environ["HF_HOME"]) / "hub" / "models--baidu--ERNIE-Tiny" / "snapshots" / FIRST)
    about = {"version": 1, "command": "pull", "repo": REPO, "revision": FIRST}
    assert json.loads(done.stdout) == about | {"path": path, "files": 10, "bytes": SIZE}
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    assert ernie("pull", REPO, "--format", "json", "-q").stdout == done.stdout


def test_verbose_says_which_hub_and_cache_and_no_token(
    ernie: Ernie, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "hf" / "hub"
    told = [ernie("pull", REPO, "--dry-run", "-v").stderr]
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    told.append(ernie("pull", REPO, "--dry-run", "-v").stderr)
    for stderr, token in zip(told, ("no", "a"), strict=True):
        assert stderr.splitlines()[0] == f"Hub {hub.endpoint}, {token} token, cache {cache}"
    assert "hf_secret" not in told[1]
    assert hub.endpoint not in ernie("pull", REPO, "--dry-run").stderr


def test_the_schema_is_that_of_what_is_printed(ernie: Ernie, hub: FakeHub) -> None:
    schema = json.loads(ernie("schema", "pull").stdout)
    validate(json.loads(ernie("pull", REPO, "--json", "-q").stdout), schema)
    assert schema["additionalProperties"] is False


def test_a_dry_run_fetches_nothing(ernie: Ernie, hub: FakeHub) -> None:
    done = ernie("pull", REPO, "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].split("\t")[:2] == ["*", "config.json"]
    assert len(done.stdout.splitlines()) == len(FILES)
    assert hub.fetched() == hub.fetched("HEAD") == []
    ernie("pull", REPO)
    again = ernie("pull", REPO, "--dry-run")
    assert "*" not in again.stdout
    assert "all of them are here" in again.stderr


def test_a_revision_in_the_name_or_as_an_option(ernie: Ernie, hub: FakeHub) -> None:
    hub.branches["v1"] = FIRST
    for arguments in ([f"{REPO}@v1"], [REPO, "--revision", "v1"]):
        assert f"revision v1\nCommit {FIRST}\n" in ernie("pull", *arguments, "--dry-run").stderr
    assert ernie("pull", REPO, "--revision", "v2").exit_code == 4


def test_too_little_space_stops_it_before_it_begins(
    ernie: Ernie, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ernie_cli.runtime.hub.Plan.free", 5000)
    done = ernie("pull", REPO)
    assert done.exit_code == 4
    assert "needs 6.5 kB more" in done.stderr
    assert "has 5.0 kB free" in done.stderr
    assert hub.fetched("HEAD") == []


def test_ctrl_c_says_that_it_goes_on(ernie: Ernie, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ernie_cli.runtime.hub.fetch", interrupted)
    done = ernie("pull", REPO)
    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr.endswith("Interrupted. Run the same command again: it goes on where it stopped.\n")


# As processes, for huggingface_hub reads its variables when it is imported.


def test_the_variables_of_huggingface_hub_hold(process: Process, hub: FakeHub, tmp_path: Path) -> None:
    fresh = process("pull", REPO, HF_TOKEN="hf_secret", HF_HOME=str(tmp_path / "elsewhere"))
    assert fresh.returncode == 0
    assert fresh.stdout.startswith(str(tmp_path / "elsewhere" / "hub").encode())
    assert b"\x1b" not in fresh.stderr
    assert b"it/s" not in fresh.stderr
    assert {headers.get("authorization") for _, _, headers in hub.log} == {"Bearer hf_secret"}
    hub.log.clear()

    offline = process("pull", REPO, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "elsewhere"))
    assert (offline.returncode, offline.stdout) == (0, fresh.stdout)
    assert b"Offline" in offline.stderr
    empty = process("pull", REPO, HF_HUB_OFFLINE="1")
    assert empty.returncode == 4
    assert b"Unset HF_HUB_OFFLINE" in empty.stderr
    assert hub.log == []


def test_without_a_token_none_is_sent_and_a_second_run_goes_on(process: Process, hub: FakeHub) -> None:
    shard = NAMES[1]
    hub.broken[shard] = "short"
    cut_off = process("pull", REPO)
    assert (cut_off.returncode, cut_off.stdout) == (4, b"")
    assert cut_off.stderr.endswith(b"Run the same command again: it goes on where it stopped.\n")
    assert b"Traceback" not in cut_off.stderr
    assert {headers.get("authorization") for _, _, headers in hub.log} == {None}
    hub.broken.clear()
    hub.log.clear()
    assert process("pull", REPO).returncode == 0
    assert tuple(hub.fetched()) == NAMES[1:]


def test_a_person_is_asked_and_ctrl_c_stops_a_transfer(hub: FakeHub) -> None:
    """On a terminal: a return starts it, and an interrupt in the middle of a shard ends it at once."""
    hub.broken[NAMES[0]] = "stalled"
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    command = [sys.executable, "-m", "ernie_cli", "pull", REPO]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment) as running:
        os.close(theirs)
        seen = read_until(ours, b"[Y/n]")
        os.write(ours, b"\n")
        hub.stalled.wait(20)
        running.send_signal(signal.SIGINT)
        seen += read_until(ours, b"stopped.")
        assert running.wait(20) == 130
        hub.resume.set()
    assert b"Fetch 6.5 kB?" in seen
    assert b"model-00001" in seen
    assert b"Interrupted. Run the same command again" in seen


def read_until(terminal: int, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        seen += os.read(terminal, 4096)
    return seen
