"""Where a clip's tokens and those that speak of it should look, taught to the decoder's attention.

To say when something happens, the decoder has to find the one moment among a clip's tokens, and these have to know
their clocks, and what was before. Heads and words teach that slowly: until it looks at the right place, nothing tells
it which way to go. So some of its attention is taught to look, from a clip's tokens at the digits of their own clocks
and at the same place in the frames before; and with each digit of a time that is said at tokens that know this time, by
`moments.py`: mostly those of the thing that is spoken of. Nothing of it is part of the checkpoint.
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
from places import IGNORED
from torch import Tensor

LAYERS = (4, 5)  # of the decoder, that words look with: they read what layer 3 hands on, which `moments.py` asks
HEADS = (0, 3)  # of each, one for each key-value head, as sixteen digits are much for one
CLOCK_LAYER = 1  # that a clip's tokens look at their clocks with
# Those that they look at the frames before with: what stood there says whether anything has changed since, and only
# then can the clock be told that counts. Heads share keys and values, so that one layer cannot carry both.
BEFORE_LAYERS = (2, 3)
CLOCK_HEADS = {0: 7, 1: 4, 3: 6, 4: 1}  # and at which digit; these lie on all tokens that hold any, but for ten hours
BEFORE_HEADS = (2, 5)
TIME = re.compile(r"\d\d:\d\d:\d\d\.\d\d")
NAME = re.compile(rf"\b({'|'.join(SHAPES)})\b")  # as a word: there is a star in "start"
LEAST, ENOUGH = 1e-3, 0.9  # of attention, beyond which it makes no difference any more: it would only grow sharper


@dataclass(frozen=True)
class Pointed:
    """Which tokens that are about to say a digit of a time should look where; one entry for each.

    `row`, `branch` and `token` are its place in a batch, `targets` (entries, tokens of the medium) where the time is
    known.
    """

    row: Tensor
    branch: Tensor
    token: Tensor
    targets: Tensor


def point(samples: Sequence[Sample], pieces: Sequence[Sequence[Sequence[str]]], asked: Filmed) -> Pointed:
    """For samples' questions as `pieces` of text, a row, a branch and a token each."""
    places, targets = [], []
    for row, (sample, branches) in enumerate(zip(samples, pieces, strict=True)):
        told = asked.told[row].unflatten(-1, (TOLD, DIGITS))
        happened = asked.happened[row].any(-1)
        for branch, (question, said) in enumerate(zip(sample.questions, branches, strict=True)):
            named = NAME.search(question.text)
            for time, tokens in _times(said):
                known = (told == torch.tensor(time)).all(-1).any(-1)
                of_thing = known & (asked.kind[row, :, 0] == SHAPES.index(named[0])) if named else known
                # Where something has happened to it, a token's two times are always those before and after.
                target = next((best for best in (of_thing & happened, of_thing) if best.any()), known)
                if target.any():
                    places += [(row, branch, token - 1) for token in tokens]  # the token before says it
                    targets += [target] * len(tokens)
    where = torch.tensor(places, dtype=torch.long).view(-1, 3)
    return Pointed(
        *where.unbind(-1), torch.stack(targets) if targets else asked.told.new_zeros(0, told.shape[0]).bool()
    )


def _times(pieces: Sequence[str]) -> list[tuple[list[int], list[int]]]:
    """The times in a text given in pieces: the digits of each, and in which pieces these are."""
    owners = [index for index, piece in enumerate(pieces) for _ in piece]
    found = []
    for match in TIME.finditer("".join(pieces)):
        digits = [place for place in range(*match.span()) if match.string[place].isdigit()]
        found.append(([int(match.string[place]) for place in digits], sorted({owners[place] for place in digits})))
    return found


def found(looks: Tensor, pointed: Pointed, start: int) -> Tensor:
    """How much of the taught heads' attention targets get, (entries, heads).

    `looks` (rows, heads, branches, length, prefix) is the attention to the prefix, in which the medium's tokens begin
    at `start`.
    """
    taught = looks[:, list(HEADS)].permute(0, 2, 3, 1, 4)[pointed.row, pointed.branch, pointed.token]
    on_medium = taught[..., start : start + pointed.targets.shape[-1]].float()
    return (on_medium * pointed.targets[:, None]).sum(-1)


def missed(looks: Tensor, pointed: Pointed, start: int) -> Tensor:
    """How far off the taught heads look: minus the logarithm of what they have `found`, on average."""
    if not len(pointed.row):
        return looks.sum() * 0
    return _short_of_enough(found(looks, pointed, start).clamp(min=LEAST).log())


def missed_clocks(attention: Tensor, asked: Filmed, pairs: int) -> Tensor:
    """How far off tokens below the clock look, each taught head for a digit of it: as `missed`.

    `attention` (clips, heads, tokens, tokens) holds logarithms, of the tokens of a clip's `pairs` of frames.
    """
    clocks = (asked.read != IGNORED).unflatten(1, (pairs, -1)).unflatten(-1, (FRAMES, DIGITS))[..., 0, :]
    below = (asked.told != IGNORED).all(-1).unflatten(1, (pairs, -1))
    parts = attention.unflatten(3, (pairs, -1)).unflatten(2, (pairs, -1))
    own = parts.diagonal(dim1=2, dim2=4).permute(0, 1, 4, 2, 3)  # clips, heads, pairs, tokens, tokens
    wanted = clocks[..., list(CLOCK_HEADS.values())].permute(0, 3, 1, 2)[:, :, :, None] & below[:, None, :, :, None]
    return _short_of_enough(own[:, list(CLOCK_HEADS)][wanted]) if wanted.any() else attention.sum() * 0


def missed_before(attention: Tensor, pairs: int) -> Tensor:
    """How far off tokens look for what stood at their place in the pair of frames before: as `missed_clocks`."""
    place = attention.shape[-1] // pairs
    before = attention[:, list(BEFORE_HEADS)].diagonal(-place, dim1=-2, dim2=-1)
    return _short_of_enough(before) if before.numel() else attention.sum() * 0


def _short_of_enough(logarithms: Tensor) -> Tensor:
    """Minus their mean, those of enough attention taken for just enough."""
    return -logarithms.clamp(max=log(ENOUGH)).mean()
