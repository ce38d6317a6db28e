"""Clips in which named things appear, leave, move or change their colour, and the clock in every frame.

A `Clip` says of each thing where it stands and what colour it has in every frame, as the frames show it. No two things
of a clip have one shape, each stands out from the ground behind it, and the clock hides none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from data.backdrops import draw_backdrop
from data.scenes import COLORS, SCALE, Thing, draw_scene, draw_shape, stands_out
from ernie_cli.media.clock import draw_clock
from ernie_cli.times import clock

RATE = 2.0  # frames a second of a whole clip
RATES = (0.5, 1.0, 2.0, 4.0, 5.0, 8.0, 10.0)  # of a closer look at a part of it
CAMERAS = (5, 10, 25, 30)  # frames a second of a clip of which parts are looked at
HOLD = 3  # frames that a state lasts at least
SLOWEST = 4  # pixels a frame
ACTS = ("appears", "leaves", "visits", "returns", "moves", "moves", "turns", "turns")  # what a thing may do
GLIMPSE = HOLD + 3  # frames that a thing is there at most which "glimpses" in

TIME = re.compile(r"\d\d:\d\d:\d\d\.\d\d")  # as `clock` says it

Box = tuple[float, float, float, float]
Span = tuple[int, int]  # first and last frame


# --- the clip


@dataclass(frozen=True)
class Actor:
    """A thing through all frames: its colour and box (fractions of the stage) in each; None where it is not there.

    `said` is the one way to speak of it: with its colour, if it keeps that.
    """

    shape: str
    said: str
    states: list[tuple[str, Box] | None]

    def runs(self, holds: Callable[[tuple[str, Box]], bool] = lambda state: True) -> list[Span]:
        """The spans of frames in which it is there and something holds of it."""
        marks = [0, *(int(state is not None and holds(state)) for state in self.states), 0]
        edges = np.flatnonzero(np.diff(marks))
        return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]

    def steps(self, differs: Callable[[Any, Any], bool]) -> list[Span]:
        """The neighbouring frames between which something happens to it."""
        pairs = zip(self.states, self.states[1:], strict=False)
        return [(k, k + 1) for k, (before, after) in enumerate(pairs) if differs(before, after)]

    def moves(self) -> list[Span]:
        merged: list[Span] = []
        for first, last in self.steps(lambda a, b: bool(a and b and a[1] != b[1])):
            if merged and merged[-1][1] == first:
                merged[-1] = (merged[-1][0], last)
            else:
                merged.append((first, last))
        return merged

    def color(self, frame: int) -> str | None:
        state = self.states[frame]
        return state[0] if state else None


@dataclass(frozen=True)
class Clip:
    """What a clip shows, when, and the width and height of its frames in pixels when their clocks were drawn."""

    actors: list[Actor]
    times: list[float]
    size: tuple[int, int]

    def at(self, frame: int) -> str:
        return clock(self.times[frame])


def draw_footage(random: Random, width: int, height: int, seconds: float, fps: float) -> tuple[Clip, list[Image.Image]]:
    """A whole clip as a camera would take it: without clocks, and with edges at any frame.

    Things do what they do in `draw_clip`, at moments that lie between its half seconds.
    """
    frames = max(round(seconds * RATE), 4 * HOLD)
    clip, backdrop, strip = _stage(random, width, height, [place / RATE for place in range(frames + 1)])
    shift, count = random.uniform(0, 1), int(frames / RATE * fps)
    at = [min(place / fps * RATE + shift, frames) for place in range(count)]
    fine = Clip(_actors_at(clip, at), [place / fps for place in range(count)], clip.size)
    return fine, _film(fine, backdrop, strip, clocks=False)


def draw_look(
    random: Random, width: int, height: int, frames: int, *, acts: Sequence[str] = ACTS
) -> tuple[Clip, list[Image.Image]]:
    """So many frames of a part of a longer clip, as a look at it shows them: mostly such that something begins or ends.

    Things do some of `acts`. Between two frames lie up to half a second, as even as the clip's own frame rate allows.
    """
    rate = random.choice([RATE, RATE, *(rate for rate in RATES if rate > RATE)])
    camera = random.choice([fps for fps in CAMERAS if fps >= rate])
    length = frames / rate
    seconds = max(random.uniform(4, 20), length + 1)
    times = [place / RATE for place in range(int(seconds * RATE) + 1)]
    whole, backdrop, strip = _stage(random, width, height, times, acts)
    changes = [k / RATE for actor in whole.actors for _, k in actor.steps(lambda before, after: before != after)]
    edge = random.choice(changes) if changes and random.random() < 0.75 else random.uniform(0, seconds)
    start = min(max(edge - random.random() * length, 0), seconds - length)
    at = [int((start + place / rate) * camera + 1e-6) / camera for place in range(frames)]
    before = int(random.choice([0, 0, random.uniform(0, 60), random.uniform(0, 600), random.uniform(0, 7200)]))
    look = Clip(_actors_at(whole, [time * RATE for time in at]), [round(before + time, 2) for time in at], whole.size)
    return look, _film(look, backdrop, strip)


def draw_restless(random: Random, width: int, height: int, frames: int) -> tuple[Clip, list[Image.Image]]:
    """A clip in which all things come, go and change their colour again and again, and move if they can, at any times.

    What a thing was in the frame before cannot be told from what it mostly is.
    """
    things, stage, backdrop, strip = _cast(random, width, height, 5)
    ground, chance = np.asarray(stage, dtype=np.float32), random.choice([0.15, 0.3, 0.5])
    actors, taken = [], list(things)
    for index, thing in enumerate(things):
        target = _target(random, taken, index, ground, least=0.12)
        boxes = _path(stage, thing.box, target or thing.box)
        swept = _around(thing.box, target or thing.box)
        taken[index] = replace(thing, box=swept)
        colors = [color for color in COLORS if stands_out(color, ground, swept)]
        states = [_any_state(random, colors, boxes)]
        while len(states) < frames:
            states.append(_next_state(random, states[-1], colors, boxes) if random.random() < chance else states[-1])
        actors.append(Actor(thing.shape, thing.shape, states))
    clip = Clip(actors, _any_times(random, frames), (width, height))
    return clip, _film(clip, backdrop, strip)


def _any_state(random: Random, colors: list[str], boxes: list[Box]) -> tuple[str, Box] | None:
    return (random.choice(colors), random.choice(boxes)) if colors and random.random() < 0.6 else None


def _next_state(
    random: Random, state: tuple[str, Box] | None, colors: list[str], boxes: list[Box]
) -> tuple[str, Box] | None:
    """Mostly it goes on if it can move: a little way, as most do from frame to frame."""
    if state is None or len(boxes) == 1 or random.random() < 0.3:
        return _any_state(random, colors, boxes)
    place = boxes.index(state[1]) + random.choice([-3, -2, -1, 1, 2, 3])
    return state[0], boxes[place % len(boxes)]


def _path(stage: Image.Image, first: Box, last: Box) -> list[Box]:
    """The places on the way from one box to another, `SLOWEST` pixels from each other."""
    far = max(abs(last[0] - first[0]) * stage.width, abs(last[1] - first[1]) * stage.height)
    steps = int(far / SLOWEST)
    return [first] + [_part_way(first, last, k / steps) for k in range(1, steps + 1)]


def _part_way(first: Box, last: Box, share: float) -> Box:
    left, top, right, bottom = (a + (b - a) * share for a, b in zip(first, last, strict=True))
    return left, top, right, bottom


def _around(first: Box, last: Box) -> Box:
    """The box around two."""
    return min(first[0], last[0]), min(first[1], last[1]), max(first[2], last[2]), max(first[3], last[3])


def _any_times(random: Random, frames: int) -> list[float]:
    most = 100 * random.choice([60, 600, 3600, 36_000, 360_000])
    return [random.randrange(most) / 100 for _ in range(frames)]


def draw_clocks(
    random: Random, width: int, height: int, frames: int, *, side: int, lines: int
) -> tuple[Clip, list[Image.Image]]:
    """So many clocks of any times, of each frame only what is up there.

    The frames, of width x height, are made `side` x `side` pixels large, of which the upper `lines` are kept.
    """
    clip = Clip([], _any_times(random, frames), (width, height))
    film = _film(clip, draw_backdrop(random, width, height), 0)
    return clip, [frame.resize((side, side), Image.Resampling.BICUBIC).crop((0, 0, side, lines)) for frame in film]


def _actors_at(clip: Clip, places: list[float]) -> list[Actor]:
    """The actors of a clip at places between its frames."""
    return [Actor(one.shape, one.said, [_between(one.states, where) for where in places]) for one in clip.actors]


def _between(states: list[tuple[str, Box] | None], where: float) -> tuple[str, Box] | None:
    """What holds between two frames: the first one's state, but on the way if it moves."""
    before, share = states[int(where)], where % 1
    after = states[min(int(where) + 1, len(states) - 1)]
    if before is None or after is None or before[0] != after[0]:
        return before
    return before[0], _part_way(before[1], after[1], share)


