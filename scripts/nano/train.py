"""Trains ernie-nano, resumable at any time: `python scripts/nano/train.py --minutes 60`.

State is kept in `runs/nano/` (weights, optimizers, step) and written every few minutes; starting again goes on from it,
the first time from the checkpoint in the package (`--fresh`: from nothing).
`--export DIR` writes the weights so far as a checkpoint in the hub's layout and stops. On an otherwise idle machine,
`torchrun --nproc-per-node 2 scripts/nano/train.py` trains with a process a core, each with batches of its own. On a
GPU, `--device cuda --workers 14 --times 8` learns from batches eight times as large, which other processes draw.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import Random

import torch.distributed as dist
from batches import moved
from curriculum import MIX, Curriculum
from network import compile_parts
from pace import Pace, arguments, kept
from reels import Reels
from supply import Supply
from trainer import RANK, WORLD, Trainer

LOGGED = ("", ", shown", ", pointed", ", eyes", ", decoder", ", seconds")  # of each job


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--jobs", help="only these jobs, such as 'ask ground=0.8': with these shares, or their own")
    parser.add_argument("--seed", default="", help="draw other samples than a training that began at the same step")
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
    jobs, seed = options.jobs.split() if options.jobs else list(MIX), f"{trainer.step} {options.seed}"
    reels = Reels(trainer.see, Random(f"{seed} {RANK}")) if options.keep_eyes else None

    def curriculum(worker: int) -> Curriculum:
        return Curriculum(f"{seed} {worker}", jobs, RANK, reels, options.times)

    supply = Supply(curriculum, trainer.tokenizer, trainer.learned, options.workers)
    with kept(trainer):
        train(trainer, supply, options)


def train(trainer: Trainer, supply: Supply, options: argparse.Namespace) -> None:
    """Learns batch after batch until the time is up."""
    pace = Pace(trainer, options, lambda: {"step": trainer.step, "pictures": trainer.learned.total()})
    for scale in pace:
        if not trainer.alone:
            compile_parts()
        supply.tell(trainer.learned)
        job, batch = supply.draw()
        batch, drawn = moved(batch, trainer.device), time.monotonic()
        values = (*trainer.learn(job, batch, scale), time.monotonic() - drawn)
        pace.tell({job + what: value for what, value in zip(LOGGED, values, strict=True)})


if __name__ == "__main__":
    sys.exit(main())
