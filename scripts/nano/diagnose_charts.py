"""How a training's words come to read a chart: `python scripts/nano/diagnose_charts.py`.

Held-out charts are to be told as tables, and each word is asked for after what is true: so a mistake counts where it is
made. Of thoughts, `reckoned` where values are read off an axis and `written` where they are written: the numbers of the
axis, places `across` and `down`, how far along the axis that is (`part` of the `whole`), in hundredths (`percent`), and
the `value`. Of answers, `again` is a value that the thought has said, `label` a category, by how its print lies.
`unseen` are the numbers of the job `reckon`. Each as its share that is `right` to the last character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random

import torch
from batches import branch, collate
from curriculum import BUDGETS, CHARTS, TINY
from data import HELD_OUT, Letter, Sample
from data.chart import reckoned_sample, sample_of
from data.chart_print import CATEGORIES
from data.plots import Chart, draw_chart
from diagnose_clips import arguments
from pointing import joined
from reckoning import AXIS, END
from trainer import Trainer

from ernie_cli.runtime.vision import PixelBudgets

Field = tuple[str, tuple[int, int]]  # what is said, and where in a text
WRITTEN = re.compile(r" at (\d{3}) (\d{3}), (\d[\d.]*)(?=[;.](?: |$))")
ROW = re.compile(r'\["([^"]+)", (\d[\d.]*)\]')
LEVEL = 0.01  # of the picture: print that goes up or down by more is turned


def of_thought(text: str) -> Iterator[Field]:
    """The numbers of a thought about a chart."""
    if axis := AXIS.search(text):
        names = ("low", "low at", "high", "high at", "span")
        yield from ((f"reckoned, {name}", axis.span(group)) for group, name in enumerate(names, 1) if axis[group])
        parts, pattern, kind = ("across", "down", "part", "whole", "percent", "above", "value"), END, "reckoned"
    else:
        parts, pattern, kind = ("across", "down", "value"), WRITTEN, "written"
    for found in pattern.finditer(text):
        yield from ((f"{kind}, {part}", found.span(group)) for group, part in enumerate(parts, 1) if found[group])


def of_answer(answer: str, chart: Chart) -> Iterator[Field]:
    """The categories and values of a table."""
    for row, found in enumerate(ROW.finditer(answer)):
        yield f"label, {_lies([one for one in chart.letters if one.line == CATEGORIES + row], chart)}", found.span(1)
        yield "again", found.span(2)


def _lies(label: Sequence[Letter], chart: Chart) -> str:
    heights = [letter.y for letter in label]
    if max(heights) - min(heights) > LEVEL:
        return "turned"
    return "of a pie" if chart.kind == "pie" else "beside a bar" if chart.horizontal else "below"


@torch.no_grad()
def said(trainer: Trainer, sample: Sample, budgets: PixelBudgets) -> tuple[str, list[bool]]:
    """A sample's first question with its thought and answer; and of each character, whether it would be said so."""
    batch = collate([sample], trainer.tokenizer, budgets)
    hidden, layout = trainer.look(batch).hidden, batch.layout
    best = torch.nn.functional.linear(hidden[0, layout.prefix :], trainer.model.lm_head.weight).argmax(-1)
    ids = branch(sample.questions[0], trainer.tokenizer).ids
    right = [True, *(best[: len(ids) - 1] == torch.tensor(ids[1:])).tolist()]
    text, owners = joined([trainer.tokenizer.decode([token]) for token in ids])
    return text, [right[owner] for owner in owners]


def figures(trainer: Trainer, seed: int) -> Iterator[tuple[str, bool]]:
    """What is to be said about a held-out chart, and whether it would be; and so about two that are not seen."""
    random = Random(HELD_OUT + seed)
    chart = draw_chart(random, *random.choice(CHARTS)).as_read()
    sample = sample_of(random, chart, 2)
    text, right = said(trainer, sample, BUDGETS)
    question = sample.questions[0]
    for part, fields in (
        (question.thought, of_thought(question.thought)),
        (question.answer, of_answer(question.answer, chart)),
    ):
        first = text.rindex(part)
        yield from ((what, all(right[first + begin : first + end])) for what, (begin, end) in fields)
    text, right = said(trainer, reckoned_sample(random), BUDGETS._replace(picture=TINY))
    for what, (begin, end) in of_thought(text):
        if what.endswith(("part", "whole", "percent", "above", "value")):
            yield what.replace("reckoned", "unseen"), all(right[begin:end])


def main() -> None:
    options = arguments(__doc__, limit=60)
    trainer = Trainer(options.folder, 0.0)
    found: dict[str, list[float]] = {}
    for seed in range(options.limit):
        for what, right in figures(trainer, seed):
            found.setdefault(what, []).append(float(right))
    print(f"{'':>20}{'right':>8}{'of':>8}")
    for what, rights in sorted(found.items()):
        print(f"{what:>20}{sum(rights) / len(rights):8.2f}{len(rights):8}")


if __name__ == "__main__":
    main()
