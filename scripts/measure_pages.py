"""Whether long documents are read in flat memory, and survive being killed: `python scripts/measure_pages.py FILE.pdf`.

Runs `ernie doc` on the file as a process of its own, with the built-in model, one seed and few tokens a page. First to
the end, noting the most memory each page took (Linux: the peak is reset after each page). Then again, killed with
SIGKILL at random moments and resumed: every page file that was there must still be the same file afterwards, and the
document the same as in the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def start(file: str, out: Path, tokens: int, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ernie_cli", "doc", file, "-o", f"{out}/", "--resume", "--seed", "1"]
    command += ["--max-tokens", str(tokens), "--quiet", *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def done(out: Path) -> dict[str, int]:
    """The page files there are, and which file each is."""
    return {path.name: path.stat().st_ino for path in out.glob("*/page-*.md")}


def peak_mb(pid: int) -> float:
    """The most resident memory since the last call, which it resets."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return int(line.split()[1]) / 1024


def watch(running: subprocess.Popen[bytes], out: Path) -> list[float]:
    """The peak of each page."""
    peaks: list[float] = []
    while running.poll() is None:
        if len(done(out)) > len(peaks):
            peaks.append(round(peak_mb(running.pid), 1))
        time.sleep(0.01)
    return peaks


def kill_and_resume(file: str, out: Path, tokens: int, kills: int, pages: int) -> dict[str, int]:
    """How many pages were made again, or lost."""
    again = lost = 0
    before: dict[str, int] = {}
    for at in range(kills + 1):
        running = start(file, out, tokens)
        wanted = len(before) + random.randint(1, max(1, (pages - len(before)) // (kills - at + 1)))
        while at < kills and running.poll() is None and len(done(out)) < wanted:
            time.sleep(0.01)
        if at < kills:
            time.sleep(random.random() * 0.3)
            os.kill(running.pid, signal.SIGKILL)
        running.wait()
        after = done(out)
        again += sum(name in after and after[name] != inode for name, inode in before.items())
        lost += sum(name not in after for name in before)
        before = after
    return {"kills": kills, "pages_made_again": again, "pages_lost": lost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="with a range, as in manual.pdf#1-60")
    parser.add_argument("--tokens", type=int, default=24, help="a page")
    parser.add_argument("--kills", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        peaks = watch(start(options.file, whole, options.tokens), whole)
        pages = done(whole)
        figures = {"pages": len(pages), "peak_mb": {at: peaks[at - 1] for at in (4, 40) if at <= len(peaks)}}
        resumed = kill_and_resume(options.file, killed, options.tokens, options.kills, len(pages))
        (first,), (second,) = ([*out.glob("*/document.md")] for out in (whole, killed))
        same = first.read_text() == second.read_text()
        print(json.dumps({**figures, **resumed, "same_document": same, "most_mb": max(peaks)}, indent=2))


if __name__ == "__main__":
    main()
