"""The job *ask*: questions about drawn scenes, and about the training pictures of the package `easy-vqa`.

Every thought first says what is in the picture, then what decides the question; so watching it shows what was seen.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from random import Random

from PIL import Image

from data import Question, Sample
from data.scenes import COLORS, SHAPES, Scene, Thing, draw_scene
from ernie_cli.messages import Picture

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
ORDER = ("first", "second", "third", "fourth", "fifth", "sixth")


def count_of(number: int, noun: str) -> str:
    """`2, "shape"` -> `two shapes`."""
    return f"{NUMBERS[number]} {noun}" + ("" if number == 1 else "es" if noun.endswith("s") else "s")


def article(name: str) -> str:
    return ("an " if name[0] in "aeiou" else "a ") + name


OPENING = "From the top: {}."


def describe(things: list[Thing], wanted: list[bool] | None = None) -> str:
    """What a picture shows, numbered: the opening of every thought about a scene, which can then speak of numbers.

    With `wanted`, it says of each thing whether it is what was asked for.
    """
    if not things:
        return "I see no shapes."
    said = [f"{number} {thing.name}" for number, thing in enumerate(things, 1)]
    if wanted is not None:
        said = [f"{name}: {'yes' if fits else 'no'}" for name, fits in zip(said, wanted, strict=True)]
    return OPENING.format(", ".join(said))


def scene_sample(random: Random, width: int, height: int, most: int, questions: int) -> Sample:
    """A drawn scene of one to `most` things and questions about it."""
    scene = draw_scene(random, width, height, random.randint(1, most))
    kinds = [_color, _shape, _presence, _count]
    if len(scene.things) > 1:
        kinds += [_side, _side_of]
    asked = [random.choice(kinds)(random, scene) for _ in range(questions)]
    return Sample(Picture(scene.image), asked, scene.things)


def _say(scene: Scene, question: str, reason: str, answer: str) -> Question:
    return Question(question, f"{describe(scene.things)} {reason}", answer)


def _color(random: Random, scene: Scene) -> Question:
    thing = random.choice(scene.things)
    same = [other for other in scene.things if other.shape == thing.shape]
    if len(same) > 1:
        return _shape(random, scene)
    name = "shape" if len(scene.things) == 1 and random.random() < 0.5 else thing.shape
    ask = random.choice(
        [
            *(f"What color is the {name}?", f"what color is the {name}?", f"What is the color of the {name}?"),
            *(f"Which color does the {name} have?", f"Tell me the color of the {name}.", f"color of the {name}?"),
        ]
    )
    return _say(scene, ask, f"The {thing.shape} is {thing.color}.", thing.color)


def _shape(random: Random, scene: Scene) -> Question:
    thing = random.choice(scene.things)
    same = [other for other in scene.things if other.color == thing.color]
    if len(same) > 1:
        return _count(random, scene)
    ask = random.choice(
        [
            *(
                f"What shape is {thing.color}?",
                f"what is the {thing.color} shape?",
                f"What is the {thing.color} thing?",
            ),
            *(f"Which shape is {thing.color}?", f"What shape does the {thing.color} object have?"),
        ]
    )
    return _say(scene, ask, f"The {thing.color} one is {article(thing.shape)}.", thing.shape)


def _pick(random: Random, scene: Scene) -> tuple[str, list[Thing]]:
    """A description (colour, shape, both, or any) that fits something about every other time, and what it fits."""
    seen = random.choice(scene.things)
    fits = random.random() < 0.6
    color = seen.color if fits else random.choice(list(COLORS))
    shape = seen.shape if fits else random.choice(SHAPES)
    kind = random.random()
    if kind < 0.35:
        return f"{color} shape", [t for t in scene.things if t.color == color]
    if kind < 0.7:
        return shape, [t for t in scene.things if t.shape == shape]
    return f"{color} {shape}", [t for t in scene.things if (t.color, t.shape) == (color, shape)]


def _presence(random: Random, scene: Scene) -> Question:
    name, found = _pick(random, scene)
    plain = [
        *(f"Is there {article(name)}?", f"is there {article(name)} in the image?", f"Is {article(name)} present?"),
        *(f"does the image contain {article(name)}?", f"Do you see {article(name)}?", f"Can you see {article(name)}?"),
    ]
    negative = [
        *(f"is there not {article(name)}?", f"is no {name} present?", f"is there not {article(name)} in the image?"),
        f"does the image not contain {article(name)}?",
    ]
    denied = random.random() < 0.25
    reason = f"There is {article(name)}." if found else f"There is no {name}."
    return _say(scene, random.choice(negative if denied else plain), reason, "yes" if bool(found) != denied else "no")


def _count(random: Random, scene: Scene) -> Question:
    name, found = ("shape", scene.things) if random.random() < 0.4 else _pick(random, scene)
    plural = name + ("es" if name.endswith("s") else "s")
    ask = random.choice(
        [
            f"How many {plural} are there?",
            f"how many {plural} do you see?",
            f"Count the {plural}.",
            f"Number of {plural}?",
        ]
    )
    are = "is" if len(found) == 1 else "are"
    return _say(scene, ask, f"There {are} {count_of(len(found), name)}.", str(len(found)))


def _relation(a: Thing, b: Thing, random: Random) -> str | None:
    """Where a lies as seen from b, if that is clear."""
    dx, dy = a.center[0] - b.center[0], a.center[1] - b.center[1]
    words = [("left of" if dx < 0 else "right of")] if abs(dx) > 0.08 else []
    words += [("above" if dy < 0 else "below")] if abs(dy) > 0.08 else []
    return random.choice(words) if words else None


OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def _side(random: Random, scene: Scene) -> Question:
    a, b = random.sample(scene.things, 2)
    relation = _relation(a, b, random)
    if relation is None:
        return _presence(random, scene)
    asked = relation if random.random() < 0.5 else OPPOSITE[relation]
    ask = random.choice([f"Is the {a.name} {asked} the {b.name}?", f"Does the {a.name} lie {asked} the {b.name}?"])
    return _say(scene, ask, f"The {a.name} is {relation} the {b.name}.", "yes" if asked == relation else "no")


EXTREMES = {
    "left": ("farthest left", 0, min),
    "right": ("farthest right", 0, max),
    "top": ("highest up", 1, min),
    "bottom": ("lowest down", 1, max),
}


def _side_of(random: Random, scene: Scene) -> Question:
    side = random.choice(list(EXTREMES))
    words, axis, pick = EXTREMES[side]
    ordered = sorted(thing.center[axis] for thing in scene.things)
    gap = ordered[1] - ordered[0] if pick is min else ordered[-1] - ordered[-2]
    if gap < 0.06:
        return _presence(random, scene)
    thing = pick(scene.things, key=lambda t: t.center[axis])
    ask = random.choice(
        [
            f"Which shape is {words}?",
            f"What is the {side}most shape?" if axis == 0 else f"Which shape is at the {side}?",
        ]
    )
    return _say(scene, ask, f"The {thing.name} is {words}.", thing.name)


@lru_cache(maxsize=2)
def easy_vqa(split: str) -> list[tuple[Path, list[tuple[str, str]]]]:
    """The pictures of a split of `easy-vqa`, in its order, each with its (question, answer) pairs."""
    import easy_vqa as package

    train = split == "train"
    asked = package.get_train_questions() if train else package.get_test_questions()
    paths = package.get_train_image_paths() if train else package.get_test_image_paths()
    by_picture: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for question, answer, picture in zip(*asked, strict=True):
        by_picture[picture].append((question, answer))
    return [(Path(paths[picture]), pairs) for picture, pairs in sorted(by_picture.items())]


def _easy_thing(pairs: list[tuple[str, str]]) -> tuple[str, str]:
    """The one colour and shape that a picture's questions of the training split give away."""
    colors = {a for _, a in pairs if a in COLORS} | {
        word for q, a in pairs for word in q.split() if word in COLORS and a == _truth(q)
    }
    shapes = {a for _, a in pairs if a in SHAPES} | {
        word for q, a in pairs for word in q.rstrip("?").split() if word in SHAPES and a == _truth(q)
    }
    shapes |= {word for q, _ in pairs for word in q.rstrip("?").split() if word in SHAPES and q.startswith("what ")}
    colors |= {word for q, _ in pairs for word in q.split() if word in COLORS and q.startswith("what ")}
    return min(colors, default=""), min(shapes, default="")


