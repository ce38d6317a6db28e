"""How a training's words come to say when something happens: `python scripts/nano/diagnose_times.py`.

Held-out parts of clips are asked as the job `times` does. For the start and the end of each kind of event: how much of
the taught heads' attention is on tokens that know which frame has the time (`looked`, by `pointing.py`), at how many of
these the heads of `moments.py` tell it (`known`), how many of the words then tell it (`told`), how much of their
attention is on the digits (`read`), and how often all eight of these are said right (`said`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pointing
import torch
from batches import collate
from curriculum import CLIPS, FRAMES, PICTURES, timed_sample
from data import HELD_OUT, Sample
from data.scenes import SHAPES
from diagnose_clips import arguments
from moments import DIGITS, LATE, MOST, TOLD, Filmed
from places import LAYER, scaled, split
from train import Trainer

Figure = tuple[str, float, float, float, float, float]  # what is asked for; looked, known, told, read and said


@torch.no_grad()
def times(trainer: Trainer, sample: Sample) -> Iterator[Figure]:
    """Each time that is to be said about a clip, and how that goes."""
    batch = collate([sample], trainer.tokenizer, PICTURES, FRAMES)
    asked, pointed, layout = batch.asked, batch.pointed, batch.layout
    assert isinstance(asked, Filmed)
    assert pointed
    looked = trainer.look(batch)
    found, _ = pointing.found(looked.looks, pointed, layout.medium.start)
    on_digits, _ = pointing.read(looked.looks, pointed, layout.medium.start)
    late = split(trainer.heads[Filmed.HEADS].late(scaled(looked.states[LAYER][:, layout.medium])), LATE)
    told = late["told"].view(-1, TOLD, MOST).argmax(-1)
    words = pointing.words(looked.states[pointing.FIND_LAYER], pointed, layout)
    numbered = (trainer.heads[Filmed.HEADS].words(scaled(words)).argmax(-1) == pointed.number).float()

    said = torch.nn.functional.linear(looked.hidden[:, layout.prefix :], trainer.model.lm_head.weight).argmax(-1)
    said, wanted = (part.view(layout.branches, -1) for part in (said, batch.targets[:, layout.prefix :]))
    right = (said == wanted)[pointed.branch, pointed.token].view(-1, DIGITS).all(-1)
    so_far: Counter[int] = Counter()
    for index, hit in enumerate(right.tolist()):
        digits = slice(index * DIGITS, (index + 1) * DIGITS)
        branch, targets = int(pointed.branch[digits.start]), pointed.targets[digits.start]
        known = (told == pointed.number[digits.start]).any(-1)[targets].float().mean()
        edge = ("start", "end")[so_far[branch] % 2]
        so_far[branch] += 1
        event = f"{_verb(sample.questions[branch].text)}, {edge}"
        of_words = (float(part[digits].mean()) for part in (numbered, on_digits))
        yield event, float(found[digits].mean()), float(known), *of_words, float(hit)


def _verb(event: str) -> str:
    shape = next(shape for shape in SHAPES if shape in event)
    return event.partition(shape)[2].split()[0]


def main() -> None:
    options = arguments(__doc__, limit=60)
    trainer = Trainer(options.folder, 0.0)
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(options.limit):
        random = Random(HELD_OUT + seed)
        for event, *figures in times(trainer, timed_sample(random, *random.choice(CLIPS), options.frames)):
            found.setdefault(event, []).append(tuple(figures))
    print(f"{'':>16}{'looked':>8}{'known':>8}{'told':>8}{'read':>8}{'said':>8}{'asked':>8}")
    for event, rows in sorted(found.items()):
        figures = "".join(f"{figure:8.2f}" for figure in torch.tensor(rows).mean(0).tolist())
        print(f"{event:>16}{figures}{len(rows):8}")


if __name__ == "__main__":
    main()
