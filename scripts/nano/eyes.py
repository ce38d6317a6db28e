"""Teaches the eyes alone to read print: `python scripts/nano/eyes.py --minutes 60`.

Print takes a hundred thousand pages, and most of what a page costs in `train.py` is the decoder's work. Here the eyes
learn by themselves, from the heads right behind them (`printed.py`). What they make of drawn pictures and of clips is
to stay what the checkpoint in the package makes of them, so that its decoder still knows what it sees: every few steps
they are shown some, and held to that.

State is that of `train.py`, in the same folder, which goes on from there, as with `--keep-eyes`. `torchrun
--nproc-per-node 2` trains with a process a core here as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import torch
import torch.distributed as dist
from batches import Batch, collate
from curriculum import MIX, Curriculum
from network import compile_parts
from pace import Pace, arguments, kept
from places import Asked
from torch import Tensor
from torch.nn import functional as F
from trainer import RANK, WARMUP, WORLD, Trainer

from ernie_cli.runtime.checkpoint import NANO, find
from ernie_cli.runtime.loading import load
from ernie_cli.runtime.tokenizer import Tokenizer

# Jobs whose pictures and clips are to look as before, in turns: what is not shown for a hundred steps has changed then.
KEPT = (("places=0.6", "ask=0.3", "easy-vqa=0.1"), ("moments",))
PAGES = 4  # of a step
OTHERS = 2  # pictures of a step that are held to what they were; or one clip
HELD = 30.0  # how much it counts how far they are off; print counts 9 at first, that of letters and of marks
EVERY = 2  # steps


class Reader(Trainer):
    """Eyes that learn to read, beside what they made of all else: a `Trainer` that leaves the decoder alone."""

    def __init__(self, folder: Path, peak: float) -> None:
        super().__init__(folder, peak)
        self.former = load(find(NANO), "cpu").native.float().requires_grad_(False)

    def learn_print(self, pages: Batch, other: Batch | None, scale: float) -> dict[str, float]:
        """One step with pages about which nothing is asked, and with other media, which are to stay as they are.

        Gives what is read: the losses of what `PrintHeads` asks, the share of letters that are right, and how far off
        the others are, as a part of their mean square.
        """
        assert isinstance(pages.asked, Asked)
        assert pages.pixels is not None
        assert pages.asked.printed
        printed, head, patches = pages.asked.printed, self.heads[Asked.HEADS].print, list[Tensor]()
        seen = self.see(pages.pixels, pages.grid, patches)
        told = {
            "letters": head.wrong_letters(seen, printed),
            "marks": head.wrong_marks(patches[0], printed),
            "places": head.wrong_places(seen, printed),
            "ends": head.wrong_ends(patches[0], printed),
            "around": head.misplaced_early(seen, printed),
        }
        torch.stack([*told.values()]).sum().backward()
        said = {name: off.item() for name, off in told.items()}
        said["right"] = _right(head.read(seen), printed.letters)
        if other is not None:
            apart = self._apart(other)
            (HELD * EVERY * apart).backward()
            said["apart"] = apart.item()
        self._move([], self.peak * scale)
        # No step of the training: that begins with the heads alone, and most of them have learned nothing here.
        self.learned["letters"] += len(pages.ids) * WORLD
        return said

    def _apart(self, batch: Batch) -> Tensor:
        assert batch.pixels is not None
        with torch.no_grad():
            before = self.see(batch.pixels, batch.grid, of=self.former)
        return F.mse_loss(self.see(batch.pixels, batch.grid), before) / before.square().mean()


def _right(read: Tensor, printed: Tensor) -> float:
    return (read == printed)[printed > 0].float().mean().item()


def batches(curriculum: Curriculum, tokenizer: Tokenizer, most: int) -> Iterator[Batch]:
    """Endless media about which nothing is asked, as they are drawn last: so many pictures at once, or a clip."""
    while True:
        _, samples, budgets = curriculum.draw(dict.fromkeys(MIX, sys.maxsize))
        rows = 1 if samples[0].clip else most
        for at in range(0, len(samples), rows):
            yield collate([sample.silent() for sample in samples[at : at + rows]], tokenizer, budgets)


def main() -> None:
    options = arguments(__doc__).parse_args()
    reader = Reader(options.folder, options.peak)
    if WORLD > 1:
        dist.init_process_group("gloo")
    with kept(reader):
        learn(reader, options)


def learn(reader: Reader, options: argparse.Namespace) -> None:
    """Reads page after page until the time is up."""
    seed = reader.learned["letters"]
    pages = batches(Curriculum(f"print {seed}", ["letters"], RANK), reader.tokenizer, PAGES)
    kinds = [batches(Curriculum(f"others {seed}", jobs, RANK), reader.tokenizer, OTHERS) for jobs in KEPT]
    others = (next(kind) for kind in cycle(kinds))
    pace = Pace(reader, options, lambda: {"pages": reader.learned["letters"]})
    compile_parts()
    for number, scale in enumerate(pace):
        # What is held to what it was falls behind where the eyes move fast at once.
        warm = min(1.0, (number + 1) / WARMUP)
        pace.tell(reader.learn_print(next(pages), None if number % EVERY else next(others), scale * warm))


if __name__ == "__main__":
    sys.exit(main())
