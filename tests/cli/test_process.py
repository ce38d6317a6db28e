"""`ernie` as a process between pipes, with the built-in model: what a shell script meets."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Process = Callable[..., subprocess.CompletedProcess[bytes]]


def test_the_answer_on_stdout_and_no_escape_codes(process: Process, picture: Path) -> None:
    done = process("ask", picture, "What color is the circle?", "--show-thinking", "always", FORCE_COLOR="1")
    assert done.returncode == 0
    assert done.stdout == b"red\n"
    assert done.stderr.startswith(b"Using the built-in ernie-nano")
    assert b"Thinking\n" in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr


def test_json_carries_the_same_answer(process: Process, picture: Path) -> None:
    done = process("ask", "-", "What color is the circle?", "--json", "-q", stdin=picture.read_bytes())
    result = json.loads(done.stdout)
    assert result["answer"] == "red"
    assert result["inputs"] == [{"path": "standard input", "width": 168, "height": 140}]
    assert result["model"] == "ernie-nano"
    assert done.stderr == b""


def test_a_dry_run_shows_the_prompt(process: Process, picture: Path) -> None:
    done = process("ask", picture, "Hm?", "--dry-run")
    assert b"Picture 1:<|IMAGE_START|><|IMAGE_PLACEHOLDER|> x 72<|IMAGE_END|>Hm?\nAssistant: " in done.stdout


def test_a_missing_file_exits_3_with_one_sentence_and_one_hint(process: Process, tmp_path: Path) -> None:
    done = process("ask", tmp_path / "nothing.png", "?", "-q")
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.count(b"\n") == 2
    assert b"Traceback" not in done.stderr


ENDLESS = """
import itertools, time
from ernie_cli.cli import app, engine
from ernie_cli.messages import Answer

class Endless:
    def stream(self, messages, options):
        for number in itertools.count():
            time.sleep(0.002)
            yield Answer(f"{number}\\n")

engine.pick_engine = lambda common, output: Endless()
app.main()
"""


@pytest.fixture
def endless() -> Iterator[subprocess.Popen[bytes]]:
    """`ernie ask` with an engine that never ends, once it has begun to answer."""
    command = [sys.executable, "-c", ENDLESS, "ask", "?", "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"0\n"
        yield process
        process.kill()


def test_a_reader_that_has_enough_ends_it_quietly(endless: subprocess.Popen[bytes]) -> None:
    assert endless.stdout is not None
    assert endless.stderr is not None
    endless.stdout.close()
    assert endless.stderr.read() == b""
    assert endless.wait(30) == 0


def test_a_reader_of_the_notes_that_goes_away_is_none_of_the_result(tmp_path: Path) -> None:
    code = """
import time
from ernie_cli.cli import app
from ernie_cli.cli.output import Output

def ask(self, *arguments, **options):
    output = Output()
    for number in range(50):
        output.note("a note")
        output.text(str(number))

import ernie_cli.cli.doctor
ernie_cli.cli.doctor.doctor = lambda: ask(None)
app.main()
"""
    command = [sys.executable, "-c", code, "doctor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.close()
        printed = process.stdout.read()
        assert process.wait(30) == 0
    assert printed.split() == [str(number).encode() for number in range(50)]


def test_ctrl_c_exits_130_and_keeps_what_was_printed(endless: subprocess.Popen[bytes]) -> None:
    endless.send_signal(signal.SIGINT)
    printed, told = endless.communicate(timeout=30)
    assert endless.returncode == 130
    assert printed.endswith(b"\n")
    assert b"Traceback" not in told
