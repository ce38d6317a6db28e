"""Measures `ernie ground` as its users run it: `python scripts/measure_ground.py scenes` and `... tiles`.

`scenes` are drawn from seeds that nothing is trained on, each with its own query; `tiles` are pictures of 2000 x 1500
pixels with small shapes, looked at with `--tile auto` and without. Every picture is a file, and the command itself is
run on it in this process, with one warm model: arguments, files, prompt, grammar, reading and printing are all part of
what is measured. F1 is over all boxes, at an IoU of 0.5 and with the right label.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent / "nano"))

from data import HELD_OUT
from data.backdrops import draw_backdrop
from data.ground import coordinates, fits, ground_sample
from data.scenes import COLORS, SCALE, SHAPES, Thing, draw_shape, draw_size, stands_out
from data.scores import score_ground
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from ernie_cli.cli import engine as engines
from ernie_cli.cli.app import build_app
from ernie_cli.draw.boxes import draw_boxes
from ernie_cli.engines.local import LocalEngine
from ernie_cli.messages import Picture
from ernie_cli.runtime.checkpoint import NANO, find
from ernie_cli.tasks.ground import labels_of, read

WIDTH, HEIGHT, SMALL = 2000, 1500, (36, 64)  # pixels: the picture, and its shapes
_QUERY = re.compile(r"Find every (.*?)\. Answer with JSON only")


class Case(NamedTuple):
    """A picture, what is asked, and the answer expected."""

    image: Image.Image
    query: str
    expected: str


def scene(seed: int) -> Case:
    """A scene as nano's evaluation draws it: one or up to eight things, about 112 to 224 pixels a side."""
    random = Random(HELD_OUT + seed)
    sample = ground_sample(random, *draw_size(random), random.choice([1, 8]), 1)
    assert isinstance(sample.medium, Picture)
    match = _QUERY.match(sample.questions[0].text)
    assert match
    return Case(sample.medium.image, match[1], sample.questions[0].answer)


