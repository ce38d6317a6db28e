"""Boxes and points as LabelMe's JSON, a file for each picture (the format of labelme 5's `LabelFile`).

A box is a shape of type `rectangle` with two corners, a point one of type `point`; both in pixels.
"""

from __future__ import annotations

import json
from typing import Any

from ernie_cli.tasks.results import GroundResult

VERSION = "5.5.0"  # of the format, whose readers refuse or warn at a missing one


def to_labelme(result: GroundResult, image_path: str) -> str:
    """The file of one picture, which lies at `image_path` seen from the file's folder."""
    boxes = [_shape(one.label, "rectangle", [one.box[:2], one.box[2:]]) for one in result.boxes or ()]
    points = [_shape(one.label, "point", [one.point]) for one in result.points or ()]
    whole: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": boxes + points,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": result.input.height,
        "imageWidth": result.input.width,
    }
    return json.dumps(whole, ensure_ascii=False, indent=2)


def _shape(label: str, kind: str, points: Any) -> dict[str, Any]:
    common: dict[str, Any] = {"group_id": None, "description": "", "flags": {}, "mask": None}
    return {"label": label, "points": [list(point) for point in points], "shape_type": kind} | common
