"""Records a command as it looks on a terminal: `python scripts/record_screen.py OUT.svg COMMAND...`.

The command runs for real in tmux, 80 columns wide; what its screen shows in the end, colours and all, becomes an SVG.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, LINES = 80, 40
PROMPT = "$ "


def tmux(*arguments: str) -> str:
    return subprocess.run(["tmux", "-L", "record", *arguments], check=True, capture_output=True, text=True).stdout


def screen_of(command: str, seconds: float = 120) -> str:
    """The screen, with its escape codes, once the command has ended."""
    with tempfile.TemporaryDirectory() as folder:
        done = Path(folder) / "done"
        shown = f"printf %s {shlex.quote(PROMPT + command)}; echo; {command}; touch {done}; sleep 60"
        tmux(
            "new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), f"COLORTERM=truecolor sh -c {shlex.quote(shown)}"
        )
        try:
            limit = time.monotonic() + seconds
            while not done.exists() and time.monotonic() < limit:
                time.sleep(0.2)
            time.sleep(0.3)
            return tmux("capture-pane", "-e", "-p").rstrip()
        finally:
            tmux("kill-server")


def main() -> None:
    out, *command = sys.argv[1:]
    text = Text.from_ansi(screen_of(shlex.join(command)))
    console = Console(record=True, width=COLUMNS, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(text)
    Path(out).write_text(console.export_svg(title="ernie", clear=False))


if __name__ == "__main__":
    main()
