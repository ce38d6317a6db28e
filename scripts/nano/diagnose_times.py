"""How a training's words come to say when something happens: `python scripts/nano/diagnose_times.py`.

Held-out parts of clips are asked as the job `times` does. For the start and the end of each kind of event: how much of
the taught heads' attention is on tokens that know the time (`looked`, by `pointing.py`), at how many of these the heads
of `moments.py` read it whole (`known`), and how often it is said right, digit for digit (`said`).
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
from moments import DIGITS, LATE, TOLD, Filmed
from places import LAYER, scaled, split
from train import Trainer

Figure = tuple[str, float, float, float]  # what is asked for; looked, known and said


@torch.no_grad()
def times(trainer: Trainer, sample: Sample) -> Iterator[Figure]:
    """Each time that is to be said about a clip, and how that goes."""
    batch = collate([sample], trainer.tokenizer, PICTURES, FRAMES)
    asked, pointed, layout = batch.asked, batch.pointed, batch.layout
    assert isinstance(asked, Filmed)
    assert pointed
    looked = trainer.look(batch)
    layers = [pointing.found(looked.looks[layer], pointed, layout.medium.start) for layer in pointing.LAYERS]
    found = torch.stack(layers).mean((0, 2))
    late = split(trainer.heads[Filmed.HEADS].late(scaled(looked.states[LAYER][:, layout.medium])), LATE)
    read = late["clocks"].view(-1, TOLD, DIGITS, 10).argmax(-1)

    said = torch.nn.functional.linear(looked.hidden[:, layout.prefix :], trainer.model.lm_head.weight).argmax(-1)
    said, wanted = (part.view(layout.branches, -1) for part in (said, batch.targets[:, layout.prefix :]))
    right = (said == wanted)[pointed.branch, pointed.token].view(-1, DIGITS).all(-1)
    digits = [int(trainer.tokenizer.decode([token])) for token in wanted[pointed.branch, pointed.token].tolist()]
    so_far: Counter[int] = Counter()
    for index, time in enumerate(torch.tensor(digits).view(-1, DIGITS)):
        first = index * DIGITS
        branch = int(pointed.branch[first])
        known = (read[pointed.targets[first]] == time).all(-1).any(-1).float().mean()
        edge = ("start", "end")[so_far[branch] % 2]
        so_far[branch] += 1
        event = f"{_verb(sample.questions[branch].text)}, {edge}"
        yield event, float(found[first : first + DIGITS].mean()), float(known), float(right[index])


def _verb(event: str) -> str:
    shape = next(shape for shape in SHAPES if shape in event)
    return event.partition(shape)[2].split()[0]


def main() -> None:
    options = arguments(__doc__, limit=60)
    trainer = Trainer(options.folder, 0.0)
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(options.limit):
        random = Random(HELD_OUT + seed)
        for event, *figures in times(trainer, timed_sample(random, *random.choice(CLIPS), options.frames)):
            found.setdefault(event, []).append(tuple(figures))
    print(f"{'':>16}{'looked':>8}{'known':>8}{'said':>8}{'asked':>8}")
    for event, rows in sorted(found.items()):
        looked, known, said = torch.tensor(rows).mean(0).tolist()
        print(f"{event:>16}{looked:8.2f}{known:8.2f}{said:8.2f}{len(rows):8}")


if __name__ == "__main__":
    main()
