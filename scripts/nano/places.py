"""What stands where, asked of every token of a picture while training, and thrown away afterwards.

An answer says little about a picture: a few words and numbers. So linear heads ask each token what lies on it, with
every picture and for all of its things and letters at once. Right behind the eyes: which shape and colour, how far from
the token the thing's edges are, and which letters, each in its place. A few layers into the decoder, where a token can
know its own place: in which row and column it stands, between which edges the thing lies, in the parts of the picture
that answers are given in, and which number the thing has, counted from the top. No head is part of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from data import Sample
from data.scenes import COLORS, SHAPES, Thing
from heads import IGNORED, cell, mistakes, scaled, split, wrong
from printed import Printed, PrintHeads, show
from torch import Tensor, nn

from ernie_cli.runtime.vision import FACTOR

STEP, REACH = 4, 128  # pixels, of the picture as the model sees it: an edge's distance from its token, and the most
OFFSETS = 2 * REACH // STEP + 1
STEPS = 101  # places of an edge: hundredths of the picture's width or height
MOST = 8  # things whose numbers are told apart
SIDE = 24  # rows and columns of tokens that are told apart
KINDS = [len(SHAPES) + 1, len(COLORS)]


@dataclass(frozen=True)
class Asked:
    """What every token of a batch of pictures shows; None where it is not known.

    `height` and `width` are in tokens. `kinds` (pictures, tokens, 2): the shape, `len(SHAPES)` for none, and the
    colour; `edges` (pictures, tokens, 4): left, top, right and bottom in hundredths of the picture; `offsets`
    (pictures, tokens, 4): the same from the token's middle, in `STEP` pixels, `REACH` to the left being 0; `numbers`
    (pictures, tokens): from the top, 0 being the first; all `IGNORED` where nothing stands.
    """

    HEADS: ClassVar = "picture"

    height: int
    width: int
    kinds: Tensor | None = None
    edges: Tensor | None = None
    offsets: Tensor | None = None
    numbers: Tensor | None = None
    printed: Printed | None = None


def ask(samples: Sequence[Sample], height: int, width: int) -> Asked:
    """What is known of pictures that are `height` x `width` tokens large."""
    things = [sample.things for sample in samples if sample.things is not None]
    letters = [sample.letters for sample in samples if sample.letters is not None]
    shown = _things(things, height, width) if len(things) == len(samples) else (None,) * 4
    printed = show(letters, height, width) if len(letters) == len(samples) else None
    return Asked(height, width, *shown, printed=printed)


def _things(pictures: Sequence[Sequence[Thing]], height: int, width: int) -> tuple[Tensor, ...]:
    kinds = torch.full((len(pictures), height * width, 2), IGNORED)
    kinds[..., 0] = len(SHAPES)
    edges = torch.full((len(pictures), height * width, 4), IGNORED)
    offsets = edges.clone()
    numbers = torch.full((len(pictures), height * width), IGNORED)
    middles = torch.cartesian_prod(torch.arange(height) + 0.5, torch.arange(width) + 0.5).flip(1).repeat(1, 2)
    down = (torch.arange(height) + 0.5) / height
    across = (torch.arange(width) + 0.5) / width
    for picture, things in enumerate(pictures):
        for number, thing in enumerate(things[:MOST]):
            left, top, right, bottom = thing.box
            on = ((down > top) & (down < bottom))[:, None] & ((across > left) & (across < right))
            # A small thing may lie between the tokens' centres: one is its own all the same.
            x, y = thing.center
            on[cell(y, height), cell(x, width)] = True
            tokens = on.flatten().nonzero().squeeze(1)
            kinds[picture, tokens] = torch.tensor([SHAPES.index(thing.shape), list(COLORS).index(thing.color)])
            box = torch.tensor(thing.box)
            edges[picture, tokens] = (box * (STEPS - 1)).round().long().clamp(0, STEPS - 1)
            away = (box * torch.tensor([width, height] * 2) - middles[tokens]) * FACTOR
            offsets[picture, tokens] = ((away + REACH) / STEP).round().long().clamp(0, OFFSETS - 1)
            numbers[picture, tokens] = number
    return kinds, edges, offsets, numbers


# What each head tells apart, and among how many: right behind the eyes, and in the decoder.
EARLY = {"kinds": sum(KINDS), "offsets": 4 * OFFSETS}
LATE = {"kinds": sum(KINDS), "numbers": MOST, "place": 2 * SIDE, "edges": 4 * STEPS, "tens": 4 * 11, "ones": 4 * 10}


class Heads(nn.Module):
    """Linear readers of token states (pictures, tokens, hidden); of print, of patches `width` wide as well."""

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.early = nn.Linear(hidden, sum(EARLY.values()))
        self.late = nn.Linear(hidden, sum(LATE.values()))
        self.print = PrintHeads(hidden, width)

    def losses(self, seen: Tensor | None, state: Tensor, asked: Asked, patches: Tensor | None = None) -> Tensor:
        """What the heads get wrong about a batch, each on average; `state` is what layer `LAYER` hands on.

        Without `seen` nothing is asked that is asked right behind the eyes; scenes are always asked that.

        `patches` are what the tower made of the pictures, (pictures, patches, width): only print is asked of them.
        """
        late = split(self.late(scaled(state)), LATE)
        sides = (torch.arange(side, device=state.device).clamp(max=SIDE - 1) for side in (asked.height, asked.width))
        own = torch.cartesian_prod(*sides).expand(len(state), -1, -1)
        off = mistakes(late["place"], own)
        if asked.kinds is not None:
            assert asked.edges is not None
            assert asked.offsets is not None
            assert asked.numbers is not None
            assert seen is not None
            early = split(self.early(scaled(seen)), EARLY)
            # Edges whole, and by the digits that an answer says, so that saying them is copying.
            known = asked.edges != IGNORED
            tens, ones = (torch.where(known, part, IGNORED) for part in (asked.edges // 10, asked.edges % 10))
            off = off + kind_mistakes(early["kinds"], asked.kinds) + kind_mistakes(late["kinds"], asked.kinds)
            off = off + mistakes(early["offsets"], asked.offsets)
            off = off + mistakes(late["numbers"], asked.numbers[..., None])
            off = off + mistakes(late["edges"], asked.edges)
            off = off + mistakes(late["tens"], tens) + mistakes(late["ones"], ones)
        if asked.printed is not None:
            off = off + self.print.losses(seen, state, asked.printed, patches)
        return off


def kind_mistakes(logits: Tensor, kinds: Tensor) -> Tensor:
    """Cross entropy of shapes and of colours; `kinds` is (pictures, tokens, 2)."""
    shapes, colors = (part.flatten(0, 1) for part in logits.split(KINDS, dim=-1))
    return wrong(shapes, kinds[..., 0].flatten()) + wrong(colors, kinds[..., 1].flatten())
