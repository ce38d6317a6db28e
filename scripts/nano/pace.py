"""How long a training goes on and at which rate, what it tells of itself meanwhile, and when it is saved."""

from __future__ import annotations

import argparse
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from memory import trim
from trainer import RANK, ROOT, WORLD, Trainer

NOTE_EVERY, SAVE_EVERY = 30, 180  # seconds


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What all trainings are told: how long, where their state is, and how fast they learn."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="stop after this long")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "nano")
    parser.add_argument("--peak", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--decay-minutes", type=float, default=0, help="lower the rate to zero over the last minutes")
    return parser


@contextmanager
def kept(trainer: Trainer) -> Iterator[None]:
    """However the training within ends, it is saved; stopped from outside or by a key, it ends quietly."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print("Stopped; saving.")
    finally:  # also if the other process was stopped first
        trainer.save()
        signal.signal(signal.SIGTERM, before)


class Pace:
    """The steps of a training, until its minutes are over: each is a part of the peak rate, 1 until it decays.

    What is told of the steps by `tell` goes to the log, on average, every half minute, behind what `head` says of the
    training then. It is saved every few minutes.
    """

    def __init__(self, trainer: Trainer, options: argparse.Namespace, head: Callable[[], dict[str, Any]]) -> None:
        self._trainer, self._options, self._head = trainer, options, head
        self._recent: dict[str, list[float]] = {}

    def tell(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._recent.setdefault(name, []).append(value)

    def __iter__(self) -> Iterator[float]:
        options = self._options
        begun = saved = noted = time.monotonic()
        while (spent := _agreed(time.monotonic() - begun) / 60) < options.minutes:
            left = (options.minutes - spent) / options.decay_minutes if options.decay_minutes else 1.0
            yield min(1.0, left)
            if time.monotonic() - noted > NOTE_EVERY:
                noted = time.monotonic()
                trim()
                self._note(spent)
            if time.monotonic() - saved > SAVE_EVERY:
                saved = time.monotonic()
                self._trainer.save()

    def _note(self, minutes: float) -> None:
        means = {name: round(sum(values) / len(values), 4) for name, values in self._recent.items() if any(values)}
        self._recent = {}
        if RANK:
            return
        record = json.dumps({**self._head(), "minutes": round(minutes, 1), **means})
        self._options.folder.mkdir(parents=True, exist_ok=True)
        with (self._options.folder / "log.jsonl").open("a") as file:
            file.write(record + "\n")
        print(record, flush=True)


def _agreed(seconds: float) -> float:
    """The first process's clock, so that all stop at the same step."""
    if WORLD == 1:
        return seconds
    clock = torch.tensor(seconds, dtype=torch.float64)
    dist.broadcast(clock, 0)
    return float(clock)
