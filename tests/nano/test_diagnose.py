from __future__ import annotations

import json
from collections import Counter

from data import Question
from diagnose import count

THOUGHT = "From the top: 1 red ring: no, 2 blue star: yes, 3 blue ring: no. Wanted: 2."
ANSWER = json.dumps([{"bbox_2d": [100, 100, 300, 300], "label": "blue star"}])
QUESTION = Question("Find every blue star.", THOUGHT, ANSWER)


def _wrong(thought: str = THOUGHT, answer: str = ANSWER) -> tuple[str | None, Counter[str]]:
    counts: Counter[str] = Counter()
    return count(counts, QUESTION, thought, answer), counts


def test_the_first_step_that_is_wrong_is_told() -> None:
    assert _wrong()[0] is None
    assert _wrong(THOUGHT.replace("1 red", "1 pink"))[0] == "things"
    assert _wrong(THOUGHT.replace("star: yes", "star: no"))[0] == "verdicts"
    assert _wrong(THOUGHT.replace("Wanted: 2", "Wanted: 3"))[0] == "numbers"
    assert _wrong(answer="[]")[0] == "how many boxes"
    assert _wrong(answer=ANSWER.replace("star", "ring"))[0] == "labels"
    assert _wrong(answer=ANSWER.replace("[100", "[250"))[0] == "boxes"


def test_things_are_counted_whatever_their_order_and_verdicts_only_where_the_things_are_right() -> None:
    swapped = THOUGHT.replace("1 red ring", "1 blue star").replace("2 blue star", "2 red ring")
    counts = _wrong(swapped)[1]
    assert (counts["things"], counts["things seen"], counts["verdicts"]) == (3, 3, 0)
    counts = _wrong(THOUGHT.replace("ring: no, 2", "ring: yes, 2"))[1]
    assert (counts["verdicts"], counts["verdicts right"]) == (3, 2)
