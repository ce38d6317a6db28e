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
from data import Question, Sample
from data.clip import TIME
from data.scenes import SHAPES
from heads import IGNORED
from moments import DIGITS, FRAMES, TOLD, Filmed
from network import Layout
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
NAME = re.compile(rf"\b({'|'.join(SHAPES)})\b")  # as a word: there is a star in "start"
LEAST = 1e-6  # of attention, that has a logarithm
ENOUGH = 0.9  # of it: more makes no difference any more, as it would only grow sharper


@dataclass(frozen=True)
class Words:
    """Tokens that are about to say something of a medium: `row`, `branch` and `token` are their places in a batch."""

    row: Tensor
    branch: Tensor
    token: Tensor


@dataclass(frozen=True)
class Pointed(Words):
    """Which words that are about to say something of an event should look where; one entry for each.

    `number` is that of the frame in which it happens. `targets`
    (entries, 1 + tokens of the medium) are where that is known, as the `side`-th frame told there; the first is all
    that stands before the medium, for what is not there. `clock` is the token of the medium on which the digit lies
    that is about to be said, and `head` the one it is read with. `IGNORED` is the number of what never happens, and
    where no digit follows.
    """

    number: Tensor
    side: Tensor
    clock: Tensor
    head: Tensor
    targets: Tensor

    @property
    def digits(self) -> Tensor:
        """Which of them say a digit, (entries,)."""
        return self.clock != IGNORED


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
            times, verdict = _times(said), _verdict(question, said)
            for place, (time, tokens) in enumerate(times):
                # What has been said before is copied.
                if time not in numbers or time in [earlier for earlier, _ in times[:place]]:
                    continue
                number = numbers[time]
                # Where something has happened to it, a token's two frames are always those before and after.
                best = _best(told == number, of_thing & happened, of_thing)
                # Known as the one here and as the other there, a start is rather what was before.
                side = place % TOLD if best.any(0).all() else int(best.any(0)[1])
                pair, frame = divmod(number, FRAMES)
                for digit, token in enumerate(tokens):
                    head = READ_HEADS[frame][digit % len(READ_HEADS[frame])]
                    places.append((row, branch, token, number, side, int(clocks[pair, frame, digit]), head))
                # The first time is that of the event itself.
                before = verdict if place == 0 else []
                places += [(row, branch, token, number, side, IGNORED, IGNORED) for token in before]
                targets += [_with_before(best[:, side])] * (DIGITS + len(before))
            if not times and named:
                places += [(row, branch, token, IGNORED, 0, IGNORED, IGNORED) for token in verdict]
                targets += [_with_before(of_thing)] * len(verdict)
    where = torch.tensor(places, dtype=torch.long).view(-1, 7)
    where[:, 2] -= 1  # what a token says is decided by the one before
    nowhere = asked.told.new_zeros(0, 1 + asked.told.shape[1]).bool()
    return Pointed(*where.unbind(-1), torch.stack(targets) if targets else nowhere)


def _verdict(question: Question, pieces: Sequence[str]) -> list[int]:
    """The tokens of a thought about a moment, up to its first time: which of `pieces` say whether it happens."""
    text, owners = joined(pieces)
    begin = text.find(question.thought, len(question.text)) if question.answer.startswith("[") else -1
    if begin < 0:
        return []
    time = TIME.search(question.thought)
    return sorted(set(owners[begin : begin + (time.start() if time else len(question.thought))]))


def _with_before(tokens: Tensor) -> Tensor:
    """Targets of a medium's `tokens` (tokens,), or of what stands before it if there are none."""
    return torch.cat([~tokens.any(0, keepdim=True), tokens])


def _best(known: Tensor, *better: Tensor) -> Tensor:
    """Where a frame is `known` (tokens, TOLD): at the first of `better` (tokens,) that know it, or else at all."""
    narrowed = (known & which[:, None] for which in better)
    return next((some for some in narrowed if some.any()), known)


