"""Which letters the eyes read, of a training's state: `python scripts/nano/diagnose_letters.py`.

The head of `places.py` that is asked for the characters on a token is asked about held-out pages full of print. The
figures are the shares of cells that are right, each with how many there were, by what is printed there.
"""

from __future__ import annotations

import json
from random import Random

import torch
from batches import collate
from curriculum import BUDGETS, PAGE
from data import HELD_OUT
from data.doc import print_sample
from data.scenes import draw_size
from diagnose_clips import arguments
from places import Asked
from printed import CHARACTERS
from torch import Tensor
from trainer import Trainer

KINDS = {"digits": str.isdigit, "small letters": str.islower, "capitals": str.isupper}


@torch.no_grad()
def answers(trainer: Trainer, seeds: range) -> tuple[Tensor, Tensor]:
    """What is read in the cells of pages drawn from `seeds`, and what is printed there: 0 for nothing, (cells,)."""
    read, printed = [], []
    for seed in seeds:
        random = Random(HELD_OUT + seed)
        batch = collate([print_sample(random, *draw_size(random, PAGE))], trainer.tokenizer, BUDGETS)
        assert isinstance(batch.asked, Asked)
        assert batch.asked.printed
        assert batch.pixels is not None
        seen = trainer.see(batch.pixels, batch.grid)
        read.append(trainer.heads[Asked.HEADS].print.read(seen).flatten())
        printed.append(batch.asked.printed.letters.flatten())
    return torch.cat(read), torch.cat(printed)


def shares(read: Tensor, printed: Tensor) -> dict[str, tuple[float, int]]:
    """Of each kind of character, the share of cells that are read as what is `printed`, and how many there are."""
    kinds = {
        name: [number for number, one in enumerate(CHARACTERS, 1) if is_one(one)] for name, is_one in KINDS.items()
    }
    named = {number for numbers in kinds.values() for number in numbers}
    kinds["other characters"] = [number for number in range(1, len(CHARACTERS) + 1) if number not in named]
    kinds["nothing"] = [0]
    found = {}
    for name, numbers in {"all characters": list(range(1, len(CHARACTERS) + 1)), **kinds}.items():
        hits = (read == printed)[torch.isin(printed, torch.tensor(numbers))]
        if len(hits):
            found[name] = round(hits.float().mean().item(), 3), len(hits)
    return found


def main() -> None:
    options = arguments(__doc__, limit=100)
    print(json.dumps(shares(*answers(Trainer(options.folder, 0.0), range(options.limit))), indent=2))


if __name__ == "__main__":
    main()
