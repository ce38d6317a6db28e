"""Boxes in the format of COCO's object detection annotations (https://cocodataset.org/#format-data).

`bbox` is [x, y, width, height] in pixels from the top left corner; ids count from 1. There is no score, since the model
gives none, and no segmentation, since it sees none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ernie_cli.tasks.results import GroundResult


def to_coco(results: Sequence[GroundResult], file_names: Sequence[str], labels: Sequence[str]) -> str:
    """One JSON document for all pictures; categories are `labels`, in their order, which name every box."""
    ids = {label: number for number, label in enumerate(labels, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (result, name) in enumerate(zip(results, file_names, strict=True), 1):
        images.append({"id": image_id, "file_name": name, "width": result.input.width, "height": result.input.height})
        for box in result.boxes or ():
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image_id} | _annotation(box.box, ids[box.label])
            )
    whole = {
        "info": {"description": "Boxes found by ernie ground.", "version": "1.0"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": label, "supercategory": ""} for label, number in ids.items()],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1)


def _annotation(box: tuple[float, float, float, float], category: int) -> dict[str, Any]:
    left, top, right, bottom = box
    width, height = round(right - left, 1), round(bottom - top, 1)
    place = {"bbox": [left, top, width, height], "area": round(width * height, 2)}
    return {"category_id": category, **place, "iscrowd": 0}
