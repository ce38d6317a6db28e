"""The job *ground*: where the things of a scene are, as JSON boxes from 0 to 1000 relative to the picture.

A query names a shape with or without its colour, a colour ("red shape"), anything ("shape"), or several of these. The
label of a box is what the query calls the thing, always in the singular; where the query says only "shape", which
tells nothing, it is the thing's full name. Boxes come from the top down.
"""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

from PIL import Image

from data import Question, Sample
from data.ask import describe
from data.backdrops import draw_backdrop
from data.scenes import COLORS, SHAPES, Scene, Thing, draw_scene
from ernie_cli.messages import Picture

PROMPT = (
    'Find every {query}. Answer with JSON only: a list of {{"bbox_2d": [x1, y1, x2, y2], "label": "..."}} '
    "with coordinates from 0 to 1000, or [] if there is none."
)


def ground_sample(
    random: Random,
    width: int,
    height: int,
    most: int,
    questions: int,
    *,
    plain: bool = False,
    everything: float = 0.12,
    empty: float = 0.03,
) -> Sample:
    """A scene of up to `most` things and questions where some of them are.

    A `plain` one has no photograph behind it; `everything` is how often all of its things are asked for, `empty` how
    often there are none.
    """
    count = 0 if random.random() < empty else random.randint(1, most)
    # A small palette makes several things fit one query.
    few = random.random() < 0.5
    shapes = random.sample(SHAPES, random.randint(1, 3)) if few else SHAPES
    colors = random.sample(list(COLORS), random.randint(3, 6)) if few else tuple(COLORS)
    backdrop = None if plain else draw_backdrop(random, width, height)
    scene = draw_scene(
        random, width, height, count, distinct=random.random() < 0.6, backdrop=backdrop, shapes=shapes, colors=colors
    )
    asked = [_find(random, scene, everything) for _ in range(questions)]
    return Sample(Picture(scene.image), asked, scene.things)


def judged_sample(random: Random, things: int) -> Sample:
    """No scene at all, but a thought about one of so many things, and the question which of them are wanted."""
    few = random.random() < 0.5
    shapes = random.sample(SHAPES, random.randint(2, 4)) if few else SHAPES
    colors = random.sample(list(COLORS), random.randint(2, 5)) if few else tuple(COLORS)
    listed = [Thing(random.choice(shapes), random.choice(colors), (0.0, 0.0, 1.0, 1.0)) for _ in range(things)]
    blank = Image.new("RGB", (56, 56), "white")
    question = replace(_find(random, Scene(listed, blank), 0.1), mode="judged")
    return Sample(Picture(blank), [question])


def _find(random: Random, scene: Scene, everything: float) -> Question:
    terms = ["shape"] if random.random() < everything else _terms(random, scene.things)
    labels = [_label(thing, terms) for thing in scene.things]
    # People also ask for "red circles" and for "the star".
    said, style = terms, random.random()
    if style < 0.12:
        said = [term + ("es" if term.endswith("s") else "s") for term in terms]
    elif style < 0.18:
        said = [f"the {term}" for term in terms]
    query = ", ".join(said[:-1]) + " and " + said[-1] if len(said) > 1 else said[0]
    found = [
        (number, thing, label)
        for number, (thing, label) in enumerate(zip(scene.things, labels, strict=True), 1)
        if label
    ]
    answer = json.dumps([{"bbox_2d": coordinates(thing.box), "label": label} for _, thing, label in found])
    numbers = ", ".join(str(number) for number, *_ in found)
    wanted = [label is not None for label in labels]
    thought = f"{describe(scene.things, wanted)} Wanted: {numbers or 'none'}."
    return Question(PROMPT.format(query=query), thought, answer)


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


def coordinates(box: tuple[float, float, float, float]) -> list[int]:
    """A box in fractions of the picture as whole numbers from 0 to 1000."""
    return [max(0, min(1000, round(1000 * value))) for value in box]
