"""Boxes are in pixels of the picture as a person sees it, however the file stores it: checked on the pixels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from PIL.Image import Transpose
from typer.testing import Result

from ernie_cli.messages import Answer, Picture

from .conftest import FINISH, FakeEngine

# What a camera held in each way stores: the inverse of what the EXIF orientation asks a viewer to do.
STORED = {
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
SIZES = [(640, 480), (333, 517), (1001, 665)]
FORMATS: dict[str, dict[str, Any]] = {
    "png": {},
    "jpeg": {"quality": 95, "subsampling": 0},
    "heic": {"quality": 95, "chroma": 444},
}
# The object: left, top, right and bottom in shares of the upright picture, in no way symmetric.
SHARES = (0.1, 0.55, 0.3, 0.9)
OBJECT, GROUND = (220, 30, 30), (30, 60, 200)


def saved(folder: Path, format: str, size: tuple[int, int], orientation: int) -> tuple[Path, tuple[int, ...]]:
    """A file whose upright picture shows the object, and the object's edges in that picture."""
    edges = tuple(round(share * side) for share, side in zip(SHARES, size * 2, strict=True))
    upright = Image.new("RGB", size, GROUND)
    upright.paste(OBJECT, (edges[0], edges[1], edges[2], edges[3]))
    turn = STORED[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / f"photo.{format}"
    if format == "heic":
        pillow_heif.register_heif_opener()
    stored.save(path, "HEIF" if format == "heic" else format.upper(), exif=exif.tobytes(), **FORMATS[format])
    return path, edges


def is_object(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return pixels[..., 0].astype(int) > pixels[..., 2].astype(int)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("format", FORMATS)
def test_a_box_is_around_the_object_one_sees(
    ernie: Callable[..., Result], fake: FakeEngine, tmp_path: Path, format: str, size: tuple[int, int], orientation: int
) -> None:
    path, edges = saved(tmp_path, format, size, orientation)
    said = [round(1000 * edge / side) for edge, side in zip(edges, size * 2, strict=True)]
    fake.queue = [[Answer(json.dumps([{"bbox_2d": said, "label": "red box"}])), FINISH]]
    told = json.loads(ernie("ground", path, "red box").stdout)
    assert (told["input"]["width"], told["input"]["height"]) == size
    box = told["boxes"][0]["box"]
    # Thousandths are rounded, which moves an edge by half a thousandth of the side at most.
    assert np.abs(np.subtract(box, edges)).max() <= max(size) / 2000 + 0.05
    # The picture the model was shown has the object just there.
    ((messages, _),) = fake.asked
    shown = messages[0].parts[0]
    assert isinstance(shown, Picture)
    rows, columns = np.nonzero(is_object(np.asarray(shown.image)))
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(np.subtract(box, seen)).max() <= 1
