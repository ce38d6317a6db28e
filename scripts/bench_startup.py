"""How long `ernie --help` takes beside the imports it cannot do without: prints medians and their ratio."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ERNIE = str(Path(sys.executable).with_name("ernie"))
FLOOR = [sys.executable, "-c", "import typer, rich.console"]
COMMANDS = {
    "ernie --help": [ERNIE, "--help"],
    "ernie ask --help": [ERNIE, "ask", "--help"],
}
RUNS = 10


def once(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Runs take turns, so that whatever else the machine does meets all of them alike."""
    everything = {"import typer, rich.console": FLOOR, **COMMANDS}
    times: dict[str, list[float]] = {name: [] for name in everything}
    for command in everything.values():
        once(command)  # warm the disk cache
    for _ in range(RUNS):
        for name, command in everything.items():
            times[name].append(once(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    floor = medians["import typer, rich.console"]
    for name, median in medians.items():
        print(f"{name:<28} {median * 1000:6.0f} ms  {median / floor:4.2f}x")


if __name__ == "__main__":
    main()
