"""Which letters the eyes read, of a training's state: `python scripts/nano/diagnose_letters.py`.

The head of `places.py` that is asked for the characters on a token is asked about held-out pages full of print. The
figures are the shares of cells that are right, each with how many there were, by what is printed there, and by how wide
it is: from its middle to that of its neighbor, in patches. With `--charts` they are asked about charts instead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import torch
from batches import collate
from curriculum import BUDGETS, CHARTS, PAGE
from data import HELD_OUT, Letter, Sample
from data.chart import chart_sample
from data.doc import print_sample
from data.scenes import draw_size
from diagnose_clips import arguments
from places import Asked
from printed import CHARACTERS, PATCHES, SLOTS, Printed
from torch import Tensor
from trainer import Trainer

WIDTHS = (0, 0.4, 0.6, 0.8, 1, 1.5, 5)  # patches
KINDS = {"digits": str.isdigit, "small letters": str.islower, "capitals": str.isupper}


@torch.no_grad()
def answers(trainer: Trainer, seeds: range, *, charts: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """What is read in the cells of pages drawn from `seeds`, or of `charts`, what is printed there, and how wide.

    Each is (cells,). 0 is nothing, which has no width either, nor has what stands alone.
    """
    read, printed, wide = [], [], []
    for seed in seeds:
        random = Random(HELD_OUT + seed)
        sample = _sample(random, charts=charts)
        batch = collate([sample], trainer.tokenizer, BUDGETS)
        assert isinstance(batch.asked, Asked)
        assert batch.asked.printed
        assert batch.pixels is not None
        seen = trainer.see(batch.pixels, batch.grid)
        read.append(trainer.heads[Asked.HEADS].print.read(seen).flatten())
        printed.append(batch.asked.printed.letters.flatten())
        wide.append(_widths(sample.letters or (), batch.asked.printed, batch.grid[2]))
    return torch.cat(read), torch.cat(printed), torch.cat(wide)


def _sample(random: Random, *, charts: bool) -> Sample:
    return chart_sample(random, *random.choice(CHARTS), 1) if charts else print_sample(random, *draw_size(random, PAGE))


def _widths(letters: Sequence[Letter], printed: Printed, patches: int) -> Tensor:
    """How wide what is printed in the cells of a page is that has so many `patches` side by side."""
    middles = {(letter.line, letter.column): letter.x for letter in letters}
    wide = torch.zeros(printed.letters[0].numel()).view(-1, PATCHES, SLOTS)
    for (line, column), place in printed.at[0].items():
        beside = next((x for by in (1, -1) if (x := middles.get((line, column + by)))), None)
        if beside is not None and (line, column) in middles:
            wide[place] = abs(beside - middles[line, column]) * patches
    return wide.flatten()


def shares(read: Tensor, printed: Tensor, wide: Tensor) -> dict[str, tuple[float, int]]:
    """Of each kind of character, and of each width, the share of cells that are read as what is `printed`; how many."""
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
    for low, high in pairwise(WIDTHS):
        hits = (read == printed)[(wide > low) & (wide <= high)]
        if len(hits):
            found[f"{low:g} to {high:g} patches wide"] = round(hits.float().mean().item(), 3), len(hits)
    return found


def main() -> None:
    options = arguments(__doc__, limit=100, switch="charts")
    found = answers(Trainer(options.folder, 0.0), range(options.limit), charts=options.charts)
    print(json.dumps(shares(*found), indent=2))


if __name__ == "__main__":
    main()
