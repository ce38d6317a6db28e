"""Scenes of coloured shapes on plain, gradient and noisy grounds: what there is, and the picture of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "rectangle", "triangle", "star", "diamond", "cross", "ring")
COLORS = {
    "red": (214, 40, 40),
    "green": (40, 160, 60),
    "blue": (45, 85, 220),
    "yellow": (240, 210, 40),
    "gray": (128, 128, 128),
    "teal": (0, 140, 140),
    "brown": (130, 75, 35),
    "black": (15, 15, 15),
    "orange": (245, 140, 25),
    "purple": (125, 50, 170),
    "pink": (245, 130, 190),
    "white": (248, 248, 248),
}
# Width to height, and how often: what cameras and screens make.
PROPORTIONS = {(1, 1): 0.5, (4, 3): 0.16, (3, 4): 0.16, (16, 9): 0.09, (9, 16): 0.09}
SCALE = 3  # shapes are drawn this much larger and scaled down, for smooth edges


@dataclass(frozen=True)
class Thing:
    """A shape in a scene; the box is (left, top, right, bottom) in fractions of the picture."""

    shape: str
    color: str
    box: tuple[float, float, float, float]

    @property
    def name(self) -> str:
        return f"{self.color} {self.shape}"

    @property
    def center(self) -> tuple[float, float]:
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True)
class Scene:
    """Things from the top down, and the picture that shows them."""

    things: list[Thing]
    image: Image.Image


def draw_size(random: Random, smallest: int = 112, largest: int = 224) -> tuple[int, int]:
    """Width and height of common proportions, with the area of a square of `smallest` to `largest` pixels a side."""
    wide, high = random.choices(list(PROPORTIONS), list(PROPORTIONS.values()))[0]
    side = random.randint(smallest, largest) / math.sqrt(wide * high)
    return round(wide * side), round(high * side)


def draw_scene(
    random: Random,
    width: int,
    height: int,
    count: int,
    *,
    distinct: bool = True,
    backdrop: Image.Image | None = None,
    shapes: Sequence[str] = SHAPES,
    colors: Sequence[str] = tuple(COLORS),
) -> Scene:
    """A scene of up to `count` things that do not overlap; with `distinct`, no two share shape and colour.

    A `backdrop` of the scene's own size takes the place of the drawn ground: then a thing must stand out from what
    lies right behind it. `shapes` and `colors` are what things are made of.
    """
    if backdrop is None:
        ground, ground_color = _ground(random, width, height)
    else:
        ground, ground_color = backdrop, np.asarray(backdrop, dtype=np.float32)
    canvas = ground.resize((width * SCALE, height * SCALE), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(canvas)
    things: list[Thing] = []
    for _ in range(count):
        thing = _place(random, (width, height), things, ground_color, distinct=distinct, shapes=shapes, colors=colors)
        if thing is None:
            break
        _draw(pen, random, thing, width * SCALE, height * SCALE)
        things.append(thing)
    image = canvas.resize((width, height), Image.Resampling.BOX)
    return Scene(sorted(things, key=from_the_top), image)


def from_the_top(thing: Thing) -> tuple[float, float]:
    """By the upper edge: a decoder, which reads a picture row by row, meets things in this order."""
    return thing.box[1], thing.box[0]


def _ground(random: Random, width: int, height: int) -> tuple[Image.Image, np.ndarray]:
    base = np.array([random.randint(150, 255)] * 3) + np.array([random.randint(-25, 25) for _ in range(3)])
    if random.random() < 0.15:
        base = 255 - base
    field = np.broadcast_to(base.astype(np.float32), (height, width, 3)).copy()
    kind = random.random()
    noise = np.random.default_rng(random.getrandbits(32))
    if kind < 0.3:
        ramp = np.linspace(-1, 1, width)[None, :, None] * random.uniform(-30, 30)
        field += ramp + np.linspace(-1, 1, height)[:, None, None] * random.uniform(-30, 30)
    elif kind < 0.5:
        field += noise.normal(0, random.uniform(3, 16), (height, width, 3))
    return Image.fromarray(field.clip(0, 255).astype(np.uint8)), base


def stands_out(color: str, ground: np.ndarray, box: tuple[float, float, float, float]) -> bool:
    """Whether a colour is told from the ground: one colour (3,), or pixels (h, w, 3), judged under the box."""
    if ground.ndim == 1:
        return bool(np.abs(np.array(COLORS[color]) - ground).sum() >= 150)
    h, w = ground.shape[:2]
    left, top, right, bottom = box
    patch = ground[int(top * h) : math.ceil(bottom * h) : 3, int(left * w) : math.ceil(right * w) : 3]
    apart = np.abs(patch - np.array(COLORS[color], dtype=np.float32)).sum(axis=2)
    return bool(apart.mean() >= 170 and (apart < 100).mean() < 0.1)


def _place(
    random: Random,
    extent: tuple[int, int],
    others: list[Thing],
    ground: np.ndarray,
    *,
    distinct: bool,
    shapes: Sequence[str],
    colors: Sequence[str],
) -> Thing | None:
    width, height = extent
    short = min(width, height)
    crowd = 1 / math.sqrt(len(others) + 1.5)
    for _ in range(60):
        size = random.uniform(0.14, 0.16 + 0.42 * crowd) * short
        shape = random.choice(shapes)
        stretch = random.uniform(0.55, 1.8) if shape in ("rectangle", "triangle", "diamond") else 1.0
        w, h = size * math.sqrt(stretch), size / math.sqrt(stretch)
        if w > width * 0.9 or h > height * 0.9:
            continue
        left, top = random.uniform(0, width - w), random.uniform(0, height - h)
        box = (left / width, top / height, (left + w) / width, (top + h) / height)
        color = random.choice(colors)
        if not stands_out(color, ground, box):
            continue
        if distinct and any((shape, color) == (other.shape, other.color) for other in others):
            continue
        gap = 0.015
        if all(
            box[0] > o.box[2] + gap or box[2] < o.box[0] - gap or box[1] > o.box[3] + gap or box[3] < o.box[1] - gap
            for o in others
        ):
            return Thing(shape, color, box)
    return None


def _draw(pen: ImageDraw.ImageDraw, random: Random, thing: Thing, width: int, height: int) -> None:
    jitter = tuple(max(0, min(255, value + random.randint(-12, 12))) for value in COLORS[thing.color])
    draw_shape(pen, thing.shape, tuple(v * s for v, s in zip(thing.box, (width, height) * 2, strict=True)), jitter)


def draw_shape(
    pen: ImageDraw.ImageDraw, shape: str, box: tuple[float, ...], fill: tuple[int, ...], ground: str | None = None
) -> None:
    """One shape that fills its box (left, top, right, bottom) in pixels."""
    left, top, right, bottom = box
    w, h = right - left, bottom - top
    if shape == "circle":
        pen.ellipse(box, fill=fill)
    elif shape == "ring":
        pen.ellipse(box, outline=fill, width=max(2, int(w * 0.22)))
    elif shape == "rectangle":
        pen.rectangle(box, fill=fill)
    else:
        pen.polygon([(left + x * w, top + y * h) for x, y in OUTLINES[shape]], fill=fill)


def _star() -> list[tuple[float, float]]:
    """Five points, stretched so that they touch all four sides of the unit box."""
    turns = [math.pi / 5 * step - math.pi / 2 for step in range(10)]
    points = [(r * math.cos(a), r * math.sin(a)) for a, r in zip(turns, [1, 0.42] * 5, strict=True)]
    xs, ys = zip(*points, strict=True)
    return [((x - min(xs)) / (max(xs) - min(xs)), (y - min(ys)) / (max(ys) - min(ys))) for x, y in points]


_A, _B = 0.33, 0.67
OUTLINES: dict[str, list[tuple[float, float]]] = {
    "triangle": [(0.5, 0), (1, 1), (0, 1)],
    "diamond": [(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)],
    "star": _star(),
    "cross": [
        *((_A, 0), (_B, 0), (_B, _A), (1, _A), (1, _B), (_B, _B)),
        *((_B, 1), (_A, 1), (_A, _B), (0, _B), (0, _A), (_A, _A)),
    ],
}
