"""Boxes or points as comma-separated values (RFC 4180, but with plain newlines): a row for each, in pixels."""

from __future__ import annotations

import csv
import io

from ernie_cli.tasks.results import GroundResult

PICTURE_COLUMNS = ("path", "page", "time_s", "width", "height", "label")
BOX_COLUMNS, POINT_COLUMNS = ("x1", "y1", "x2", "y2"), ("x", "y")


def to_csv(result: GroundResult, *, header: bool = True) -> str:
    """The rows of one picture; `header` puts the names of the columns before them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(PICTURE_COLUMNS + (BOX_COLUMNS if result.points is None else POINT_COLUMNS))
    seen = result.input
    # csv writes None as an empty cell.
    picture = (seen.path, seen.page, seen.time_s, seen.width, seen.height)
    writer.writerows((*picture, one.label, *one.box) for one in result.boxes or ())
    writer.writerows((*picture, one.label, *one.point) for one in result.points or ())
    return text.getvalue()
