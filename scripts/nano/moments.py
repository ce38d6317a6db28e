"""What a clip's tokens show and when, asked of them while training, as `places.py` asks a picture's.

A token is a part of two frames that follow each other. Right behind the eyes it is asked which shape and colour stand
on it in each, how far off their middles are and what became of them between the two, and those in the top row for the
digits of the two clocks that lie on them. In the decoder, where a token knows those before it, those of a thing are
asked what has become of it since the frame before, all which pair of frames they are, and all below the clock between
which two frames something became of what they show: a number each, as a clock's digits are too much for one token to
hold. Of the frame before their own two they are asked what stood there. A head ends with training, and is not part of
the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, TypeAlias

import torch
from data.clip import Actor, Box, Clip, Span, strip_height
from data.fonts import CLOCK_FONT, font_file
from data.scenes import COLORS, SHAPES
from heads import IGNORED, cell, mistakes, scaled, split
from PIL import ImageFont
from places import KINDS, OFFSETS, REACH, STEP, kind_mistakes
from torch import Tensor, nn

from ernie_cli.media.clock import SHARE
from ernie_cli.runtime.vision import FACTOR
from ernie_cli.times import clock

State: TypeAlias = tuple[str, Box] | None  # of a thing in a frame: its colour and where it stands, if it is there

FRAMES = 2  # of a token
DIGITS = 8  # HHMMSSss
CHANGES = ("none", "appears", "leaves", "moves", "turns")
STAGES = ("none", "sets out", "arrives")  # of a movement: its first step, and the first frame in which it is over
# How much it counts that nothing has changed, and that nothing sets out or arrives: mostly it is so.
NOTHING, NO_STAGE = 0.05, 0.01
EARLY = {
    "kinds": FRAMES * sum(KINDS),
    "clocks": FRAMES * DIGITS * 10,
    "middles": FRAMES * 2 * OFFSETS,
    "second": len(CHANGES),
}
EYES = 4  # how much more it counts what is asked right behind the eyes: of clips they learn from nothing else
TOLD = 2  # frames: that in which something has changed, and the one before
MOST = 32  # frames of a clip, whose numbers are told apart
LATE = {
    "kind": sum(KINDS),
    "changes": FRAMES * len(CHANGES),
    "stages": FRAMES * len(STAGES),
    "clocks": FRAMES * DIGITS * 10,
    "told": TOLD * MOST,
    "pair": MOST // FRAMES,
    "stood": sum(KINDS),
    "placed": 2 * OFFSETS,
    "earlier": len(CHANGES),
}


@dataclass(frozen=True)
class Filmed:
    """What every token of a batch of clips shows; `IGNORED` where it is not asked.

    `kinds` (clips, tokens, frames, 2): the shape, `len(SHAPES)` for none, and the colour. `read` (clips, tokens, frames
    * digits): digits of clocks that lie on a token. `told` (clips, tokens, 2): below the clock, the numbers of the
    frames between which something has last happened to what a token shows; its own, unless that was in the first.
    `pair` (clips, tokens): which of the clip's pairs of frames a token shows. `stood` (clips, tokens, 2): what stood on
    the token in the frame before its two, `placed` (clips, tokens, 2): where, as `middles`, and `earlier` (clips,
    tokens): what had become of it since the one before. `kind` (clips, tokens, 2): what stands there or has just left.
    `changes` (clips, tokens, frames): what became of that, none where nothing stands. `stages` (clips, tokens, frames):
    whether it set out or arrived. `middles` (clips, tokens, frames * 2): how far right and down of the token's middle
    that of the thing on it is, in `STEP` pixels.
    """

    HEADS: ClassVar = "clip"

    kinds: Tensor
    read: Tensor
    told: Tensor
    pair: Tensor
    stood: Tensor
    placed: Tensor
    earlier: Tensor
    kind: Tensor
    changes: Tensor
    stages: Tensor
    middles: Tensor

    @property
    def happened(self) -> Tensor:
        """Of which frames (clips, tokens, frames) something is told: a movement that goes on is nothing new."""
        return happening(self.changes, self.stages)

    def to(self, dtype: torch.dtype) -> Filmed:
        return Filmed(*(getattr(self, field.name).to(dtype) for field in fields(self)))


@dataclass(frozen=True)
class Seen:
    """What the eyes made of a clip, (tokens, hidden), and what these tokens show; grids as those of `Patches`."""

    grid: tuple[int, int, int]
    merged_grid: tuple[int, int, int]
    states: Tensor
    shown: Filmed

    @property
    def tokens(self) -> int:
        return len(self.states)


def shown_by(seen: Sequence[Seen]) -> Filmed:
    """What the tokens of a batch of clips show."""
    names = [field.name for field in fields(Filmed)]
    return Filmed(*(torch.cat([getattr(one.shown, name) for one in seen]) for name in names)).to(torch.long)


def happening(changes: Tensor, stages: Tensor) -> Tensor:
    """Where something begins or ends."""
    goes_on = (changes == CHANGES.index("moves")) | (changes == CHANGES.index("none"))
    return ~goes_on | (stages != STAGES.index("none"))


def film(clips: Sequence[Clip], grid: tuple[int, int, int]) -> Filmed:
    """What is known of clips in a grid of tokens (time, h, w)."""
    times, height, width = grid
    kinds = torch.full((len(clips), times, height, width, FRAMES, 2), IGNORED)
    kinds[..., 0] = len(SHAPES)
    read = torch.full((len(clips), times, height, width, FRAMES, DIGITS), IGNORED)
    told = torch.full((len(clips), times, height, width, TOLD), IGNORED)
    pairs = torch.arange(times)[:, None, None].expand(len(clips), times, height, width)
    kind, changes = kinds[..., 0, :].clone(), torch.zeros_like(kinds[..., 1])
    stages = changes.clone()
    stood, earlier = torch.full_like(kind, IGNORED), torch.full_like(kind[..., 0], IGNORED)
    middles = torch.full_like(kinds, IGNORED)
    for at, clip in enumerate(clips):
        digits = torch.tensor([[int(c) for c in clock(time) if c.isdigit()] for time in clip.times])
        # The last of an odd number of frames counts twice.
        numbers = torch.arange(times * FRAMES).clamp(max=len(digits) - 1).view(times, FRAMES)
        digits = digits[numbers]
        told[at, :, 1:] = numbers[:, None, None]
        for digit, place in enumerate(_clock_places(clip.size)):
            read[at, :, 0, cell(place, width), :, digit] = digits[..., digit]
        for actor in clip.actors:
            for frame in range(times * FRAMES):
                pair, place = divmod(frame, FRAMES)
                state, last = _state(actor, frame), _state(actor, max(frame - 1, 0))
                change, former = _change(last, state), _change(_state(actor, max(frame - 2, 0)), last)
                for y, x in _tokens(state, clip.size, height, width):
                    kinds[at, pair, y, x, place] = _kind(actor, state)
                    middles[at, pair, y, x, place] = _middle(state, clip.size, (height, width), (y, x))
                for y, x in _tokens(state or last, clip.size, height, width):
                    kind[at, pair, y, x] = _kind(actor, state or last)
                    changes[at, pair, y, x, place] = CHANGES.index(change)
                    stages[at, pair, y, x, place] = STAGES.index(_stage(former, change))
        # What happened in a token's first frame had been as it was in the second of the token before.
        first, second = happening(changes[at], stages[at]).unbind(-1)
        told[at, 1:, :, :, 0] = torch.where(first[1:], numbers[:-1, None, None, 1], told[at, 1:, :, :, 0])
        told[at, :, :, :, 1] = torch.where(first & ~second, numbers[:, None, None, 0], told[at, :, :, :, 1])
    # No thing stands beside the clock.
    told[:, :, 0] = IGNORED
    stood[:, 1:], earlier[:, 1:] = kinds[:, :-1, ..., 1, :], changes[:, :-1, ..., 1]
    placed = torch.full_like(stood, IGNORED)
    placed[:, 1:] = middles[:, :-1, ..., 1, :]
    asked = (kinds, read.flatten(-2), told, pairs, stood, placed, earlier, kind, changes, stages)
    parts = (*asked, middles.flatten(-2))
    return Filmed(*(part.flatten(1, 3) for part in parts))


def _state(actor: Actor, frame: int) -> State:
    return actor.states[min(frame, len(actor.states) - 1)]


def _kind(actor: Actor, state: State) -> Tensor:
    assert state
    return torch.tensor([SHAPES.index(actor.shape), list(COLORS).index(state[0])])


def _change(before: State, state: State) -> str:
    if before is None or state is None:
        return "none" if before == state else "leaves" if before else "appears"
    return "turns" if before[0] != state[0] else "moves" if before[1] != state[1] else "none"


def _stage(earlier: str, change: str) -> str:
    """Of a movement, by what changed between the two frames before and what did since."""
    if change == "moves":
        return "none" if earlier == "moves" else "sets out"
    return "arrives" if earlier == "moves" and change == "none" else "none"


def _tokens(state: State, size: tuple[int, int], height: int, width: int) -> list[Span]:
    """Rows and columns of the tokens whose middles a thing covers, or of that in which its own middle lies."""
    if state is None:
        return []
    left, top, right, bottom = _in_frame(state[1], size)
    rows = [y for y in range(height) if top < (y + 0.5) / height < bottom] or [cell((top + bottom) / 2, height)]
    columns = [x for x in range(width) if left < (x + 0.5) / width < right] or [cell((left + right) / 2, width)]
    return [(y, x) for y in rows for x in columns]


def _in_frame(box: Box, size: tuple[int, int]) -> Box:
    """A box on the stage as one in the frame, both in fractions."""
    strip = strip_height(*size) / size[1]
    return box[0], strip + box[1] * (1 - strip), box[2], strip + box[3] * (1 - strip)


def _middle(state: State, size: tuple[int, int], tokens: tuple[int, int], place: tuple[int, int]) -> Tensor:
    """How far a thing's middle is from that of the token at a place (y, x) of so many tokens (height, width)."""
    assert state
    left, top, right, bottom = _in_frame(state[1], size)
    (height, width), (y, x) = tokens, place
    away = torch.tensor([(left + right) / 2 * width - x - 0.5, (top + bottom) / 2 * height - y - 0.5]) * FACTOR
    return ((away + REACH) / STEP).round().long().clamp(0, OFFSETS - 1)


