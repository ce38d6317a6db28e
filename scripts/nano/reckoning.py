"""Which digits a word that is about to say a number reckons it from, taught to the decoder's attention.

A thought about a chart says of each bar that is not labelled how its value follows from where it ends: `1 at 053 019,
104 of 94, 111%, 3300`; or, where the axis begins with 200, `45%, 200 + 180 = 380`. Each of these numbers is reckoned
from two others, and a word that does not look at all of their digits cannot know whether one is to be carried: by
itself, subtraction learned to look at the digit it was about to say and at no lower one. So one layer's heads look at
the digits of the two numbers, one each. Nothing of it is part of the checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from heads import IGNORED
from pointing import Words, joined, missing
from torch import Tensor

LAYER = 2  # of the decoder: before what is done by others, and with layers behind it to reckon in
DIGITS = 3  # of a number that heads look at: those of the first of two, and behind them those of the second
AXIS = re.compile(r" from ([\d.]+) at (\d{3}) to ([\d.]+) at (\d{3})(?:, ([\d.]+) more)?\.")
# Of a bar, or a point; in between, on an axis that does not begin with 0, how much more than its lowest number.
END = re.compile(r" at (\d{3}) (\d{3}), (-?\d+) of (\d+), (-?\d+)%, (?:[\d.]+ [+-] ([\d.]+) = )?([\d.]*\d)")

Span = tuple[int, int]


@dataclass(frozen=True)
class Reckoned(Words):
    """Which words are about to say a number that follows from two others, or that it ends; one entry for each.

    `source` (entries, heads) is where their digits are, counted from the beginning of the branch, `IGNORED` that of one
    which a number lacks.
    """

    source: Tensor


def follow(text: str) -> Iterator[tuple[Span, Span, Span]]:
    """Where numbers are that follow from two others, and these, as spans of a text."""
    axis = AXIS.search(text)
    ends = list(END.finditer(text, axis.end())) if axis else []
    if axis and axis[5]:
        yield axis.span(5), axis.span(3), axis.span(1)
    for end in ends:
        assert axis
        place = 1 if int(axis[2]) < int(axis[4]) else 2  # across, or down
        yield end.span(3), end.span(place), axis.span(2)
        if end is ends[0]:  # all others say it again
            yield end.span(4), axis.span(4), axis.span(2)
        yield end.span(5), end.span(3), end.span(4)
        if end[6]:
            yield end.span(6), end.span(5), axis.span(5)
            yield end.span(7), end.span(6), axis.span(1)
        else:
            yield end.span(7), end.span(5), axis.span(3)


def reckon(branches: Sequence[Sequence[Sequence[str]]]) -> Reckoned:
    """For the pieces of each branch of each row."""
    entries = [
        (row, branch, token - 1, *sources)
        for row, its in enumerate(branches)
        for branch, pieces in enumerate(its)
        for token, sources in _sources(pieces).items()
    ]
    known = torch.tensor(entries, dtype=torch.long).view(len(entries), 3 + 2 * DIGITS)
    return Reckoned(*known[:, :3].unbind(-1), known[:, 3:])


def _sources(pieces: Sequence[str]) -> dict[int, list[int]]:
    """The tokens of the digits that a token is reckoned from, by its place."""
    text, owners = joined(pieces)
    return {
        owners[place]: [owners[digit] if digit >= 0 else IGNORED for other in others for digit in _digits(text, other)]
        for (begin, end), *others in follow(text)
        for place in range(begin, end + 1)
    }


def _digits(text: str, span: Span) -> list[int]:
    """Where the first digits of a number are, -1 for what it lacks in front."""
    places = [place for place in range(*span) if text[place].isdigit()][:DIGITS]
    return [-1] * (DIGITS - len(places)) + places


def missed_reckoned(looks: Sequence[Tensor], reckoned: Reckoned, prefix: int) -> Tensor:
    """How far off words look for the digits they reckon from, behind a prefix of so many tokens: as `missed`."""
    attention = looks[LAYER][reckoned.row, :, reckoned.branch, reckoned.token].float()
    wanted = reckoned.source != IGNORED
    places = prefix + reckoned.source.masked_fill(~wanted, 0)
    return missing([attention.gather(2, places[..., None]).squeeze(2)[wanted]])
