"""Samples drawn beforehand, for what takes too long to draw beside training.

    PYTHONPATH=.:scripts/nano python scripts/nano/data/pool.py chart --shards 0-9

A shard is one zip file `runs/pool/{job}/{number}.zip` of PNG pictures and their questions, written whole or not at all.
All pictures of a shard are of one size, so that a batch can be drawn from it. Shard n holds the samples of the seeds
n * SAMPLES to (n + 1) * SAMPLES - 1.

Training draws from seeds below 10**9 only; seeds from 10**9 (`HELD_OUT`) on are for evaluation, so neither ever sees
the other's samples.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random

from PIL import Image

from data import HELD_OUT, Question, Sample
from data.chart import chart_sample
from ernie_cli.messages import Picture

POOL = Path(__file__).parents[3] / "runs" / "pool"
SAMPLES = 256  # in a shard
STORED = 10  # questions of a sample
SIZES = [(w, h) for w in range(224, 365, 28) for h in range(168, 309, 28) if 1.0 <= w / h <= 1.6]  # pixels

DRAWERS: dict[str, Callable[[Random, int, int], Sample]] = {
    "chart": lambda random, width, height: chart_sample(random, width, height, STORED),
}


def shard_size(number: int) -> tuple[int, int]:
    """The width and height in pixels of a shard's pictures."""
    return Random(number).choice(SIZES)


def fill(job: str, number: int, pool: Path = POOL, samples: int = SAMPLES) -> Path:
    """Draws a shard, if it is not there yet, and returns its path."""
    path = pool / job / f"{number}.zip"
    if path.exists():
        return path
    if (number + 1) * SAMPLES > HELD_OUT or samples > SAMPLES:
        raise ValueError(
            f"shard {number} of {samples} samples would hold seeds that are kept for evaluation or another"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for index in range(samples):
                sample = DRAWERS[job](Random(number * SAMPLES + index), *shard_size(number))
                _store(archive, index, sample)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _store(archive: zipfile.ZipFile, index: int, sample: Sample) -> None:
    assert isinstance(sample.medium, Picture)
    png = io.BytesIO()
    sample.medium.image.save(png, "PNG")
    # A fixed date: the same shard is the same bytes.
    archive.writestr(zipfile.ZipInfo(f"{index}.png"), png.getvalue())
    asked = [[question.text, question.thought, question.answer] for question in sample.questions]
    archive.writestr(zipfile.ZipInfo(f"{index}.json"), json.dumps(asked))


def shards(job: str, pool: Path = POOL) -> list[Path]:
    """The shards there are, by number."""
    return sorted((pool / job).glob("*.zip"), key=lambda path: int(path.stem))


@lru_cache(maxsize=64)
def _open(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def read(path: Path, index: int, random: Random, questions: int) -> Sample:
    """One sample of a shard: its main question, which is stored first, and others at random."""
    archive = _open(path)
    with Image.open(io.BytesIO(archive.read(f"{index}.png"))) as image:
        picture = Picture(image.convert("RGB"))
    first, *rest = [Question(*stored) for stored in json.loads(archive.read(f"{index}.json"))]
    return Sample(picture, [first, *random.sample(rest, min(questions - 1, len(rest)))])


def pool_samples(random: Random, job: str, count: int, questions: int, pool: Path = POOL) -> list[Sample]:
    """`count` samples of one size, at random from a shard at random."""
    there = shards(job, pool)
    if not there:
        raise FileNotFoundError(f"no shards in {pool / job}; run python scripts/nano/data/pool.py {job} --shards 0-9")
    path = random.choice(there)
    total = len(_open(path).namelist()) // 2
    return [read(path, index, random, questions) for index in random.choices(range(total), k=count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=list(DRAWERS))
    parser.add_argument("--shards", default="0-9", help="numbers of the first and the last, or one number")
    options = parser.parse_args()
    first, _, last = options.shards.partition("-")
    for number in range(int(first), int(last or first) + 1):
        begun = time.monotonic()
        path = fill(options.job, number)
        print(f"{path.relative_to(POOL.parents[1])}  {path.stat().st_size >> 10} KiB  {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