def _clock_places(size: tuple[int, int]) -> list[float]:
    """Where the middles of the clock's digits are, in fractions of a frame's width."""
    text = f"time: {clock(0)}"
    font = ImageFont.truetype(font_file(CLOCK_FONT), int(min(size) * SHARE))
    return [
        (font.getlength(text[:i]) + font.getlength(text[: i + 1])) / 2 / size[0]
        for i, character in enumerate(text)
        if character.isdigit()
    ]


class ClipHeads(nn.Module):
    """Linear readers of token states (clips, tokens, hidden), and of those of words that speak of them."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.early = nn.Linear(hidden, sum(EARLY.values()))
        self.late = nn.Linear(hidden, sum(LATE.values()))
        self.words = nn.Linear(hidden, MOST)

    def misnumbered(self, words: Tensor, numbers: Tensor) -> Tensor:
        """How far off words (words, hidden) that are to say a time are about its frame, by number (words,)."""
        return mistakes(self.words(scaled(words)), numbers[:, None])

    def losses(self, seen: Tensor | None, state: Tensor, asked: Filmed) -> Tensor:
        """What the heads get wrong about a batch, each on average; `state` is what layer `LAYER` hands on.

        Without `seen` nothing is asked that is asked right behind the eyes.
        """
        late = split(self.late(scaled(state)), LATE)
        changes = torch.ones(len(CHANGES), device=state.device)
        changes[CHANGES.index("none")] = NOTHING
        stages = torch.ones(len(STAGES), device=state.device)
        stages[STAGES.index("none")] = NO_STAGE
        # To few tokens something happens, but of those the frames are told.
        happened = asked.happened.any(-1, keepdim=True)
        here, elsewhere = (asked.told.where(which, IGNORED) for which in (happened, ~happened))
        wrong = (
            kind_mistakes(late["kind"], asked.kind)
            + mistakes(late["changes"], asked.changes, changes)
            + mistakes(late["stages"], asked.stages, stages)
            + mistakes(late["clocks"], asked.read)
            + mistakes(late["told"], here)
            + mistakes(late["told"], elsewhere)
            + mistakes(late["pair"], asked.pair[..., None])
            # Asked of all: what changes is too rare to teach a look at the pair before.
            + kind_mistakes(late["stood"], asked.stood)
            # Whether it has moved since, and whether it only sets out or only arrives, is told by these.
            + mistakes(late["placed"], asked.placed)
            + mistakes(late["earlier"], asked.earlier[..., None], changes)
        )
        if seen is None:
            return wrong
        early = split(self.early(scaled(seen)), EARLY)
        of_eyes = (
            kind_mistakes(early["kinds"].unflatten(-1, (FRAMES, -1)).flatten(1, 2), asked.kinds.flatten(1, 2))
            + mistakes(early["clocks"], asked.read)
            + mistakes(early["middles"], asked.middles)
            + mistakes(early["second"], asked.changes[..., 1:], changes)
        )
        return wrong + EYES * of_eyes