def crowd(seed: int) -> Case:
    """A large picture of 20 to 40 small things, and a query that a good share of them fits."""
    random = Random(HELD_OUT + seed)
    ground = draw_backdrop(random, WIDTH // 4, HEIGHT // 4).resize((WIDTH, HEIGHT))
    things = _small_things(random, random.randint(20, 40), ground)
    _paint(ground, things, random)
    query = random.choice(["shape", random.choice(things).shape])
    found = [
        {"bbox_2d": coordinates(thing.box), "label": thing.name if query == "shape" else query}
        for thing in things
        if fits(thing, query)
    ]
    return Case(ground, query, json.dumps(found))


def _small_things(random: Random, count: int, ground: Image.Image) -> list[Thing]:
    import numpy as np

    pixels = np.asarray(ground, dtype=np.float32)
    things: list[Thing] = []
    for _ in range(count * 30):
        side = random.randint(*SMALL)
        left, top = random.randint(0, WIDTH - side), random.randint(0, HEIGHT - side)
        box = (left / WIDTH, top / HEIGHT, (left + side) / WIDTH, (top + side) / HEIGHT)
        color = random.choice(list(COLORS))
        apart = all(
            box[0] > one.box[2] + 0.01
            or box[2] < one.box[0] - 0.01
            or box[1] > one.box[3] + 0.01
            or box[3] < one.box[1] - 0.01
            for one in things
        )
        if apart and stands_out(color, pixels, box):
            things.append(Thing(random.choice(SHAPES), color, box))
        if len(things) == count:
            break
    return things


def _paint(ground: Image.Image, things: list[Thing], random: Random) -> None:
    """Each thing is drawn larger and scaled down, for smooth edges."""
    for thing in things:
        left, top, right, bottom = (
            round(part * side) for part, side in zip(thing.box, (WIDTH, HEIGHT) * 2, strict=True)
        )
        spot = ground.crop((left, top, right, bottom))
        large = spot.resize((spot.width * SCALE, spot.height * SCALE))
        fill = tuple(max(0, min(255, value + random.randint(-12, 12))) for value in COLORS[thing.color])
        draw_shape(ImageDraw.Draw(large), thing.shape, (0, 0, *large.size), fill)
        ground.paste(large.resize(spot.size, Image.Resampling.BOX), (left, top))


# ------------------------------------------------------------------------------------------------ asking and scoring


def ask(case: Case, path: Path, *options: str) -> dict[str, Any]:
    """What the command says of a case: its exit code, and its JSON if it printed any."""
    case.image.save(path)
    done = CliRunner().invoke(build_app(["ground"]), ["ground", str(path), case.query, "-q", *options])
    return {"exit": done.exit_code, "told": json.loads(done.stdout) if done.stdout else None}


def scored(case: Case, said: dict[str, Any]) -> dict[str, float]:
    """The score of an answer; one that could not be read finds nothing."""
    boxes = said["told"]["boxes"] if said["told"] else []
    given = [{"bbox_2d": box["box_1000"], "label": box["label"]} for box in boxes]
    terms = labels_of(case.query)
    expected = json.loads(case.expected)
    if len(terms) > 1:  # then the command calls things what the query calls them
        expected = [thing | {"label": _asked_as(thing["label"], terms)} for thing in expected]
    score = score_ground(json.dumps(expected), json.dumps(given))
    return score | {"readable": float(said["exit"] in (0, 7)), "exit": float(said["exit"])}


def _asked_as(label: str, terms: list[str]) -> str:
    """The term of a query that a thing's label fits: "red circle" is one of the "circles"."""
    words = set(label.split())
    for term in terms:
        said = [word for word in term.split() if word not in ("the", "shape", "shapes")]
        if all(word in words or word.removesuffix("es") in words or word.removesuffix("s") in words for word in said):
            return term
    return label


def share(kind: str, model: str, seeds: range, options: list[str]) -> list[dict[str, float]]:
    """The scores of some seeds; a process of its own may run it."""
    warm = LocalEngine(find(model), "cpu")
    engines.pick_engine = lambda common, output: warm  # type: ignore[assignment]
    scores = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            case = scene(seed) if kind == "scenes" else crowd(seed)
            scores.append(scored(case, ask(case, Path(folder) / "picture.png", *options)))
    return scores


def figures(scores: list[dict[str, float]], seconds: float) -> dict[str, Any]:
    """F1 over all boxes, and how many answers could not be read."""
    matched, expected, given = (sum(score[key] for score in scores) for key in ("matched", "expected", "given"))
    return {
        "pictures": len(scores),
        "f1_0.5": round(2 * matched / max(1.0, expected + given), 4),
        "precision": round(matched / max(1.0, given), 4),
        "recall": round(matched / max(1.0, expected), 4),
        "unreadable": sum(not score["readable"] for score in scores),
        "seconds": round(seconds, 1),
    }


def measure(kind: str, arguments: argparse.Namespace, options: list[str]) -> dict[str, Any]:
    """One row of figures."""
    begun = time.monotonic()
    step = arguments.processes
    shares = [range(start, arguments.limit, step) for start in range(step)]
    if step == 1:
        scores = share(kind, arguments.model, shares[0], options)
    else:
        with ProcessPoolExecutor(step) as pool:
            done = [pool.submit(share, kind, arguments.model, seeds, options) for seeds in shares]
            scores = [score for one in done for score in one.result()]
    return figures(scores, time.monotonic() - begun)


def show(case: Case, path: Path) -> None:
    """The picture of a case with the expected boxes, drawn as `--draw` draws those that were found."""
    expected = read(case.expected, case.image.size).items
    drawn = draw_boxes(case.image, expected)
    drawn.thumbnail((1200, 1200))
    drawn.save(path)
    print(case.query)


def rows(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The measurements of a kind, as they are done."""
    extra = arguments.options.split()
    if arguments.kind == "scenes":
        yield "scenes", measure("scenes", arguments, extra)
        return
    yield "without tiles", measure("tiles", arguments, extra)
    yield "with --tile auto", measure("tiles", arguments, ["--tile", "auto", *extra])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["scenes", "tiles"])
    parser.add_argument("--limit", type=int, default=None, help="how many pictures; 500 scenes, 20 of tiles")
    parser.add_argument("--model", default=NANO, help="another checkpoint's folder")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--options", default="", help="further options of the command, in one string")
    parser.add_argument(
        "--show", type=Path, help="only draw the first picture of the kind, with what is in it, to a file"
    )
    arguments = parser.parse_args()
    arguments.limit = arguments.limit or (500 if arguments.kind == "scenes" else 20)
    if arguments.show:
        show((scene if arguments.kind == "scenes" else crowd)(0), arguments.show)
        return
    for name, row in rows(arguments):
        print(json.dumps({"measured": name} | row), flush=True)


if __name__ == "__main__":
    main()
