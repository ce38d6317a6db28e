"""How a training's words come to say what is printed: `python scripts/nano/diagnose_pages.py`.

Held-out pages are told, and asked about, as the job `doc` does. For each kind of what is said: how often the token of
the page on which it lies knows which line that is and what it begins with there, by its column or as a letter of a
word (`known`, by the heads of `printed.py`), how often the word does that is about to say it (`line`, `column`, in
either way, and the two characters `before`), how much of the attention of the head for it is there (`looked`, by
`spelling.py`), and how often it is said right (`said`). `tell` rows are of transcriptions, `find` rows of answers. At
an `end` nothing is left of a line, at the `last` nothing of the page: `looked` is what the head for the next line
gives to where that begins, or to where nothing is said. (Of a chart, `last` is where no line has the next number.)
Thoughts (`think`) say what each line is (`name`), and on which an answer is found (`number`).

With `--charts` it is charts that are told as tables and asked about. Their thoughts say where something is: of these
places tokens must also know the digits (`known`).
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pointing
import torch
from batches import collate
from curriculum import BUDGETS, CHARTS
from data import HELD_OUT, Sample
from data.chart import TABLE, sample_of
from data.doc import TRANSCRIBE, doc_sample
from data.plots import draw_chart
from diagnose_clips import arguments
from heads import IGNORED, LAYER
from places import Asked
from printed import BEFORE, Place, Printed, PrintHeads
from spelling import shares
from torch import Tensor
from trainer import Trainer

from ernie_cli.runtime.prompt import END_THINK

LINES_OF_A_PAGE = 6
Figure = tuple[str, float, float, float, float, float, float]  # what is said; and `COLUMNS` of it
COLUMNS = ("known", "line", "column", "before", "looked", "said")


@torch.no_grad()
def letters(trainer: Trainer, sample: Sample) -> Iterator[Figure]:
    """Each character that is to be said of a page, and how that goes; one that lies nowhere is an end."""
    batch = collate([sample], trainer.tokenizer, BUDGETS)
    spelled, layout = batch.spelled, batch.layout
    assert isinstance(batch.asked, Asked)
    assert spelled
    printed = batch.asked.printed
    assert isinstance(printed, Printed)
    looked, heads = trainer.look(batch), trainer.heads[Asked.HEADS].print

    of_tokens = _right(heads.of_tokens(looked.states[LAYER][0, layout.medium]), printed.first, 0)
    told = _tells_digits(heads, looked.states[LAYER][:, layout.medium], printed)
    of_words = _right(heads.of_words(pointing.words(looked.states[LAYER], spelled, layout)), spelled.where)
    on_letters = torch.zeros(len(spelled.row))
    looked_at = shares(looked.looks, spelled, layout.medium, batch.repeated)
    on_letters[spelled.place != IGNORED], on_letters[spelled.place == IGNORED] = looked_at.letters, looked_at.ends

    said = torch.nn.functional.linear(looked.hidden[:, layout.prefix :], trainer.model.lm_head.weight).argmax(-1)
    said, wanted = (part.view(layout.branches, -1) for part in (said, batch.targets[:, layout.prefix :]))
    right = (said == wanted)[spelled.branch, spelled.token]
    thought = (wanted == trainer.tokenizer.id(END_THINK)).int().argmax(-1)[spelled.branch] > spelled.token
    for entry in range(len(spelled.row)):
        question = sample.questions[int(spelled.branch[entry])]
        place, patch = int(spelled.place[entry]), int(spelled.patch[entry])
        character = trainer.tokenizer.decode([int(wanted[spelled.branch[entry], spelled.token[entry]])])
        if place == IGNORED:
            kind, known = "last" if spelled.ahead[entry] == IGNORED else "end", 0.0
        else:
            kind = "letter" if character.isalpha() else "digit" if character.isdigit() else "other"
            known = float(of_tokens["line"][place, patch] & _found(of_tokens)[place, patch])
        what = f"{'tell' if question.text in (TRANSCRIBE, TABLE) else 'find'}, {kind}"
        if thought[entry]:
            what = f"think, {'number' if character.isdigit() else 'name'}"
            known *= told is None or place == IGNORED or bool(told[place])
        parts = (of_words["line"], _found(of_words), of_words["before"], on_letters, right)
        yield what, known, *(float(part[entry]) for part in parts)


def _tells_digits(heads: PrintHeads, states: Tensor, printed: Printed) -> Tensor | None:
    """Of the tokens of one picture, which know the place that is told of them, across and down, as it is said."""
    digits = printed.digits[0]
    if not (digits != IGNORED).any():
        return None
    return ((heads.tells(states)[0] == digits) | (digits == IGNORED)).all(-1)


def _right(said: dict[str, Tensor], wanted: Place, *page: int) -> dict[str, Tensor]:
    """Where what is known of a place is right; `page` is the index of one, if `wanted` are those of several."""
    right = {what: said[what].argmax(-1) == wanted[what][page] for what in said if what != "before"}
    before = said["before"].unflatten(-1, (BEFORE, -1)).argmax(-1) == wanted["before"][page]
    return right | {"before": before.all(-1)}


def _found(right: dict[str, Tensor]) -> Tensor:
    """Where the place in the line is known, in one way or the other."""
    return right["column"] | (right["word"] & right["letter"])


def _sample(random: Random, *, charts: bool) -> Sample:
    if charts:
        return sample_of(random, draw_chart(random, *random.choice(CHARTS)).as_read(), 4)
    return doc_sample(random, 224, 224, LINES_OF_A_PAGE, 4)


def main() -> None:
    options = arguments(__doc__, limit=40, switch="charts")
    trainer = Trainer(options.folder, 0.0)
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(options.limit):
        sample = _sample(Random(HELD_OUT + seed), charts=options.charts)
        for what, *figures in letters(trainer, sample):
            found.setdefault(what, []).append(tuple(figures))
    print(f"{'':>14}" + "".join(f"{name:>8}" for name in (*COLUMNS, "of")))
    for what, rows in sorted(found.items()):
        print(
            f"{what:>14}"
            + "".join(f"{figure:8.2f}" for figure in torch.tensor(rows).mean(0).tolist())
            + f"{len(rows):8}"
        )


if __name__ == "__main__":
    main()
