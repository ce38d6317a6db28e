"""Asking the terminal what it can show: one that answers, and a job in the background that must not ask."""

from __future__ import annotations

import os
import select
import sys
import time

import pytest

pty = pytest.importorskip("pty", reason="pseudo-terminals are missing here")

# Prints what was said twice. With "apart", in a background group of processes, as a shell runs `... &`.
ASK = """
import os, signal, sys
from ernie_cli.cli.screen import _asked
if sys.argv[1] == "apart":
    child = os.fork()
    if child:
        _, status = os.waitpid(child, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            os.kill(child, signal.SIGKILL)
            print("stopped")
        os._exit(0)
    os.setpgid(0, 0)
print("said", repr(_asked() + _asked()), flush=True)
os._exit(0)
"""


def shown(how: str) -> str:
    """What a terminal shows that answers the question for its attributes, but not the one about kitty's graphics."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", ASK, how])
    text, end = "", time.monotonic() + 20
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            new = os.read(terminal, 1024).decode()
        except OSError:  # closed by the child's end
            break
        text += new
        if "\x1b[c" in new:
            os.write(terminal, b"\x1b[?62;4;22c")
    os.close(terminal)
    os.waitpid(child, 0)
    return text


def test_a_terminal_is_asked_once() -> None:
    text = shown("here")
    assert text.count("\x1b[c") == 1
    assert "said '\\x1b[?62;4;22c\\x1b[?62;4;22c'" in text


def test_a_job_in_the_background_does_not_ask() -> None:
    text = shown("apart")
    assert "\x1b[c" not in text
    assert "said ''" in text
