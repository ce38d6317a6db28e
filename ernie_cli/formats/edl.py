"""Segments as an edit decision list (CMX 3600), which Resolve, Premiere and Avid import.

Source times are the clip's own, with its first frame at 00:00:00:00; record times put the pieces one behind the other.
Time code counts frames at a whole rate and is never drop-frame: at 29.97 frames a second it counts 30. Rates above 60
are brought down by a whole number, since the format has two digits for frames.
"""

from __future__ import annotations

from collections.abc import Sequence

from ernie_cli.tasks.results import SegmentInfo

_LINE = "{number:03}  AX       V     C        {} {} {} {}"


def to_edl(segments: Sequence[SegmentInfo], rate: float, name: str) -> str:
    """The list for a clip called `name` of `rate` frames a second."""
    rate = rate / max(-(-round(rate) // 60), 1)
    beat = max(round(rate), 1)
    lines, recorded = [f"TITLE: {_plain(name)[:70]}", "FCM: NON-DROP FRAME"], 0
    for number, segment in enumerate(segments, 1):
        start = round(segment.start_s * rate)
        length = max(round(segment.end_s * rate) - start, 1)
        places = (start, start + length, recorded, recorded + length)
        lines += ["", _LINE.format(*(timecode(place, beat) for place in places), number=number)]
        lines += [f"* FROM CLIP NAME: {_plain(name)}", f"* COMMENT: {_plain(segment.label)}"]
        recorded += length
    return "\n".join(lines) + "\n"


def timecode(frame: int, beat: int) -> str:
    """A count of frames as `HH:MM:SS:FF` at `beat` frames a second."""
    seconds, frames = divmod(frame, beat)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frames:02}"


def _plain(text: str) -> str:
    """One line of ASCII, which is all the format knows."""
    return " ".join(text.encode("ascii", "replace").decode().split())
