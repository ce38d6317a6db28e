"""Where a word that is about to say a letter of a page should look, taught to the decoder's attention.

A page is told letter by letter. Each word learns, by heads as in `printed.py`, which line of the page and which of
its characters it is about to say, and which come before that. Tokens know the same of the first character on each of
their patches, so a head that is asked for the second one of a patch can look for that whose first stands one column
before, or was said last: there is a head for each patch of a token, and for each of its slots. All others look before
the page, where nothing is said; but one, which is hardly needed for a letter, looks at where the next line begins:
words have to know at the end of a line whether there is one, and that there is none is seen by its looking nowhere.
(Where it looked at the last line again, a list that ended there went on for ever.) And of those before, one looks at
where their own line begins: which that is, of a field that is asked for, is told by the label there and by nothing
else.

What a thought has said of a chart, or of when something happens, its answer says again, and one head looks for where
that was. So does a thought about a page: what it finds is what the question names, in that order, and it has numbered
the lines.

What comes before a token in its line it has to learn from those to its left, so some heads of a page's tokens are
taught to look there. Nothing of it is part of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from data import Address
from heads import IGNORED
from pointing import Words, missing, short_of_enough
from printed import NUMBERS, SIDES, SLOTS, Place, Printed
from torch import Tensor

# Of the decoder, that words read with: left patches and right ones. They read what layer 3 hands on, which `printed.py`
# asks. In each, the first half of the heads is for the letters of the upper patch, the other for those of the lower.
LAYERS = (4, 5)
assert len(LAYERS) == SIDES
NOWHERE = (IGNORED,) * 3
AHEAD = (LAYERS[0], SIDES * SLOTS - 1)  # the layer and head that look at the next line: else for the third of a patch
BEGINS = (3, 0)  # that look at their own line, before what layer 3 hands on is asked for its number
AGAIN = (5, 0)  # that look at what has been said before
# Heads by which a page's tokens look left, of two layers, and how many tokens far. None of them is one that
# `pointing.py` teaches the tokens of clips.
LEFT = {2: {1: 1, 0: 2}, 3: {3: 1, 4: 2}}


@dataclass(frozen=True)
class Spelled(Words):
    """Which words are about to say something of a page; one entry for each.

    `where` is what is to be said, in the text. `place`, `patch` and `slot` are where that lies on the medium, `IGNORED`
    what lies nowhere: the end of a line, or of a long value that is not written. `begins` is the token on which the
    line begins, `ahead` that of the next one.
    """

    place: Tensor
    patch: Tensor
    slot: Tensor
    begins: Tensor
    ahead: Tensor
    where: Place


@dataclass(frozen=True)
class Repeated(Words):
    """Which words are about to say what has been said before; one entry for each.

    `source` is where that was, counted from the beginning of the branch.
    """

    source: Tensor


def repeat(again: Sequence[Sequence[Mapping[int, int]]]) -> Repeated:
    """For the tokens, of each branch of each row, that say what another one has said."""
    entries = [
        (row, branch, token - 1, source)
        for row, branches in enumerate(again)
        for branch, tokens in enumerate(branches)
        for token, source in tokens.items()
    ]
    return Repeated(*torch.tensor(entries, dtype=torch.long).view(len(entries), 4).unbind(-1))


def missed_again(looks: Sequence[Tensor], repeated: Repeated, prefix: int) -> Tensor:
    """How far off words look for what has been said before, behind a prefix of so many tokens: as `missed`."""
    layer, head = AGAIN
    attention = looks[layer][:, head][repeated.row, repeated.branch, repeated.token].float()
    return missing([attention.gather(1, prefix + repeated.source[:, None]).squeeze(1)])


def spell(read: Sequence[Sequence[Sequence[Address | None]]], printed: Printed) -> Spelled:
    """For what is read in each token, of each branch of each row."""
    entries = [
        # What a token says is decided by the one before.
        (
            *(row, branch, token - 1),
            *printed.at[row].get(address, NOWHERE),
            *(printed.at[row].get((line, 0), NOWHERE)[0] for line in (address[0], address[0] + 1)),
            *printed.where(row, *address),
        )
        for row, branches in enumerate(read)
        for branch, tokens in enumerate(branches)
        for token, address in enumerate(tokens)
        if address
    ]
    known = torch.tensor(entries, dtype=torch.long).view(len(entries), 8 + NUMBERS)
    return Spelled(*known[:, :8].unbind(-1), Place.of(known[:, 8:]))


class Shares(NamedTuple):
    """How much of their attention heads have where they should, on a page.

    `letters` (letters,) is of the head for each letter that lies somewhere, in their order; `begins`, `ahead` and
    `ends` (words,) of those for where the line begins and where the next one does, the latter at the ends of lines by
    themselves; `others` (heads,) of all others of `LAYERS`, before the medium.
    """

    letters: Tensor
    begins: Tensor
    ahead: Tensor
    ends: Tensor
    others: Tensor


def shares(looks: Sequence[Tensor], spelled: Spelled, medium: slice, repeated: Repeated | None = None) -> Shares:
    """How much of their attention the heads of all words of a page have where they should.

    `looks` are the layers' attention to the prefix, (rows, heads, branches, length, prefix and length), `medium` its
    tokens there. The head `AGAIN` of words that are `repeated` as well looks at those, and at no letter: it counts as
    if it did.
    """
    own, others = torch.zeros(len(spelled.row), device=spelled.row.device), []
    ahead, at_end = torch.zeros(0, device=spelled.row.device), spelled.place == IGNORED
    ends = ahead
    for number, layer in enumerate(LAYERS):
        attention = looks[layer].permute(0, 2, 3, 1, 4)[spelled.row, spelled.branch, spelled.token].float()
        wanted = (spelled.place != IGNORED) & (spelled.patch % SIDES == number)
        head = spelled.patch // SIDES * SLOTS + spelled.slot
        own = own.masked_scatter(wanted, attention[wanted, head[wanted], medium.start + spelled.place[wanted]])
        rest = torch.ones(attention.shape[:2], dtype=torch.bool, device=attention.device)
        rest[wanted, head[wanted]] = False
        if repeated and layer == AGAIN[0]:
            busy = _are_among(spelled, repeated)
            rest[busy, AGAIN[1]] = False
            own = own.masked_fill(busy & wanted & (head == AGAIN[1]), 1.0)
        if layer == AHEAD[0]:
            free = rest[:, AHEAD[1]].clone()
            rest[:, AHEAD[1]] = False
            there = attention[:, AHEAD[1]].gather(1, medium.start + spelled.ahead.clamp(min=0)[:, None]).squeeze(1)
            nowhere = attention[:, AHEAD[1], : medium.start].sum(-1)
            looked = torch.where(spelled.ahead == IGNORED, nowhere, there)
            ahead, ends = looked[free & ~at_end], looked[free & at_end]
        others.append(attention[..., : medium.start].sum(-1)[rest])
    known, (layer, head) = spelled.begins != IGNORED, BEGINS
    begins = looks[layer][:, head][spelled.row, spelled.branch, spelled.token].float()[known]
    on_line = begins.gather(1, medium.start + spelled.begins[known, None]).squeeze(1)
    return Shares(own[~at_end], on_line, ahead, ends, torch.cat(others))


def _are_among(words: Words, others: Words) -> Tensor:
    """Which of some words are some of the others, too."""
    one, other = (torch.stack([which.row, which.branch, which.token], -1) for which in (words, others))
    return (one[:, None] == other).all(-1).any(-1)


def missed(looks: Sequence[Tensor], spelled: Spelled, medium: slice, repeated: Repeated | None = None) -> Tensor:
    """How far off words look: minus the logarithms of their `shares`, on average."""
    return missing(shares(looks, spelled, medium, repeated))


def missed_left(attention: Tensor, layer: int, medium: slice, width: int) -> Tensor:
    """How far off a page's tokens look in one layer for those to their left: as `pointing.missed`.

    `attention` (pages, heads, tokens, tokens) holds logarithms, `width` is how many tokens of the `medium` are side by
    side. Where there is none so far to the left, before the medium is the place to look.
    """
    within = attention[..., medium, medium]
    nowhere = attention[..., medium, : medium.start].logsumexp(-1)
    column = torch.arange(within.shape[-1], device=attention.device) % width
    looked = [
        torch.where(column[back:] < back, nowhere[:, head, back:], within[:, head].diagonal(-back, dim1=-2, dim2=-1))
        for head, back in LEFT[layer].items()
    ]
    return short_of_enough(torch.cat(looked, -1))
