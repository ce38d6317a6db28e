"""How well an answer fits the expected one, for each of the jobs ground, chart, doc and video.

Expected answers are those of the data and always readable. Given ones are read strictly, as JSON exactly of the form
that was asked for: forgiving a model its slips is the program's work and not the measure's. Every score is a dict of
numbers, counts where figures over many answers are made of sums, and `readable` tells an answer that could not be read
from a wrong one.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np


def _objects(answer: str) -> list[dict[str, Any]] | None:
    """The objects of an answer that is a JSON list of them; None where it is not."""
    try:
        items: Any = json.loads(answer)
    except ValueError:
        return None
    return items if isinstance(items, list) and all(isinstance(item, dict) for item in items) else None


# --- ground: boxes


def box_iou(a: list[float], b: list[float]) -> float:
    """Intersection over union of two boxes [x1, y1, x2, y2]."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - across * down
    return across * down / union


def score_ground(expected_answer: str, given_answer: str) -> dict[str, float]:
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
            (box_iou(want[0], got[0]), i, j)
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
    first = bool(expected and found) and found[0][1] == expected[0][1] and box_iou(found[0][0], expected[0][0]) >= 0.5
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


# --- chart: tables


def score_chart(expected_answer: str, given_answer: str, span: float) -> dict[str, float]:
    """How well an answer of a table fits: how many of `cells` and of `rows` are right, to be summed over charts.

    A category's cell is right if it is exactly that, a value's if it is within 5 % of the axis, of which `span` is the
    length (`plots.Chart.span`); a row if both are. Rows are matched by their categories, what is left by its order;
    what is too much counts as wrong. `title` and `type` are 1 where they are exactly right; `readable` is 0 for an
    answer that is no such JSON.
    """
    (expected,) = charts(expected_answer) or ({},)
    given = charts(given_answer)
    got = given[0] if given else {"rows": []}
    values, wanted = dict(map(tuple, got["rows"])), dict(map(tuple, expected["rows"]))

    def close(one: float, other: float) -> bool:
        return abs(one - other) <= 0.05 * span

    named = [label for label in wanted if label in values]
    right = sum(close(wanted[label], values[label]) for label in named)
    others = zip(
        [value for label, value in expected["rows"] if label not in values],
        [value for label, value in got["rows"] if label not in wanted],
        strict=False,
    )
    rows = max(len(expected["rows"]), len(got["rows"]))
    return {
        "readable": float(given is not None),
        "rows_right": float(right),
        "rows": float(rows),
        "cells_right": float(len(named) + right + sum(close(one, other) for one, other in others)),
        "cells": 2.0 * rows,
        "title": float("title" in got and got["title"] == expected["title"]),
        "type": float(got.get("type") == expected["type"]),
    }


def charts(answer: str) -> list[dict[str, Any]] | None:
    """The charts of an answer in strict JSON, each with rows [category, number]; None where it is not that."""
    items = _objects(answer)
    if items is None:
        return None
    rows = [row for item in items for row in (item.get("rows") or [None])]
    fine = all(
        isinstance(row, list) and len(row) == 2 and isinstance(row[0], str) and isinstance(row[1], (int, float))
        for row in rows
    )
    return items if fine and items else None


# --- doc: texts and fields


def edits(a: str, b: str) -> int:
    """Levenshtein distance: the fewest characters to insert, delete or replace."""
    codes = np.array([ord(c) for c in b], dtype=np.int64)
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for i, c in enumerate(a, 1):
        # From above and from the corner; then from the left, as a running minimum.
        best = np.concatenate([[i], np.minimum(row[1:] + 1, row[:-1] + (codes != ord(c)))])
        row = np.minimum.accumulate(best - steps) + steps
    return int(row[-1])


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every scalar of decoded JSON by its path; an empty list or object counts as one."""
    if isinstance(value, (dict, list)) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, inner in pairs for k, v in leaves(inner, f"{path}/{key}").items()}
    return {path: value}


def score_doc(expected_answer: str, given_answer: str) -> dict[str, float]:
    """How well a page was read; sum the counts over pages.

    Where the expected answer is a JSON object: `fields` its scalars, `right` those given exactly (numbers by value);
    fields too many count as wrong ones; `readable` 0 where the answer is no JSON object. For any other answer: `fields`
    1, `right` 1 if the texts are the same, and `edits` of `characters` (their quotient is the character error rate).
    """
    try:
        expected = json.loads(expected_answer)
    except ValueError:
        expected = None
    if not isinstance(expected, dict):
        same = float(expected_answer == given_answer)
        wrong = float(edits(expected_answer, given_answer))
        return {
            "readable": 1.0,
            "fields": 1.0,
            "right": same,
            "edits": wrong,
            "characters": float(len(expected_answer)),
        }
    try:
        given = json.loads(given_answer)
    except ValueError:
        given = None
    want, got = leaves(expected), leaves(given) if isinstance(given, dict) else {}
    right = sum(path in got and type_blind(got[path]) == type_blind(value) for path, value in want.items())
    total = len(want) + sum(path not in want for path in got)
    return {"readable": float(isinstance(given, dict)), "fields": float(total), "right": float(right)}


def type_blind(value: Any) -> Any:
    """12 and 12.0 are one number; True is not 1."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else (type(value), value)


# --- video: segments of time


def score_video(expected_answer: str, given_answer: str) -> dict[str, float]:
    """How well an answer of segments fits: temporal `iou` and the mean errors of `start` and `end` in seconds.

    Segments are matched greedily by their IoU; `iou` is the mean over the expected ones, or over the given ones where
    these are more. `found` is 1 where it is at least 0.5. Where nothing matches the errors are infinite; "[]" for "[]"
    is perfect. An answer that is not such JSON has `readable` 0.
    """
    expected = segments(expected_answer)
    read = segments(given_answer)
    assert expected is not None
    given = read or []
    pairs = sorted(((time_iou(a, b), i, j) for i, a in enumerate(expected) for j, b in enumerate(given)), reverse=True)
    left, right, matched = set(range(len(expected))), set(range(len(given))), []
    for value, i, j in pairs:
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            matched.append((value, expected[i], given[j]))
    most = max(len(expected), len(given))
    perfect = read is not None and most == 0
    iou = sum(value for value, _, _ in matched) / most if most else float(perfect)
    errors = [
        sum(abs(a[side] - b[side]) for _, a, b in matched) / len(matched) if matched else 0.0 if perfect else np.inf
        for side in (0, 1)
    ]
    return {
        "readable": float(read is not None),
        "iou": iou,
        "found": float(iou >= 0.5),
        "start": errors[0],
        "end": errors[1],
    }


def time_iou(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Intersection over union of two spans of time; equal instants overlap fully."""
    if a == b:
        return 1.0
    union = max(a[1], b[1]) - min(a[0], b[0])
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0])) / union if union > 0 else 0.0


def segments(answer: str) -> list[tuple[float, float]] | None:
    """The (start, end) pairs in seconds of an answer in strict JSON, or None where it is not that."""
    items = _objects(answer)
    if items is None:
        return None
    found = [(_seconds(item.get("start")), _seconds(item.get("end"))) for item in items]
    return None if any(None in span for span in found) else found  # type: ignore[return-value]


def _seconds(text: Any) -> float | None:
    match = re.fullmatch(r"(\d\d):(\d\d):(\d\d\.\d\d)", text) if isinstance(text, str) else None
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None
