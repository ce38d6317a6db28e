"""The job *ground*: where the things of a scene are, as JSON boxes from 0 to 1000 relative to the picture.

A query names a shape with or without its colour, a colour ("red shape"), anything ("shape"), or several of these. The
label of a box is what the query calls the thing, always in the singular; where the query says only "shape", which
tells nothing, it is the thing's full name. Boxes come in reading order.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from data import Question, Sample
from data.ask import NUMBERS, article, describe
from data.scenes import COLORS, SHAPES, Scene, Thing, draw_scene
from ernie_cli.messages import Picture

PROMPT = (
    'Find every {query}. Answer with JSON only: a list of {{"bbox_2d": [x1, y1, x2, y2], "label": "..."}} '
    "with coordinates from 0 to 1000, or [] if there is none."
)
# Photos in scikit-image's wheel that hold none of the drawn world's shapes.
PHOTOS = (
    *("astronaut.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png"),
    *("hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "rocket.jpg"),
)
PHOTO_SIDE = 480  # pixels of the longer side that photos are kept at


def ground_sample(random: Random, width: int, height: int, most: int, questions: int) -> Sample:
    """A scene of up to `most` things (now and then none) and questions where some of them are."""
    count = 0 if random.random() < 0.03 else random.randint(1, most)
    # A small palette makes several things fit one query.
    few = random.random() < 0.5
    shapes = random.sample(SHAPES, random.randint(1, 3)) if few else SHAPES
    colors = random.sample(list(COLORS), random.randint(3, 6)) if few else tuple(COLORS)
    backdrop = draw_backdrop(random, width, height)
    scene = draw_scene(
        random, width, height, count, distinct=random.random() < 0.6, backdrop=backdrop, shapes=shapes, colors=colors
    )
    return Sample(Picture(scene.image), [_find(random, scene) for _ in range(questions)])


def draw_backdrop(random: Random, width: int, height: int) -> Image.Image:
    """What scenes stand before: plain, a gradient, noise or a part of a photo."""
    return (_photo_ground if random.random() < 0.3 else _drawn_ground)(random, width, height)


def _drawn_ground(random: Random, width: int, height: int) -> Image.Image:
    """Plain, a gradient between two colours, or noise."""
    first = _pale(random)
    if random.random() < 0.15:
        first = 255 - first
    kind = random.random()
    if kind < 0.4:
        return Image.new("RGB", (width, height), tuple(int(v) for v in first))
    noise = np.random.default_rng(random.getrandbits(32))
    if kind < 0.7:
        x, y = np.linspace(0, 1, width)[None, :, None], np.linspace(0, 1, height)[:, None, None]
        lean = random.random()
        ramp = x * lean + y * (1 - lean)
        field = first + ramp * np.array([random.randint(-70, 70) for _ in range(3)])
    else:
        grain = noise.normal(0, random.uniform(4, 22), (height, width, random.choice([1, 3])))
        field = first + grain
    return Image.fromarray(field.clip(0, 255).astype(np.uint8))


def _pale(random: Random) -> np.ndarray:
    light = random.randint(140, 255)
    return np.array([light + random.randint(-30, 30) for _ in range(3)], dtype=np.float32).clip(0, 255)


@lru_cache
def _photo(name: str) -> Image.Image:
    import skimage

    photo = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
    photo.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    return photo


def _photo_ground(random: Random, width: int, height: int) -> Image.Image:
    """A part of a photo, turned over at times and of any strength of contrast."""
    photo = _photo(random.choice(PHOTOS))
    share = random.uniform(0.35, 1.0) * min(photo.width / width, photo.height / height)
    w, h = width * share, height * share
    left, top = random.uniform(0, photo.width - w), random.uniform(0, photo.height - h)
    part = photo.resize((width, height), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h))
    if random.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    veil = Image.new("RGB", part.size, (random.randint(90, 230),) * 3)
    return Image.blend(part, veil, random.uniform(0, 0.6))


def _find(random: Random, scene: Scene) -> Question:
    terms = _terms(random, scene.things)
    found = [(thing, label) for thing in scene.things if (label := _label(thing, terms))]
    # People also ask for "red circles" and for "the star".
    said, style = terms, random.random()
    if style < 0.12:
        said = [term + ("es" if term.endswith("s") else "s") for term in terms]
    elif style < 0.18:
        said = [f"the {term}" for term in terms]
    query = ", ".join(said[:-1]) + " and " + said[-1] if len(said) > 1 else said[0]
    answer = json.dumps([{"bbox_2d": coordinates(thing.box), "label": label} for thing, label in found])
    return Question(PROMPT.format(query=query), f"{describe(scene.things)} {_fits(scene, found)}", answer)


def _terms(random: Random, things: list[Thing]) -> list[str]:
    """One to three descriptions that no thing fits twice; most of them fit something."""
    wanted = random.choice([1, 1, 1, 2, 2, 3])
    nothing = random.random() < 0.1
    terms: list[str] = []
    used: list[Thing] = []
    for _ in range(12):
        real = random.choice(things) if things and not nothing and random.random() < 0.8 else None
        color = real.color if real else random.choice(list(COLORS))
        shape = real.shape if real else random.choice(SHAPES)
        kind = random.random()
        if kind < 0.12 and not terms and not nothing:
            return ["shape"]
        term = f"{color} {shape}" if kind < 0.6 else shape if kind < 0.85 else f"{color} shape"
        fitting = [thing for thing in things if fits(thing, term)]
        if term not in terms and not any(nothing or thing in used for thing in fitting):
            terms.append(term)
            used += fitting
        if len(terms) == wanted:
            break
    return terms or ["shape"]


def fits(thing: Thing, term: str) -> bool:
    """Whether a thing is what `[color] shape-name` or `[color] shape` speaks of."""
    *color, noun = term.split()
    return (not color or color[0] == thing.color) and noun in ("shape", thing.shape)


def _label(thing: Thing, terms: list[str]) -> str | None:
    term = next((term for term in terms if fits(thing, term)), None)
    return thing.name if term and term.split()[-1] == "shape" else term


def _fits(scene: Scene, found: list[tuple[Thing, str]]) -> str:
    names = ", ".join(article(thing.name) for thing, _ in found)
    if len(scene.things) < 2:
        return "It fits." if found else "It does not fit." if scene.things else "So nothing fits."
    if not found:
        return "None of them fits."
    if len(found) == len(scene.things):
        return "All of them fit."
    return f"{NUMBERS[len(found)].capitalize()} of them {'fits' if len(found) == 1 else 'fit'}: {names}."


def coordinates(box: tuple[float, float, float, float]) -> list[int]:
    """A box in fractions of the picture as whole numbers from 0 to 1000."""
    return [max(0, min(1000, round(1000 * value))) for value in box]


def iou(a: list[float], b: list[float]) -> float:
    """Intersection over union of two boxes [x1, y1, x2, y2]."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - across * down
    return across * down / union