# --- what things do


def draw_clip(
    random: Random,
    width: int,
    height: int,
    frames: int,
    *,
    window: bool | None = None,
    acts: Sequence[str] = ACTS,
) -> tuple[Clip, list[Image.Image]]:
    """A clip of so many frames of width x height pixels, in which things do some of `acts`, and these frames.

    A whole clip has 2 frames a second from 0 on; a `window`, as when looking closer, any rate and any start. None
    draws either.
    """
    closer = random.random() < 0.35 if window is None else window
    rate, start = (random.choice(RATES), random.uniform(0, random.choice([20, 600, 7200]))) if closer else (RATE, 0.0)
    times = [round(round(start, 2) + i / rate, 2) for i in range(frames)]
    clip, backdrop, strip = _stage(random, width, height, times, acts)
    return clip, _film(clip, backdrop, strip)


def _stage(
    random: Random, width: int, height: int, times: list[float], acts: Sequence[str] = ACTS
) -> tuple[Clip, Image.Image, int]:
    """What happens, on which ground, and how high the strip for the clock is."""
    things, stage, backdrop, strip = _cast(random, width, height, 4)
    return Clip(_direct(random, things, stage, len(times), acts), times, (width, height)), backdrop, strip


def _cast(random: Random, width: int, height: int, most: int) -> tuple[list[Thing], Image.Image, Image.Image, int]:
    """Up to `most` things, each of another shape; the stage they stand on; the whole backdrop; its strip's height."""
    strip = strip_height(width, height)
    backdrop = draw_backdrop(random, width, height)
    stage = backdrop.crop((0, strip, width, height))
    things = draw_scene(random, *stage.size, random.randint(1, most), backdrop=stage).things
    return list({thing.shape: thing for thing in things}.values()), stage, backdrop, strip


