"""Where a clip's tokens and those that speak of it should look, taught to the decoder's attention.

To say when something happens, the decoder has to find the one moment among a clip's tokens, and then the clock of its
frame. Heads and words teach that slowly: until it looks at the right place, nothing tells it which way to go. So some
of its attention is taught to look: a clip's tokens at their place in the frames before, and a word that is about to say
a digit of a time at two places, one layer after the other. First it looks at tokens that know by `moments.py` which
frame has that time, mostly those of the thing that is spoken of; then, by that frame's number, which words are asked
for as well, at the digit itself, where it lies on the clock of that frame. (Tokens could hand on whole clocks instead,
but they have no room for two of eight digits each.) Nothing of it is part of the checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from data import Sample
from data.scenes import SHAPES
from moments import DIGITS, FRAMES, TOLD, Filmed
from network import Layout
from places import IGNORED
from torch import Tensor

# Of the decoder, that words look with: the first reads what layer 3 hands on, which `moments.py` asks.
FIND_LAYER, READ_LAYER = 4, 5
# One for each key-value head: what the first finds hands on the frame before something happened, the second that after.
FIND_HEADS = (0, 3)
# What heads look at the digits of a pair's first frame with, and of its second: those that share keys and values, so
# that these hold the digits of one frame. Digits that follow each other, and so lie on one token, have a head each.
READ_HEADS = ((0, 1, 2), (3, 4, 5))
# That a clip's tokens look at the frames before with: what stood there says whether anything has changed since.
BEFORE_LAYERS = (2, 3)
BEFORE_HEADS = (2, 5)
TIME = re.compile(r"\d\d:\d\d:\d\d\.\d\d")
NAME = re.compile(rf"\b({'|'.join(SHAPES)})\b")  # as a word: there is a star in "start"
LEAST = 1e-6  # of attention, that has a logarithm
ENOUGH = 0.9  # of it: more makes no difference any more, as it would only grow sharper


@dataclass(frozen=True)
class Pointed:
    """Which tokens that are about to say a digit of a time should look where; one entry for each.

    `row`, `branch` and `token` are its place in a batch, `number` that of the frame that has the time. `targets`
    (entries, tokens of the medium) are where that is known, as the `side`-th frame told there, and `clock` is the token
    of the medium that the digit lies on, which is read with `head`.
    """

    row: Tensor
    branch: Tensor
    token: Tensor
    number: Tensor
    side: Tensor
    clock: Tensor
    head: Tensor
    targets: Tensor


def point(samples: Sequence[Sample], pieces: Sequence[Sequence[Sequence[str]]], asked: Filmed) -> Pointed:
    """For samples' questions as `pieces` of text, a row, a branch and a token each."""
    places, targets = [], []
    for row, (sample, branches) in enumerate(zip(samples, pieces, strict=True)):
        assert sample.clip
        numbers = {sample.clip.at(number): number for number in range(len(sample.clip.times))}
        told, happened = asked.told[row], asked.happened[row].any(-1)
        # (pairs, frames, digits): the token each lies on.
        clocks = (asked.read[row] != IGNORED).T.nonzero()[:, 1].view(FRAMES, DIGITS, -1).permute(2, 0, 1)
        for branch, (question, said) in enumerate(zip(sample.questions, branches, strict=True)):
            named = NAME.search(question.text)
            of_thing = asked.kind[row, :, 0] == SHAPES.index(named[0]) if named else torch.ones_like(happened)
            times = _times(said)
            for place, (time, tokens) in enumerate(times):
                # What has been said before is copied.
                if time not in numbers or time in [before for before, _ in times[:place]]:
                    continue
                number = numbers[time]
                # Where something has happened to it, a token's two frames are always those before and after.
                best = _best(told == number, of_thing & happened, of_thing)
                # Known as the one here and as the other there, a start is rather what was before.
                side = place % TOLD if best.any(0).all() else int(best.any(0)[1])
                targets += [best[:, side]] * DIGITS
                pair, frame = divmod(number, FRAMES)
                for digit, token in enumerate(tokens):
                    head = READ_HEADS[frame][digit % len(READ_HEADS[frame])]
                    # The token before says it.
                    places.append((row, branch, token - 1, number, side, int(clocks[pair, frame, digit]), head))
    where = torch.tensor(places, dtype=torch.long).view(-1, 7)
    return Pointed(
        *where.unbind(-1), torch.stack(targets) if targets else asked.told.new_zeros(0, asked.told.shape[1]).bool()
    )


