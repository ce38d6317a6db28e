"""Segments as subtitles: WebVTT (W3C) and SubRip.

A cue must have a length, so a moment is shown for `least_s` seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from ernie_cli.tasks.results import SegmentInfo
from ernie_cli.times import stamp


def to_vtt(segments: Sequence[SegmentInfo], least_s: float) -> str:
    """A WebVTT file; `&`, `<` and `>` are escaped, as its cue text demands."""
    cues = ["WEBVTT"]
    for segment in segments:
        start, end = _shown(segment, least_s)
        text = _line(segment.label).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"{stamp(start)} --> {stamp(end)}\n{text}")
    return "\n\n".join(cues) + "\n"


def to_srt(segments: Sequence[SegmentInfo], least_s: float) -> str:
    """A SubRip file, its cues numbered from 1."""
    cues = []
    for number, segment in enumerate(segments, 1):
        start, end = (stamp(time, point=",") for time in _shown(segment, least_s))
        cues.append(f"{number}\n{start} --> {end}\n{_line(segment.label)}\n")
    return "\n".join(cues)


def _shown(segment: SegmentInfo, least_s: float) -> tuple[float, float]:
    return segment.start_s, max(segment.end_s, segment.start_s + max(least_s, 0.001))


def _line(label: str) -> str:
    """One line that is not empty: an empty one would end the cue, and an arrow would begin one."""
    return " ".join(label.split()).replace("-->", "->") or "-"
