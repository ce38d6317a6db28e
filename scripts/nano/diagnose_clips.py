"""What the tokens of held-out clips know, of a training's state: `python scripts/nano/diagnose_clips.py`.

The heads of `moments.py` are asked about parts of clips as a search looks at them: which digits of clocks lie on a
token, what has changed, and between which two frames. A token shows two frames, and what changed in the first of them
can only be known from the token before it: the figures, each with how many were asked, are given for each.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random

import torch
from batches import collate
from curriculum import BUDGETS, CLIPS
from data import HELD_OUT
from data.video import look_sample
from heads import IGNORED, LAYER, scaled, split
from moments import CHANGES, DIGITS, EARLY, LATE, MOST, STAGES, TOLD, Filmed
from moments import FRAMES as SHOWN
from places import KINDS
from torch import Tensor
from trainer import ROOT, Trainer

PLACES = ("first", "second")  # frames of a token


@torch.no_grad()
def right(trainer: Trainer, seeds: range, frames: int) -> dict[str, list[Tensor]]:
    """By figure, which answers are right, of clips drawn from `seeds`, each with so many frames."""
    found: dict[str, list[Tensor]] = {}
    for seed in seeds:
        random = Random(HELD_OUT + seed)
        batch = collate([look_sample(random, *random.choice(CLIPS), frames, 0)], trainer.tokenizer, BUDGETS)
        assert isinstance(batch.asked, Filmed)
        looked, heads = trainer.look(batch), trainer.heads[Filmed.HEADS]
        state = looked.states[LAYER][:, batch.layout.medium]
        early, late = split(heads.early(scaled(looked.seen)), EARLY), split(heads.late(scaled(state)), LATE)
        for name, hits in _hits(early["clocks"], late, batch.asked).items():
            found.setdefault(name, []).append(hits)
    return found


def _hits(clocks: Tensor, late: dict[str, Tensor], asked: Filmed) -> dict[str, Tensor]:
    hits = {}
    for name, answers in {"digits read": clocks, "digits read in the decoder": late["clocks"]}.items():
        read = answers.unflatten(-1, (SHOWN * DIGITS, 10)).argmax(-1)
        hits[name] = (read == asked.read)[asked.read != IGNORED]
    told = (late["told"].unflatten(-1, (TOLD, MOST)).argmax(-1) == asked.told).all(-1)
    hits["which pair of frames it is"] = (late["pair"].argmax(-1) == asked.pair).flatten()
    stood = torch.stack([part.argmax(-1) for part in late["stood"].split(KINDS, dim=-1)], dim=-1) == asked.stood
    hits["things of the frame before"] = stood.all(-1)[asked.stood[..., 1] != IGNORED]
    known = (asked.told != IGNORED).all(-1)
    happened = asked.happened
    hits["both frames, nothing happened"] = told[known & ~happened.any(-1)]
    for place, name in enumerate(PLACES):
        only = happened[..., place] & ~happened[..., 1 - place]
        hits[f"both frames, happened in the {name} frame"] = told[known & only]
    for what, (names, expected) in {"changes": (CHANGES, asked.changes), "stages": (STAGES, asked.stages)}.items():
        answers = late[what].unflatten(-1, (SHOWN, len(names))).argmax(-1)
        for place, name in enumerate(PLACES):
            for number, said in enumerate(names):
                if number or what == "changes":
                    hits[f"{said}, {name} frame"] = (answers == number)[..., place][expected[..., place] == number]
    return hits


def arguments(
    description: str | None, limit: int, frames: int | None = None, switch: str | None = None
) -> argparse.Namespace:
    """Which training's state is looked at, and how many media; clips if it is also asked for `frames`.

    Where no folder is named and none is there, it is the checkpoint in the package. A `switch` is off where it is not
    given.
    """
    usual = ROOT / "runs" / "nano"
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=usual, help="of a training's state; else runs/nano, or the package"
    )
    parser.add_argument("--limit", type=int, default=limit, help="how many media")
    if frames:
        parser.add_argument("--frames", type=int, default=frames, help="of a clip")
    if switch:
        parser.add_argument(f"--{switch}", action="store_true")
    options = parser.parse_args()
    if options.folder != usual and not (options.folder / "state.pt").exists():
        parser.error(f"{options.folder} holds no state of a training")
    return options


def main() -> None:
    options = arguments(__doc__, limit=100, frames=16)
    found = right(Trainer(options.folder, 0.0), range(options.limit), options.frames)
    figures = {name: torch.cat(hits) for name, hits in found.items()}
    print(
        json.dumps(
            {name: [round(h.float().mean().item(), 3), len(h)] for name, h in figures.items() if len(h)}, indent=2
        )
    )


if __name__ == "__main__":
    main()
