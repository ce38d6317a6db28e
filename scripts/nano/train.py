"""Trains ernie-nano, resumable at any time: `python scripts/nano/train.py --minutes 60`.

State is kept in `runs/nano/` (weights, optimizers, step) and written every few minutes; starting again goes on from it,
the first time from the checkpoint in the package (`--fresh`: from nothing).
`--export DIR` writes the weights so far as a checkpoint in the hub's layout and stops. On an otherwise idle machine,
`torchrun --nproc-per-node 2 scripts/nano/train.py` trains with a process a core, each with batches of its own. On a
GPU, `--device cuda --workers 14 --times 8` learns from batches eight times as large, which other processes draw.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.distributed as dist
from batches import moved
from curriculum import MIX, Curriculum
from memory import trim
from network import compile_parts
from reels import Reels
from supply import Supply
from trainer import RANK, ROOT, WORLD, Trainer

LOGGED = ("", ", shown", ", pointed", ", eyes", ", decoder", ", seconds")  # of each job


def log(folder: Path, record: dict[str, Any]) -> None:
    if RANK:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(json.dumps(record), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="stop after this long")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "nano")
    parser.add_argument("--peak", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--decay-minutes", type=float, default=0, help="lower the rate to zero over the last minutes")
    parser.add_argument("--jobs", help="only these jobs, such as 'ask ground=0.8': with these shares, or their own")
    parser.add_argument("--export", type=Path, help="write a checkpoint here and stop")
    parser.add_argument("--keep-eyes", action="store_true", help="teach the decoder alone: clips are seen but once")
    parser.add_argument("--looking", type=float, default=1, help="how many times as fast words learn where to look")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=0, help="draw batches in so many other processes")
    parser.add_argument("--times", type=int, default=1, help="how many times as large a batch is as on a CPU")
    parser.add_argument("--fresh", action="store_true", help="do not go on from the checkpoint in the package")
    options = parser.parse_args()
    if options.keep_eyes and options.workers:
        parser.error("--keep-eyes remembers what the eyes have made of clips, which --workers cannot ask")

    trainer = Trainer(
        options.folder,
        options.peak,
        fresh=options.fresh,
        eyes=not options.keep_eyes,
        looking=options.looking,
        device=options.device,
    )
    if options.export:
        trainer.export(options.export)
        return
    if WORLD > 1:
        dist.init_process_group("gloo")
    reels = Reels(trainer.see, Random(f"{trainer.step} {RANK}")) if options.keep_eyes else None
    jobs, begun = options.jobs.split() if options.jobs else list(MIX), trainer.step

    def curriculum(worker: int) -> Curriculum:
        seed = f"{begun} {worker}" if options.workers else begun
        return Curriculum(seed, jobs, RANK, reels, options.times)

    supply = Supply(curriculum, trainer.tokenizer, trainer.learned, options.workers)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped from outside, it saves all the same
    try:
        train(trainer, supply, options)
    except KeyboardInterrupt:
        print("Stopped; saving.")
    finally:  # also if the other process was stopped first
        trainer.save()


def agreed(seconds: float) -> float:
    """The first process's clock, so that all stop at the same step."""
    if WORLD == 1:
        return seconds
    clock = torch.tensor(seconds, dtype=torch.float64)
    dist.broadcast(clock, 0)
    return float(clock)


def train(trainer: Trainer, supply: Supply, options: argparse.Namespace) -> None:
    """Learns batch after batch until the time is up, saving every few minutes."""
    begun = saved = noted = time.monotonic()
    recent: dict[str, list[float]] = {}
    while (spent := agreed(time.monotonic() - begun) / 60) < options.minutes:
        if not trainer.alone:
            compile_parts()
        supply.tell(trainer.learned)
        job, batch = supply.draw()
        batch, drawn = moved(batch, trainer.device), time.monotonic()
        left = (options.minutes - spent) / options.decay_minutes if options.decay_minutes else 1.0
        values = (*trainer.learn(job, batch, min(1.0, left)), time.monotonic() - drawn)
        for what, value in zip(LOGGED, values, strict=True):
            recent.setdefault(job + what, []).append(value)
        if time.monotonic() - noted > 30:
            noted = time.monotonic()
            trim()
            means = {name: round(sum(values) / len(values), 4) for name, values in recent.items() if any(values)}
            log(
                options.folder,
                {"step": trainer.step, "pictures": trainer.learned.total(), "minutes": round(spent, 1), **means},
            )
            recent = {}
        if time.monotonic() - saved > 180:
            saved = time.monotonic()
            trainer.save()


if __name__ == "__main__":
    sys.exit(main())
