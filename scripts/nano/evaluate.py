"""Measures ernie-nano through the engine the commands use: `python scripts/nano/evaluate.py easy-vqa`.

Every job is asked greedily about pictures it was not trained on, with the answer's schema where its command sets one.
With `--write` the figures go to `docs/nano.json` and into the table of `docs/nano.md`; `--precision` measures what int8
and nf4 lose.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, TypeAlias

from data import HELD_OUT, Question, Sample
from data.ask import easy_vqa, scene_sample
from data.chart import sample_of
from data.doc import doc_sample
from data.ground import ground_sample
from data.plots import draw_chart
from data.scenes import draw_size
from data.scores import score_chart, score_doc, score_ground, score_video
from data.video import video_sample
from PIL import Image

from ernie_cli.engines import Options
from ernie_cli.engines.local import LocalEngine
from ernie_cli.messages import Answer, Finish, Part, Picture, Thinking, Video
from ernie_cli.runtime.checkpoint import NANO, find
from ernie_cli.runtime.fit import Asked as Precision
from ernie_cli.tasks import ask
from ernie_cli.tasks import chart as tasks_chart
from ernie_cli.tasks import ground as tasks_ground
from ernie_cli.tasks import video as tasks_video
from ernie_cli.tasks.fields import parse_short

ROOT = Path(__file__).parents[2]
FIGURES, PAGE = ROOT / "docs" / "nano.json", ROOT / "docs" / "nano.md"


@dataclass(frozen=True)
class Asked:
    """One question of an evaluation: what was expected, what was said, how it ended, and what was thought before.

    `span` is the length of the value axis of the chart that was asked about.
    """

    expected: str
    said: str
    finish: str
    thought: str = ""
    span: float = 0.0


Share: TypeAlias = Callable[[LocalEngine, slice], Iterator[Asked]]
Figures: TypeAlias = dict[str, Any]


def answer(
    engine: LocalEngine, medium: Part, question: str, expected: str, schema: dict[str, Any] | None = None
) -> Asked:
    """Asks the engine as the commands do; `expected` is only kept beside what it says."""
    said, thought, finish = "", "", ""
    for event in engine.stream(ask.messages([medium], question), Options(schema=schema)):
        if isinstance(event, Answer):
            said += event.text
        elif isinstance(event, Finish):
            finish = event.reason
        elif isinstance(event, Thinking):
            thought += event.text
    return Asked(expected, said, finish, thought.strip())


def easy_vqa_share(engine: LocalEngine, share: slice) -> Iterator[Asked]:
    """The test split of easy-vqa: 1,000 pictures with 9,673 questions."""
    for path, pairs in easy_vqa("test")[share]:
        with Image.open(path) as file:
            picture = Picture(file.convert("RGB"))
        for question, expected in pairs:
            yield answer(engine, picture, question, expected)


def drawn(
    draw: Callable[[Random], Sample],
    count: int,
    schema: Callable[[Part, Question], dict[str, Any] | None] = lambda *_: None,
) -> Share:
    """`count` samples drawn from held-out seeds, asked all of their questions, with the schema of each."""

    def run(engine: LocalEngine, share: slice) -> Iterator[Asked]:
        for seed in range(count)[share]:
            sample = draw(Random(HELD_OUT + seed))
            assert sample.medium is not None
            for question in sample.questions:
                yield answer(engine, sample.medium, question.text, question.answer, schema(sample.medium, question))

    return run


def chart_tables(engine: LocalEngine, share: slice) -> Iterator[Asked]:
    """300 charts drawn from held-out seeds, each asked for its table."""
    for seed in range(300)[share]:
        random = Random(HELD_OUT + seed)
        chart = draw_chart(random, 224, 224)
        sample = sample_of(random, chart, 1)
        assert sample.medium is not None
        (question,) = sample.questions
        asked = answer(engine, sample.medium, question.text, question.answer, tasks_chart.schema())
        yield replace(asked, span=chart.span)


def _ended(asked: list[Asked]) -> Figures:
    return {
        "questions": len(asked),
        "ended_by_itself": round(sum(one.finish == "stop" for one in asked) / len(asked), 4),
        "loops_broken": sum(one.finish == "loop" for one in asked),
    }


def accuracy(asked: list[Asked]) -> Figures:
    """The share of answers that are exactly the expected one."""
    return {"accuracy": round(sum(one.said == one.expected for one in asked) / len(asked), 4)} | _ended(asked)


def grounding(asked: list[Asked]) -> Figures:
    """Acc@IoU 0.5 where one thing is to be found, F1@0.5 where several are, over all boxes."""
    scored = [score_ground(one.expected, one.said) for one in asked]
    single = [score["first"] for score in scored if score["expected"] == 1]
    several = [score for score in scored if score["expected"] > 1]
    matched, total = (sum(score[key] for score in several) for key in ("matched", "expected"))
    given = sum(score["given"] for score in several)
    return {
        "acc_iou_0.5_one": round(sum(single) / max(1, len(single)), 4),
        "f1_0.5_several": round(2 * matched / max(1, total + given), 4),
        "unreadable": sum(not score["readable"] for score in scored),
    } | _ended(asked)


def charting(asked: list[Asked]) -> Figures:
    """Cells, categories or values within 5 % of the axis, and rows of both that are right, of all there are; titles."""
    scored = [score_chart(one.expected, one.said, one.span) for one in asked]
    cells, rows = (sum(score[what] for score in scored) for what in ("cells", "rows"))
    return {
        "cells_right": round(sum(score["cells_right"] for score in scored) / max(1, cells), 4),
        "rows_right": round(sum(score["rows_right"] for score in scored) / max(1, rows), 4),
        "title_right": round(sum(score["title"] for score in scored) / len(scored), 4),
        "unreadable": sum(not score["readable"] for score in scored),
    } | _ended(asked)


def reading(asked: list[Asked]) -> Figures:
    """Fields exactly right over all pages; character error rate of transcriptions."""
    scored = [score_doc(one.expected, one.said) for one in asked]
    texts = [score for one, score in zip(asked, scored, strict=True) if not one.expected.startswith("{")]
    fields = [score for one, score in zip(asked, scored, strict=True) if one.expected.startswith("{")]
    characters = sum(score["characters"] for score in texts)
    return {
        "fields_right": round(sum(s["right"] for s in fields) / max(1, sum(s["fields"] for s in fields)), 4),
        "character_error_rate": round(sum(score["edits"] for score in texts) / max(1, characters), 4),
        "unreadable": sum(not score["readable"] for score in fields),
    } | _ended(asked)


def timing(asked: list[Asked]) -> Figures:
    """Share of clips with a temporal IoU of at least 0.5, and of those in which what is asked for never happens.

    And the median error of starts and ends, in seconds.
    """
    scored = [score_video(one.expected, one.said) for one in asked]
    never = [score["found"] for one, score in zip(asked, scored, strict=True) if one.expected == "[]"]
    errors = [score[edge] for score in scored for edge in ("start", "end")]
    return {
        "tiou_0.5": round(sum(score["found"] for score in scored) / len(scored), 4),
        "right_that_it_never_happens": round(sum(never) / max(1, len(never)), 4),
        "median_error_s": round(median(errors), 3) if errors and median(errors) < inf else None,
        "unreadable": sum(not score["readable"] for score in scored),
    } | _ended(asked)


def _doc_sample(random: Random) -> Sample:
    """A page, its transcription and a question for fields, where it has any."""
    sample = doc_sample(random, 224, 224, 6, 6)
    chosen = [q for q in sample.questions if q.answer.startswith("{")][:1]
    return replace(sample, questions=[sample.questions[0], *chosen])


def _moment_sample(random: Random) -> Sample:
    """A clip and a question that is answered with moments: others, such as what happens, have no temporal IoU."""
    while True:
        sample = video_sample(random, 140, 140, 16, 1)
        if sample.questions[0].answer.startswith("["):
            return sample


def _moment_schema(clip: Part, _: Question) -> dict[str, Any]:
    assert isinstance(clip, Video)
    return tasks_video.schema(clip.times)


def _doc_schema(_: Part, question: Question) -> dict[str, Any] | None:
    fields = question.text.removeprefix("Read these fields: ")
    return None if fields == question.text else parse_short(fields.partition(". Answer")[0])


JOBS: dict[str, tuple[Share, Callable[[list[Asked]], Figures]]] = {
    "easy-vqa": (easy_vqa_share, accuracy),
    "scenes": (drawn(lambda random: scene_sample(random, *draw_size(random), 8, 1), 500), accuracy),
    "ground": (
        drawn(
            lambda random: ground_sample(random, *draw_size(random), random.choice([1, 8]), 1),
            500,
            lambda *_: tasks_ground.schema(),
        ),
        grounding,
    ),
    "chart": (chart_tables, charting),
    "doc": (drawn(_doc_sample, 300, _doc_schema), reading),
    "video": (
        drawn(_moment_sample, 200, _moment_schema),
        timing,
    ),
}


def _run_share(job: str, model: str, precision: Precision, start: int, step: int, limit: int | None) -> list[Asked]:
    engine = LocalEngine(find(model), "cpu", precision)
    return list(JOBS[job][0](engine, slice(start, limit, step)))


def evaluate(job: str, model: str, precision: Precision, processes: int, limit: int | None = None) -> Figures:
    """The figures of one job; `limit` looks at its first pictures only."""
    begun = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        shares = [pool.submit(_run_share, job, model, precision, start, processes, limit) for start in range(processes)]
        asked = [one for share in shares for one in share.result()]
    return JOBS[job][1](asked) | {"seconds": round(time.monotonic() - begun)}


def write(figures: dict[str, Figures]) -> None:
    """Adds the figures to those kept, and renews the table between the page's two marks."""
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    kept |= figures
    FIGURES.write_text(json.dumps(kept, indent=2) + "\n")
    rows = ["| job | figure | value |", "|---|---|---|"]
    rows += [
        f"| {job} | {name.replace('_', ' ')} | {value} |"
        for job, values in kept.items()
        for name, value in values.items()
        if name != "seconds"
    ]
    start, end = "<!-- figures -->\n", "<!-- /figures -->"
    page = PAGE.read_text()
    head, rest = page.split(start)
    tail = rest.split(end)[1]
    PAGE.write_text(head + start + "\n".join(rows) + "\n" + end + tail)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=[*JOBS, "all"])
    parser.add_argument("--model", default=NANO, help="another checkpoint's folder")
    parser.add_argument("--precision", choices=["auto", "bf16", "int8", "nf4"], default="auto")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--limit", type=int, help="look at the first N pictures only")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/")
    options = parser.parse_args()
    jobs = list(JOBS) if options.job == "all" else [options.job]
    told = "" if options.precision == "auto" else f", {options.precision}"
    told += f", first {options.limit}" if options.limit else ""
    figures = {
        job + told: evaluate(job, options.model, options.precision, options.processes, options.limit) for job in jobs
    }
    print(json.dumps(figures, indent=2))
    if options.write:
        write(figures)


if __name__ == "__main__":
    sys.exit(main())