def _times(pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The times in a text given in pieces, and in which piece each of its digits is."""
    text, owners = joined(pieces)
    return [
        (match[0], [owners[place] for place in range(*match.span()) if text[place].isdigit()])
        for match in TIME.finditer(text)
    ]


def joined(pieces: Sequence[str]) -> tuple[str, list[int]]:
    """A text given in pieces, and in which piece each of its characters is."""
    return "".join(pieces), [index for index, piece in enumerate(pieces) for _ in piece]


def found(looks: Sequence[Tensor], pointed: Pointed, start: int) -> tuple[Tensor, Tensor]:
    """Of the head in `FIND_LAYER` for the wanted frame, how much of its attention is on the targets, (entries,).

    And of the other one how much is on what stands before the medium, which says nothing, (entries, heads - 1). `looks`
    are the layers' attention to the prefix, (rows, heads, branches, length, prefix), in which the medium's tokens begin
    at `start`.
    """
    looks_for = looks[FIND_LAYER][:, list(FIND_HEADS)].permute(0, 2, 3, 1, 4)
    taught = looks_for[pointed.row, pointed.branch, pointed.token]
    return _shares(taught, pointed.side, pointed.targets, start)


def read(looks: Sequence[Tensor], pointed: Pointed, start: int) -> tuple[Tensor, Tensor]:
    """Of each digit's own head in `READ_LAYER`, how much of its attention is on that digit; else as `found`."""
    row, branch, token, clock, head = (
        part[pointed.digits] for part in (pointed.row, pointed.branch, pointed.token, pointed.clock, pointed.head)
    )
    taught = looks[READ_LAYER].permute(0, 2, 3, 1, 4)[row, branch, token]
    digit = torch.zeros_like(pointed.targets[pointed.digits]).scatter(1, 1 + clock[:, None], value=True)
    return _shares(taught, head, digit, start)


def _shares(taught: Tensor, head: Tensor, targets: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Of each entry's own head in `taught` (entries, heads, prefix), the attention on its targets, and of the others
    that before the medium."""
    before, medium = taught[..., :start].float(), taught[..., start : start + targets.shape[1] - 1].float()
    looked = torch.cat([before.sum(-1, keepdim=True), medium], -1)
    own = torch.nn.functional.one_hot(head, taught.shape[1]).bool()
    off = looked[..., 0][~own].view(len(own), -1 if len(own) else taught.shape[1] - 1)
    return (looked[own] * targets).sum(-1), off


def words(states: Tensor, said: Words, layout: Layout) -> Tensor:
    """The states of words, (words, hidden), of all tokens' (rows, tokens, hidden)."""
    return states[:, layout.prefix :].unflatten(1, (layout.branches, -1))[said.row, said.branch, said.token]


def missed(looks: Sequence[Tensor], pointed: Pointed, start: int) -> Tensor:
    """How far off words look: minus the logarithms of what they have `found` and `read`, on average."""
    return missing([*found(looks, pointed, start), *read(looks, pointed, start)])


def missing(shares: Sequence[Tensor]) -> Tensor:
    """Minus the logarithms of shares of attention, on average of each, and then their sum."""
    return torch.stack([short_of_enough(share.clamp(min=LEAST).log()) for share in shares]).sum()


def missed_before(attention: Tensor, pairs: int) -> Tensor:
    """How far off tokens look for what stood at their place in the pair of frames before: as `missed`.

    `attention` (clips, heads, tokens, tokens) holds logarithms, of the tokens of a clip's `pairs` of frames.
    """
    place = attention.shape[-1] // pairs
    return short_of_enough(attention[:, list(BEFORE_HEADS)].diagonal(-place, dim1=-2, dim2=-1))


def short_of_enough(logarithms: Tensor) -> Tensor:
    """Minus their mean, those of enough attention taken for just enough; 0 of none."""
    return -logarithms.clamp(max=log(ENOUGH)).sum() / max(1, logarithms.numel())