def strip_height(width: int, height: int) -> int:
    """Pixels at the top of a frame in which nothing stands but the clock, which so hides nothing."""
    return int(min(width, height) * 0.1) + 4


def _direct(random: Random, things: list[Thing], stage: Image.Image, frames: int, acts: Sequence[str]) -> list[Actor]:
    """One or two of the things do something, now and then none; the others stay as they are."""
    acting = random.choices([0, 1, 2], [1, 12, 5])[0]
    random.shuffle(things)
    return [
        _act(random, things, index, stage, frames, acts) if index < acting else _stay(random, things[index], frames)
        for index in range(len(things))
    ]


def _stay(random: Random, thing: Thing, frames: int) -> Actor:
    return Actor(thing.shape, _said(random, thing), [(thing.color, thing.box)] * frames)


def _said(random: Random, thing: Thing) -> str:
    return thing.name if random.random() < 0.75 else thing.shape


def _act(
    random: Random, things: list[Thing], index: int, stage: Image.Image, frames: int, acts: Sequence[str]
) -> Actor:
    thing = things[index]
    said, there = _said(random, thing), (thing.color, thing.box)
    kind = random.choice(acts)
    first = random.randint(2, frames - 2 * HOLD)
    last = random.randint(first + HOLD, frames - HOLD + 1)
    ground = np.asarray(stage, dtype=np.float32)
    if kind == "moves" and (target := _target(random, things, index, ground)):
        # Slower than this, and nobody could tell in which frame it sets out.
        steps = max(abs(target[0] - thing.box[0]) * stage.width, abs(target[1] - thing.box[1]) * stage.height) / SLOWEST
        last = first + min(last - first, int(steps))
        path = [min(1.0, max(0.0, (k - first) / (last - first))) for k in range(frames)]
        return Actor(thing.shape, said, [(thing.color, _part_way(thing.box, target, share)) for share in path])
    if kind == "turns":
        colors = [c for c in COLORS if c != thing.color and _apart(c, thing.color) and stands_out(c, ground, thing.box)]
        if colors:
            turned = (random.choice(colors), thing.box)
            return Actor(thing.shape, thing.shape, [there if k < first else turned for k in range(frames)])
    brief = first + random.randint(HOLD, GLIMPSE) if kind == "glimpses" else last
    cast = {
        "leaves": lambda k: k < first,
        "visits": lambda k: first <= k < last,
        "glimpses": lambda k: first <= k < brief,
        "returns": lambda k: not first <= k < last,
    }
    seen = cast.get(kind, lambda k: k >= first)
    return Actor(thing.shape, said, [there if seen(k) else None for k in range(frames)])