def _truth(question: str) -> str:
    """What a yes/no question of easy-vqa is answered with when its shape is the one in the picture."""
    words = question.split()
    return "no" if "not" in words or words[:2] == ["is", "no"] else "yes"


def easy_sample(random: Random, questions: int) -> Sample:
    """A training picture of easy-vqa with some of its questions; pictures whose shape is not told are passed over."""
    while True:
        path, pairs = random.choice(easy_vqa("train"))
        color, shape = _easy_thing(pairs)
        if color and shape:
            break
    thought = OPENING.format(f"1 {color} {shape}")
    chosen = random.choices(pairs, k=questions)
    return Sample(Picture(Image.open(path).convert("RGB")), [_easy_question(thought, color, shape, *p) for p in chosen])


def _easy_question(thought: str, color: str, shape: str, question: str, answer: str) -> Question:
    if answer in COLORS:
        return Question(question, f"{thought} The {shape} is {color}.", answer)
    if answer in SHAPES:
        return Question(question, f"{thought} The {color} one is {article(shape)}.", answer)
    named = next(word for word in question.rstrip("?").split() if word in COLORS or word in SHAPES)
    name = f"{named} shape" if named in COLORS else named
    there = f"There is {article(name)}." if named in (color, shape) else f"There is no {name}."
    return Question(question, f"{thought} {there}", answer)
