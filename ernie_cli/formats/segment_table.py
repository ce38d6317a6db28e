"""Segments as comma-separated values (RFC 4180, but with plain newlines)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from ernie_cli.tasks.results import SegmentInfo

COLUMNS = ("clip", "start_s", "end_s", "start", "end", "label", "resolution_s")


def to_csv(rows: Iterable[tuple[str, SegmentInfo]], *, header: bool = True) -> str:
    """A row for each segment, with the name of its clip."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    for clip, one in rows:
        writer.writerow([clip, one.start_s, one.end_s, one.start, one.end, one.label, one.resolution_s])
    return text.getvalue()