def _apart(a: str, b: str) -> bool:
    return sum(abs(x - y) for x, y in zip(COLORS[a], COLORS[b], strict=True)) > 150


def _target(random: Random, things: list[Thing], index: int, ground: np.ndarray, *, least: float = 0.25) -> Box | None:
    """Where a thing can go, across `least` of the stage or more, past no other thing and clear of the ground."""
    left, top, right, bottom = things[index].box
    others = [thing.box for i, thing in enumerate(things) if i != index]
    for _ in range(20):
        x, y = random.uniform(-left, 1 - right), random.uniform(-top, 1 - bottom)
        x, y = random.choice([(x, 0.0), (0.0, y), (x, y / 3)])
        swept = _around(things[index].box, (left + x, top + y, right + x, bottom + y))
        far = max(abs(x), abs(y)) > least and (abs(x) > 2 * abs(y) or abs(y) > 2 * abs(x))
        clear = all(swept[0] > o[2] or swept[2] < o[0] or swept[1] > o[3] or swept[3] < o[1] for o in others)
        if far and clear and stands_out(things[index].color, ground, swept):
            return (left + x, top + y, right + x, bottom + y)
    return None


# --- the film


@lru_cache(maxsize=256)
def _sprite(shape: str, color: str, width: int, height: int) -> Image.Image:
    """A shape with smooth edges on nothing, of width x height pixels."""
    mask = Image.new("L", (width * SCALE, height * SCALE))
    draw_shape(ImageDraw.Draw(mask), shape, (0, 0, width * SCALE - 1, height * SCALE - 1), 255)
    sprite = Image.new("RGBA", (width, height), COLORS[color])
    sprite.putalpha(mask.resize((width, height), Image.Resampling.BOX))
    return sprite


def _film(clip: Clip, backdrop: Image.Image, strip: int, *, clocks: bool = True) -> list[Image.Image]:
    w, h = backdrop.width, backdrop.height - strip
    still = [actor for actor in clip.actors if all(state == actor.states[0] for state in actor.states)]

    def paste(frame: Image.Image, actor: Actor, k: int) -> None:
        if state := actor.states[k]:
            color, (left, top, right, bottom) = state
            sprite = _sprite(actor.shape, color, max(4, round((right - left) * w)), max(4, round((bottom - top) * h)))
            frame.paste(sprite, (round(left * w), strip + round(top * h)), sprite)

    base = backdrop.copy()
    for actor in still:
        paste(base, actor, 0)
    film = []
    for k, seconds in enumerate(clip.times):
        frame = base.copy()
        for actor in clip.actors:
            if actor not in still:
                paste(frame, actor, k)
        if clocks:
            draw_clock(frame, seconds)
        film.append(frame)
    return film
