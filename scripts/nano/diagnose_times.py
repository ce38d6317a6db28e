"""How a training's words come to say when something happens: `python scripts/nano/diagnose_times.py`.

Held-out parts of clips are asked as the job `times` does. For the start and the end of each kind of event: how much of
the taught heads' attention is on tokens that know which frame has the time (`looked`, by `pointing.py`), at how many of
these the heads of `moments.py` tell it (`known`), how many of the words then tell it (`told`), how much of their
attention is on the digits (`read`), and how often all eight of these are said right (`said`). Before that, `whether` it
happens: how much is looked where that is known, and how often it is said right.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from random import Random

import pointing
import torch
from batches import collate
from curriculum import BUDGETS, CLIPS, timed_sample
from data import HELD_OUT, Sample
from data.scenes import SHAPES
from diagnose_clips import arguments
from heads import LAYER, scaled, split
from moments import DIGITS, LATE, MOST, TOLD, Filmed
from trainer import Trainer

Figure = tuple[str, float, float, float, float, float]  # what is asked for; looked, known, told, read and said


@torch.no_grad()
def times(trainer: Trainer, sample: Sample) -> Iterator[Figure]:
    """Each time that is to be said about a clip, and whether there is one, and how that goes."""
    batch = collate([sample], trainer.tokenizer, BUDGETS)
    asked, pointed, layout = batch.asked, batch.pointed, batch.layout
    assert isinstance(asked, Filmed)
    assert pointed
    looked = trainer.look(batch)
    found, _ = pointing.found(looked.looks, pointed, layout.medium.start)
    on_digits = torch.zeros_like(found)
    on_digits[pointed.digits] = pointing.read(looked.looks, pointed, layout.medium.start)[0]
    late = split(trainer.heads[Filmed.HEADS].late(scaled(looked.states[LAYER][:, layout.medium])), LATE)
    told = late["told"].view(-1, TOLD, MOST).argmax(-1)
    words = pointing.words(looked.states[pointing.FIND_LAYER], pointed, layout)
    numbered = (trainer.heads[Filmed.HEADS].words(scaled(words)).argmax(-1) == pointed.number).float()

    said = torch.nn.functional.linear(looked.hidden[:, layout.prefix :], trainer.model.lm_head.weight).argmax(-1)
    said, wanted = (part.view(layout.branches, -1) for part in (said, batch.targets[:, layout.prefix :]))
    right = (said == wanted)[pointed.branch, pointed.token]
    for branch in range(layout.branches):
        verb, here = _verb(sample.questions[branch].text), pointed.branch == branch
        verdict, happens = (here & ~pointed.digits).nonzero()[:, 0], bool((here & pointed.digits).any())
        hit = float(right[verdict].all())
        yield f"{verb}{'' if happens else ' not'}, whether", float(found[verdict].mean()), nan, nan, nan, hit
        for index, digits in enumerate((here & pointed.digits).nonzero().view(-1, DIGITS)):
            targets = pointed.targets[digits[0], 1:]
            known = (told == pointed.number[digits[0]]).any(-1)[targets].float().mean()
            of_words = (float(part[digits].mean()) for part in (numbered, on_digits))
            event = f"{verb}, {('start', 'end')[index % 2]}"
            yield event, float(found[digits].mean()), float(known), *of_words, float(right[digits].all())


def _verb(event: str) -> str:
    shape = next(shape for shape in SHAPES if shape in event)
    return event.partition(shape)[2].split()[0]


def main() -> None:
    options = arguments(__doc__, limit=60, frames=16)
    trainer = Trainer(options.folder, 0.0)
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(options.limit):
        random = Random(HELD_OUT + seed)
        for event, *figures in times(trainer, timed_sample(random, *random.choice(CLIPS), options.frames)):
            found.setdefault(event, []).append(tuple(figures))
    print(f"{'':>20}{'looked':>8}{'known':>8}{'told':>8}{'read':>8}{'said':>8}{'asked':>8}")
    for event, rows in sorted(found.items()):
        figures = "".join(f"{figure:8.2f}" for figure in torch.tensor(rows).mean(0).tolist())
        print(f"{event:>20}{figures}{len(rows):8}")


if __name__ == "__main__":
    main()
