"""Where boxes go wrong: `python scripts/nano/diagnose.py --limit 120`, on crowded pictures that nothing is trained on.

An answer about boxes is thought out in steps, and each is only counted where all before it were right: what is in the
picture; which of it is what was asked for; the numbers of these; and then each box, its label and its place.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from random import Random

from data import Question
from data.ground import ground_sample
from data.scenes import draw_size
from data.scores import box_iou, boxes
from evaluate import answer

from ernie_cli.engines.local import LocalEngine
from ernie_cli.runtime.checkpoint import NANO, find
from ernie_cli.tasks import ground

FIRST_SEED = 2 * 10**9  # not those of the evaluation, which is not for looking into
LEAST = 3  # things
_ENTRY = re.compile(r"\d+ (\w+ \w+): (yes|no)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=NANO, help="another checkpoint's folder")
    parser.add_argument("--limit", type=int, default=120, help="pictures drawn; those of fewer than three things pass")
    parser.add_argument("--show", action="store_true", help="print what goes wrong")
    options = parser.parse_args()
    engine = LocalEngine(find(options.model), "cpu")
    counts: Counter[str] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + options.limit):
        random = Random(seed)
        sample = ground_sample(random, *draw_size(random), 8, 1)
        if len(sample.things or ()) < LEAST or sample.medium is None:
            continue
        (question,) = sample.questions
        asked = answer(engine, sample.medium, question.text, question.answer, ground.schema())
        if wrong := count(counts, question, asked.thought, asked.said):
            counts[f"first wrong: {wrong}"] += 1
            if options.show:
                query = question.text.split(" Answer")[0]
                print(f"{query}\n  {wrong}\n  expected: {question.thought}\n  {asked.thought}\n")
    print(json.dumps(counts, indent=2))


def count(counts: Counter[str], question: Question, thought: str, said: str) -> str | None:
    """Adds one answer to the counts; tells the first step that is wrong."""
    expected, given = _ENTRY.findall(question.thought), _ENTRY.findall(thought)
    names, told = [name for name, _ in expected], [name for name, _ in given]
    counts["pictures"] += 1
    counts["things"] += len(names)
    counts["things seen"] += sum((Counter(names) & Counter(told)).values())
    if names != told:
        return "things"
    counts["verdicts"] += len(expected)
    counts["verdicts right"] += sum(a == b for a, b in zip(expected, given, strict=True))
    if expected != given:
        return "verdicts"
    if question.thought != thought:
        return "numbers"
    wanted, found = boxes(question.answer) or [], boxes(said) or []
    if len(wanted) != len(found):
        return "how many boxes"
    counts["boxes"] += len(wanted)
    labels = [a[1] == b[1] for a, b in zip(wanted, found, strict=True)]
    places = [box_iou(a[0], b[0]) >= 0.5 for a, b in zip(wanted, found, strict=True)]
    counts["labels right"] += sum(labels)
    counts["boxes in place"] += sum(places)
    return None if all(labels) and all(places) else "boxes" if all(labels) else "labels"


if __name__ == "__main__":
    main()
