"""A fake engine for the commands, and a way to run them in this process or as a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from ernie_cli.cli.app import build_app
from ernie_cli.engines import Options
from ernie_cli.messages import Answer, Event, Finish, FinishReason, Message, Thinking, Timing, Usage

FINISH = Finish("stop", "fake", Usage(10, 4, 2, 1), Timing(0.0, 0.1, 0.5))


@dataclass
class FakeEngine:
    """Answers with the events of a queue, and remembers what it was asked."""

    model: str = "fake"
    can_mask: bool = True
    queue: list[list[Event | BaseException]] = field(default_factory=list)
    asked: list[tuple[Sequence[Message], Options]] = field(default_factory=list)

    def enqueue(self, *events: Event | BaseException) -> None:
        self.queue.append(list(events))

    def describe(self, messages: Sequence[Message], options: Options) -> str:
        return "what would be sent"

    def max_tokens(self, options: Options) -> int:
        return options.max_tokens or 1024

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Event]:
        self.asked.append((messages, options))
        for event in self.queue.pop(0):
            if isinstance(event, BaseException):
                raise event
            yield event


def says(engine: FakeEngine, *answers: str, reason: FinishReason = "stop") -> None:
    """The engine answers these, one after the other, each ending for the reason."""
    engine.queue = [[Answer(answer), Finish(reason, "fake")] for answer in answers]


@pytest.fixture
def street(tmp_path: Path) -> Path:
    path = tmp_path / "street.png"
    Image.new("RGB", (1280, 720), (90, 120, 90)).save(path)
    return path


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    engine = FakeEngine()
    engine.enqueue(Thinking("It is round."), Thinking(" And red."), Answer("re"), Answer("d"), FINISH)
    monkeypatch.setattr("ernie_cli.cli.engine.pick_engine", lambda common, output: engine)
    return engine


@pytest.fixture
def ernie() -> Callable[..., Result]:
    """Runs a command in this process: `ernie("ask", "question")`."""

    def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(build_app(), [str(argument) for argument in arguments], input=stdin)

    return run


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs a command as a process of its own, with pipes for its streams."""

    def run(*arguments: str | Path, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "ernie_cli", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=os.environ | variables,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture
def picture(tmp_path: Path, red_circle: Image.Image) -> Path:
    path = tmp_path / "circle.png"
    red_circle.save(path)
    return path
