"""Thoughts about pages with slips in them: what the model gets wrong about a line is not to cost the rest.

Told only true thoughts, a model learns to trust what it has said before; its own thoughts then go on from what they
have miscounted or mistaken, and on to the wrong lines (exposure bias; Ranzato et al. 2016, arXiv 1511.06732). After a
slip, what follows is as true as ever, and the slip itself is not learned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from random import Random

from data import Address, Question
from data.ask import NUMBERS
from data.pages import counted
from data.reading import FINDS

# How often ernie-nano takes a line for another, and miscounts before it has seen the lines, or a little more often.
MISTAKEN, MISCOUNTED = 0.06, 0.2
TWICE = 0.06  # and finds the same once more than is asked for: some of its thoughts found nothing else from there on
COUNT = re.compile(rf"\b({'|'.join(NUMBERS)}) (row|point|line)s?(?= of|\.)")
LINES = (" heading", " total", " item", " row", " line", " head")  # what lines are taken for, beside each other


def slipped(random: Random, question: Question, mistaken: float = MISTAKEN, miscounted: float = MISCOUNTED) -> Question:
    """The same with some lines of its thought taken for others, and at times a wrong count; `slips` tells where."""
    if not question.cited:
        return question
    parts = list(_parts(question))
    kinds = [text for text, _, what in parts if what == "line"]
    said, cited, slips = "", list[Address | None](), list[tuple[int, int]]()
    for text, address, what in parts:
        other = text
        if what == "line" and random.random() < mistaken:
            other = random.choice([*kinds, *LINES])
        elif what == "count" and random.random() < miscounted:
            noun = text.split()[1].removesuffix("s")
            other = counted(random.randint(1, min(len(kinds) + 2, len(NUMBERS) - 1)), noun)
        if other != text:
            slips.append((len(said), len(said) + len(other)))
        said += other
        cited += [address] * len(other)
    return replace(question, thought=said, cited=tuple(cited), slips=tuple(slips))


def stammered(random: Random, question: Question, twice: float = TWICE) -> Question:
    """The same with some of what its thought finds said twice, the second time as a slip."""
    if not question.cited:
        return question
    said, cited, slips = question.thought, list(question.cited), list(question.slips)
    for match in reversed(list(FINDS.finditer(said))):
        if random.random() < twice:
            (begin, end), (_, at) = match.span(1), match.span()
            more = f",{said[begin:end]}"
            slips = [(b + len(more) * (b >= at), e + len(more) * (b >= at)) for b, e in slips]
            slips.append((at, at + len(more)))
            cited[at:at] = [None, *cited[begin:end]]
            said = said[:at] + more + said[at:]
    return replace(question, thought=said, cited=tuple(cited), slips=tuple(sorted(slips)))


def _parts(question: Question) -> Iterator[tuple[str, Address | None, str]]:
    """A thought in parts, each with where it is read and what it says: what a line is, a count, or anything else."""
    assert question.cited
    for address, group in groupby(zip(question.thought, question.cited, strict=True), lambda one: one[1]):
        text = "".join(letter for letter, _ in group)
        if address:
            yield text, address, "" if text == "," or text.strip().isdigit() else "line"
        elif count := COUNT.search(text):
            yield text[: count.start()], None, ""
            yield count[0], None, "count"
            yield text[count.end() :], None, ""
        else:
            yield text, None, ""
