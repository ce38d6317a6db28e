"""What stands where, asked of every token of a picture while training, and thrown away afterwards.

An answer says little about a picture: a few numbers, after many words. So two linear heads ask each token what lies on
it, with every picture and for all of its things at once: what shape and colour, right behind the eyes; and between
which edges of the picture, in hundredths, a few layers into the decoder, where a token can know its own place. What
the answer then needs is there to be looked up. Neither head is part of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from data.scenes import COLORS, SHAPES, Thing
from torch import Tensor, nn
from torch.nn import functional as F

LAYER = 2  # of the decoder: its output is asked for edges
STEPS = 101  # places of an edge: 0 to 100 hundredths of the picture
IGNORED = -100
KINDS = [len(SHAPES) + 1, len(COLORS)]


class Heads(nn.Module):
    """Linear readers of token states (pictures, tokens, hidden)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.kind = nn.Linear(hidden, sum(KINDS))
        self.edges = nn.Linear(hidden, sum(KINDS) + 4 * STEPS)

    def losses(self, seen: Tensor, state: Tensor, asked: Asked) -> Tensor:
        """The mean of what both heads get wrong about a batch; `state` is what layer `LAYER` hands on."""
        early = self.kind(_scaled(seen)).float()
        late, edges = self.edges(_scaled(state)).float().split([sum(KINDS), 4 * STEPS], dim=-1)
        found = edges.unflatten(-1, (4, STEPS)).flatten(0, -2)
        places = F.cross_entropy(found, asked.edges.flatten(), ignore_index=IGNORED)
        return _kinds(early, asked) + _kinds(late, asked) + places


class Asked:
    """For each token, the shape (`len(SHAPES)`: nothing), the colour and the edges (left, top, right, bottom).

    `kinds` is (pictures, tokens, 2), `edges` (pictures, tokens, 4); `IGNORED` where nothing stands.
    """

    def __init__(self, pictures: Sequence[Sequence[Thing]], height: int, width: int) -> None:
        self.kinds = torch.full((len(pictures), height * width, 2), IGNORED)
        self.kinds[..., 0] = len(SHAPES)
        self.edges = torch.full((len(pictures), height * width, 4), IGNORED)
        down = (torch.arange(height) + 0.5) / height
        across = (torch.arange(width) + 0.5) / width
        for picture, things in enumerate(pictures):
            for thing in things:
                left, top, right, bottom = thing.box
                on = ((down > top) & (down < bottom))[:, None] & ((across > left) & (across < right))
                # A small thing may lie between the tokens' centres: one is its own all the same.
                x, y = thing.center
                on[min(height - 1, int(y * height)), min(width - 1, int(x * width))] = True
                tokens = on.flatten().nonzero().squeeze(1)
                self.kinds[picture, tokens] = torch.tensor([SHAPES.index(thing.shape), list(COLORS).index(thing.color)])
                self.edges[picture, tokens] = torch.tensor([max(0, min(100, round(100 * v))) for v in thing.box])


def _kinds(logits: Tensor, asked: Asked) -> Tensor:
    shapes, colors = logits.split(KINDS, dim=-1)
    wrong = F.cross_entropy(shapes.flatten(0, 1), asked.kinds[..., 0].flatten(), ignore_index=IGNORED)
    return wrong + F.cross_entropy(colors.flatten(0, 1), asked.kinds[..., 1].flatten(), ignore_index=IGNORED)


def _scaled(state: Tensor) -> Tensor:
    wide = state.float()
    return wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
