"""`ernie doctor`: every check says something, a broken one is told with its fix, and the exit code mirrors it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from ernie_cli.cli import checks
from ernie_cli.runtime import machine
from ernie_cli.runtime.machine import Device, Machine
from ernie_cli.tasks.results import CheckInfo

Run = Callable[..., Result]


def pretend(monkeypatch: pytest.MonkeyPatch, *cards: float, memory: float = 16) -> None:
    found = tuple(Device(f"cuda:{at}", "A card", int(gb * 1e9), int(gb * 1e9)) for at, gb in enumerate(cards))
    here = Machine(found, Device("cpu", "memory", int(memory * 1e9), int(memory * 1e9)))
    monkeypatch.setattr(machine, "look", lambda: here)


def test_the_whole_of_it_on_this_machine(ernie: Run) -> None:
    done = ernie("doctor", "--json")
    result = json.loads(done.stdout)
    states = {check["name"]: check["state"] for check in result["checks"]}
    assert states["ernie-nano"] == states["torch"] == states["transformers"] == "ok"
    assert {"python", "bitsandbytes", "pictures", "documents", "video", "font", "disk", "checkpoints"} <= states.keys()
    assert [way["precision"] for way in result["ways"]] == ["bf16", "int8", "nf4"]
    assert [round(way["weights_bytes"] / 1e9, 1) for way in result["ways"]] == [58.8, 30.5, 18.6]
    assert done.exit_code == (4 if "broken" in states.values() else 0)


def test_the_table_for_a_pretended_card(ernie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 24)
    monkeypatch.setattr(checks, "checks", lambda machine: iter(()))
    done = ernie("doctor")
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.startswith(("bf16", "int8", "nf4"))]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("bf16", "58.8 GB", "no"),
        ("int8", "30.5 GB", "no"),
        ("nf4", "18.6 GB", "yes"),
    ]
    assert rows[2][4] == "cuda:0"
    assert int(rows[2][5].split()[0]) > 8192


def test_something_broken_is_told_with_its_fix(ernie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = CheckInfo(name="torch", state="broken", found="does not compute", fix="Install it again.")
    monkeypatch.setattr(checks, "checks", lambda machine: iter([broken]))
    done = ernie("doctor")
    assert done.exit_code == 4
    assert "BROKEN  torch         does not compute\n                      Install it again." in done.stdout


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> CheckInfo:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(checks, "_disk", fail)
    monkeypatch.setattr(checks, "_smoke", lambda *_: CheckInfo(name="ernie-nano", state="ok", found="fine"))
    found = {check.name: check for check in checks.checks(machine.look())}
    assert (found["disk"].state, found["disk"].found) == ("broken", "RuntimeError: no such thing")
    assert found["ernie-nano"].state == "ok"


def test_a_wrong_answer_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.messages import Answer, Finish

    monkeypatch.setattr(LocalEngine, "stream", lambda *_: iter([Answer("blue"), Finish("stop", "x")]))
    found = checks._smoke()
    assert found.state == "broken"
    assert "says 'blue' of a red circle" in found.found