def score(expected_answer: str, given_answer: str) -> dict[str, float]:
    """How well an answer finds what the expected one does.

    `matched` counts boxes with the right label and an IoU of at least 0.5 (each used once, best first), `expected` and
    `given` all boxes: sum them over pictures for F1. `f1` is that of this answer alone, `iou` the mean IoU of the
    expected boxes with their matches of any IoU, `first` (Acc@IoU0.5) whether the first box given is the first
    expected one. An answer that is not such JSON has `readable` 0 and finds nothing.
    """
    expected = boxes(expected_answer)
    given = boxes(given_answer)
    assert expected is not None
    found = given or []
    pairs = sorted(
        (
            (iou(want[0], got[0]), i, j)
            for i, want in enumerate(expected)
            for j, got in enumerate(found)
            if want[1] == got[1]
        ),
        key=lambda pair: -pair[0],
    )
    left, right = set(range(len(expected))), set(range(len(found)))
    overlaps = []
    for overlap, i, j in pairs:
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            overlaps.append(overlap)
    matched = sum(overlap >= 0.5 for overlap in overlaps)
    first = bool(expected and found) and found[0][1] == expected[0][1] and iou(found[0][0], expected[0][0]) >= 0.5
    both = len(expected) + len(found)
    nothing = given is not None and not both
    return {
        "readable": float(given is not None),
        "matched": float(matched),
        "expected": float(len(expected)),
        "given": float(len(found)),
        "f1": 2 * matched / both if both else float(nothing),
        "iou": sum(overlaps) / len(expected) if expected else float(nothing),
        "first": float(first or nothing),
    }


def boxes(answer: str) -> list[tuple[list[float], str]] | None:
    """The (box, label) pairs of an answer in strict JSON, or None where it is not that."""
    try:
        items: Any = json.loads(answer)
    except ValueError:
        return None
    if not isinstance(items, list):
        return None
    found = []
    for item in items:
        box = item.get("bbox_2d") if isinstance(item, dict) else None
        numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(v, (int, float)) for v in box)
        if not numbers or not isinstance(item.get("label"), str):
            return None
        found.append((box, item["label"]))
    return found
