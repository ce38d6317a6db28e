"""Where in a clip a time that is said is to be read, taught to the decoder's attention.

To say when something happens, the decoder has to find the one moment among a clip's tokens. Words teach that slowly:
until it looks at the right place, nothing tells it which way to go. So some of its heads are taught to look, with each
digit of a time, at tokens that know this time, by `moments.py`: mostly those of the thing that is spoken of. As with
the heads there, nothing of it is part of the checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from data import Sample
from data.scenes import SHAPES
from moments import DIGITS, TOLD, Filmed
from torch import Tensor

LAYER = 4  # of the decoder, whose heads are taught: it reads what layer 3 hands on, which `moments.py` asks
HEADS = (0, 3)  # one for each key-value head
TIME = re.compile(r"\d\d:\d\d:\d\d\.\d\d")
LEAST = 1e-3  # of attention, below which it makes no difference any more


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
        for branch, (question, said) in enumerate(zip(sample.questions, branches, strict=True)):
            shape = next((shape for shape in SHAPES if shape in question.text), None)
            for time, tokens in _times(said):
                known = (told == torch.tensor(time)).all(-1).any(-1)
                of_thing = known & (asked.kind[row, :, 0] == SHAPES.index(shape)) if shape else known
                target = of_thing if of_thing.any() else known
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


def missed(looks: Tensor, pointed: Pointed, start: int) -> Tensor:
    """How far off the taught heads look: minus the logarithm of the attention that targets get, on average.

    `looks` (rows, heads, branches, length, prefix) is the attention to the prefix, in which the medium's tokens begin
    at `start`.
    """
    if not len(pointed.row):
        return looks.sum() * 0
    taught = looks[:, list(HEADS)].permute(0, 2, 3, 1, 4)[pointed.row, pointed.branch, pointed.token]
    on_medium = taught[..., start : start + pointed.targets.shape[-1]].float()
    found = (on_medium * pointed.targets[:, None]).sum(-1)
    return -found.clamp(min=LEAST).log().mean()