def _best(known: Tensor, *better: Tensor) -> Tensor:
    """Where a frame is `known` (tokens, TOLD): at the first of `better` (tokens,) that know it, or else at all."""
    narrowed = (known & which[:, None] for which in better)
    return next((some for some in narrowed if some.any()), known)


def _times(pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The times in a text given in pieces, and in which piece each of its digits is."""
    owners = [index for index, piece in enumerate(pieces) for _ in piece]
    return [
        (match[0], [owners[place] for place in range(*match.span()) if match.string[place].isdigit()])
        for match in TIME.finditer("".join(pieces))
    ]


def found(looks: Sequence[Tensor], pointed: Pointed, start: int) -> tuple[Tensor, Tensor]:
    """Of the head in `FIND_LAYER` for the wanted frame, how much of its attention is on the targets, (entries,).

    And of the other one how much is on what stands before the medium, which says nothing, (entries, heads - 1). `looks`
    are the layers' attention to the prefix, (rows, heads, branches, length, prefix), in which the medium's tokens begin
    at `start`.
    """
    return _shares(looks[FIND_LAYER][:, list(FIND_HEADS)], pointed, pointed.side, pointed.targets, start)


def read(looks: Sequence[Tensor], pointed: Pointed, start: int) -> tuple[Tensor, Tensor]:
    """Of each digit's own head in `READ_LAYER`, how much of its attention is on that digit; else as `found`."""
    digit = torch.zeros_like(pointed.targets).scatter(1, pointed.clock[:, None], value=True)
    return _shares(looks[READ_LAYER], pointed, pointed.head, digit, start)


def _shares(looks: Tensor, pointed: Pointed, head: Tensor, targets: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Of each entry's own head the attention on its targets, and of the others that before the medium."""
    taught = looks.permute(0, 2, 3, 1, 4)[pointed.row, pointed.branch, pointed.token].float()
    own = torch.nn.functional.one_hot(head, taught.shape[1]).bool()
    on_targets = (taught[own][:, start : start + targets.shape[1]] * targets).sum(-1)
    others = taught[~own].view(len(own), taught.shape[1] - 1, taught.shape[2])
    return on_targets, others[..., :start].sum(-1)


def words(states: Tensor, pointed: Pointed, layout: Layout) -> Tensor:
    """The states of the words that `pointed` tells of, (entries, hidden), of all tokens' (rows, tokens, hidden)."""
    branches = states[:, layout.prefix :].unflatten(1, (layout.branches, -1))
    return branches[pointed.row, pointed.branch, pointed.token]


def missed(looks: Sequence[Tensor], pointed: Pointed, start: int) -> Tensor:
    """How far off words look: minus the logarithms of what they have `found` and `read`, on average."""
    shares = (*found(looks, pointed, start), *read(looks, pointed, start))
    return sum((_short_of_enough(share.clamp(min=LEAST).log()) for share in shares), torch.zeros(()))


def missed_before(attention: Tensor, pairs: int) -> Tensor:
    """How far off tokens look for what stood at their place in the pair of frames before: as `missed`.

    `attention` (clips, heads, tokens, tokens) holds logarithms, of the tokens of a clip's `pairs` of frames.
    """
    place = attention.shape[-1] // pairs
    return _short_of_enough(attention[:, list(BEFORE_HEADS)].diagonal(-place, dim1=-2, dim2=-1))


def _short_of_enough(logarithms: Tensor) -> Tensor:
    """Minus their mean, those of enough attention taken for just enough; 0 of none."""
    return -logarithms.clamp(max=log(ENOUGH)).sum() / max(1, logarithms.numel())
