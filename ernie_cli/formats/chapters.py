"""Segments as chapters: a list for the description of a YouTube video, and ffmpeg's metadata file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ernie_cli.tasks.results import SegmentInfo

LEAST_CHAPTERS, LEAST_S = 3, 10.0  # what YouTube asks for, and the first at 0:00


def to_youtube(segments: Sequence[SegmentInfo]) -> str:
    """`0:00 Start` and a line for each segment's begin, in order, one for each second."""
    starts: dict[int, str] = {}
    for segment in sorted(segments, key=lambda one: one.start_s):
        starts.setdefault(int(segment.start_s), _line(segment.label))
    if starts:
        starts = {0: "Start", **starts} if 0 not in starts else starts
    return "".join(f"{_short(second)} {label}\n" for second, label in starts.items())


def youtube_doubts(segments: Sequence[SegmentInfo]) -> list[str]:
    """Why YouTube would not make chapters of them, a sentence each."""
    seconds = sorted({0, *(int(segment.start_s) for segment in segments)})
    doubts = []
    if len(seconds) < LEAST_CHAPTERS:
        doubts.append(f"YouTube shows chapters only if there are {LEAST_CHAPTERS} or more; here are {len(seconds)}.")
    if any(later - sooner < LEAST_S for sooner, later in pairwise(seconds)):
        doubts.append(f"YouTube wants every chapter to last {LEAST_S:g} s or more; some are shorter.")
    return doubts


def to_ffmetadata(segments: Sequence[SegmentInfo], least_s: float) -> str:
    """ffmpeg's metadata format (ffmpeg-formats, "Metadata"), in thousandths of a second."""
    parts = [";FFMETADATA1\n"]
    for segment in segments:
        start = round(segment.start_s * 1000)
        end = max(round(segment.end_s * 1000), start + max(round(least_s * 1000), 1))
        title = re.sub(r"([=;#\\])", r"\\\1", _line(segment.label))
        parts.append(f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}\n")
    return "".join(parts)


def _short(second: int) -> str:
    hours, rest = divmod(second, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _line(label: str) -> str:
    return " ".join(label.split()) or "-"
