"""Boxes as YOLO's text files (https://docs.ultralytics.com/datasets/detect/).

A line a box: class number from 0, then centre x, centre y, width and height in fractions of the picture. A picture
without boxes has an empty file. `data.yaml` names the classes and where the pictures are, from the folder it is in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ernie_cli.tasks.results import GroundResult


def to_labels(result: GroundResult, labels: Sequence[str]) -> str:
    """The text file of one picture; `labels` are the classes in the order of their numbers."""
    width, height = result.input.width, result.input.height
    lines = []
    for one in result.boxes or ():
        left, top, right, bottom = one.box
        place = (left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height
        lines.append(" ".join([str(labels.index(one.label)), *(f"{number:.6f}" for number in place)]) + "\n")
    return "".join(lines)


def to_data_yaml(labels: Sequence[str]) -> str:
    """The data set's description. Without a `path`, Ultralytics takes the folder of this file."""
    # A JSON string is a YAML string too, whatever is in it.
    names = "".join(f"  {number}: {json.dumps(label, ensure_ascii=False)}\n" for number, label in enumerate(labels))
    return f"train: images\nval: images\nnc: {len(labels)}\nnames:{chr(10) + names if names else ' {}' + chr(10)}"
