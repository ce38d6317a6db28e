"""How well moments are found in held-out clips, through the very code of `ernie video --find ... --json`.

    python scripts/measure_video.py                  # 200 drawn clips of 4 to 60 s
    python scripts/measure_video.py --limit 20 --processes 2
    python scripts/measure_video.py --long 20        # clips of 10 minutes in which something is there for 2 s

Every clip is drawn from a seed that nothing was trained on, written as H.264 without a clock in it, and searched for
one thing that lasts: being visible, being of a colour, moving. `found` is a temporal IoU of at least 0.5 over all that
was expected and given, so that one moment too many halves it; `recalled` is how many clips have theirs among what was
given, `false_moments` how many others there were, a clip. An edge's error is counted in frames of the finest look.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import av
from PIL import Image
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent / "nano"))

from data import HELD_OUT
from data.clip import Clip, draw_footage
from data.scores import time_iou
from data.video import colored, moving, visible

from ernie_cli.cli import engine
from ernie_cli.cli.app import build_app

FPS, LONG_FPS = 10, 5
LONG_S, THERE_S = 600, 2.0
SIZE = (168, 140)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--limit", type=int, default=200)
    options.add_argument("--long", type=int, default=0, metavar="N", help="N clips of 10 minutes instead")
    options.add_argument("--model", default="ernie-nano")
    options.add_argument("--resolution", type=float, default=0.0)
    options.add_argument("--processes", type=int, default=1)
    given = options.parse_args()
    step, count = given.processes, given.long or given.limit
    shares = [range(start, count, step) for start in range(step)]
    if step == 1:
        scores = _share(given, shares[0])
    else:
        with ProcessPoolExecutor(step) as pool:
            done = [pool.submit(_share, given, share) for share in shares]
            scores = [score for one in done for score in one.result()]
    print(json.dumps(_figures(scores), indent=2))


def _share(given: argparse.Namespace, numbers: range) -> list[dict[str, float]]:
    """The scores of some of the clips; how far it is goes to stderr."""
    engine.pick_engine = lru_cache(lambda *_: _engine(given.model))  # one model for all clips
    scores = []
    for number in numbers:
        scores.append(_measure(Random(HELD_OUT + number), given, long=bool(given.long)))
        if len(scores) % 10 == 0:
            print(f"{len(scores)} of {len(numbers)}: {json.dumps(_figures(scores))}", file=sys.stderr, flush=True)
    return scores


def _engine(model: str) -> Any:
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.runtime.checkpoint import find

    return LocalEngine(find(model))


def _measure(random: Random, given: argparse.Namespace, *, long: bool) -> dict[str, float]:
    """One clip, drawn, written, searched and scored."""
    frames, fps, event, expected = _long_clip(random) if long else _clip(random)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        _write(path, frames, fps)
        arguments = ["video", str(path), "--find", event, "--json", "--resolution", str(given.resolution)]
        result = CliRunner().invoke(build_app(["video"]), arguments)
    if not result.stdout:
        return {"iou": 0.0, "recalled": 0.0, "false": 0.0, "readable": 0.0}
    segments = json.loads(result.stdout)["segments"]
    return _score(expected, segments) | {"readable": float(result.exit_code in (0, 6))}


def _clip(random: Random) -> tuple[Iterator[Image.Image], int, str, list[tuple[float, float]]]:
    """A clip of 4 to 60 s, what to find in it, and when that is."""
    while True:
        clip, film = draw_footage(random, *SIZE, random.uniform(4, 60), FPS)
        if asked := _question(random, clip):
            return iter(film), FPS, *asked


def _question(random: Random, clip: Clip) -> tuple[str, list[tuple[float, float]]] | None:
    """Something that lasts, but not for all of the clip."""
    actors = list(clip.actors)
    random.shuffle(actors)
    for actor in actors:
        for kind in random.sample([visible, colored, moving], 3):
            event = kind(random, clip, actor)
            spans = [(clip.times[first], clip.times[last]) for first, last in event.spans]
            whole = any(last - first > len(clip.times) - 3 for first, last in event.spans)
            if spans and not whole and all(end - start >= 1.0 for start, end in spans):
                said = actor.shape if kind is colored else actor.said
                return f"the {said} {event.text}", spans
    return None


def _long_clip(random: Random) -> tuple[Iterator[Image.Image], int, str, list[tuple[float, float]]]:
    """Ten minutes of the same picture, but that one thing is there for two seconds."""
    clip, film = draw_footage(random, *SIZE, 8, FPS)
    here = next((actor for actor in clip.actors if None in actor.states and any(actor.states)), None)
    if here is None:
        return _long_clip(random)
    # Two of its frames, one with and one without the thing, the others standing as they are.
    on = next(place for place, state in enumerate(here.states) if state)
    off = here.states.index(None)
    if any(other.states[on] != other.states[off] for other in clip.actors if other is not here):
        return _long_clip(random)
    start = random.uniform(1, LONG_S - THERE_S - 1)
    frames = [place for place in range(LONG_S * LONG_FPS) if start <= place / LONG_FPS < start + THERE_S]
    expected = [(frames[0] / LONG_FPS, frames[-1] / LONG_FPS)]
    shown = (film[on if place in set(frames) else off] for place in range(LONG_S * LONG_FPS))
    return shown, LONG_FPS, f"the {here.said} is visible", expected


def _write(path: Path, frames: Iterator[Image.Image], fps: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"crf": "16", "preset": "veryfast"}
        for place, image in enumerate(frames):
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = place, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _score(expected: list[tuple[float, float]], segments: list[dict[str, Any]]) -> dict[str, float]:
    """Segments matched greedily by IoU; the errors of the edges of those that match, in frames of the finest look."""
    given = [(one["start_s"], one["end_s"], one["resolution_s"]) for one in segments]
    pairs = sorted(
        ((time_iou(a, b[:2]), i, j) for i, a in enumerate(expected) for j, b in enumerate(given)), reverse=True
    )
    left, right, total, errors = set(range(len(expected))), set(range(len(given))), 0.0, []
    overlaps = [0.0] * len(expected)
    for value, i, j in pairs:
        if value > 0 and i in left and j in right:
            left.remove(i)
            right.remove(j)
            total += value
            overlaps[i] = value
            errors += [abs(a - b) / given[j][2] for a, b in zip(expected[i], given[j][:2], strict=True)]
    score = {
        "iou": total / max(len(expected), len(given), 1),
        "recalled": float(min(overlaps) >= 0.5),
        "false": float(len(right)),
    }
    return score | ({"error": statistics.mean(errors)} if errors else {})


def _figures(scores: list[dict[str, float]]) -> dict[str, float | None]:
    errors = [score["error"] for score in scores if "error" in score]
    return {
        "clips": len(scores),
        "found": round(sum(score["iou"] >= 0.5 for score in scores) / len(scores), 4),
        "recalled": round(statistics.mean(score["recalled"] for score in scores), 4),
        "false_moments": round(statistics.mean(score["false"] for score in scores), 4),
        "mean_iou": round(statistics.mean(score["iou"] for score in scores), 4),
        "median_edge_error_frames": round(statistics.median(errors), 3) if errors else None,
        "readable": round(statistics.mean(score["readable"] for score in scores), 4),
    }


if __name__ == "__main__":
    main()
