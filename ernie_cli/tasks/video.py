"""Finding moments in a clip: what to ask, and the segments of the answer.

The model reads the clock that is drawn into the frames (`HH:MM:SS.ss`); all times here are seconds from the clip's
start. Segments are inside the clip, in order of time, and those of one label do not overlap: ones that overlap or touch
are merged. A moment without an end is a segment without length.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from ernie_cli.errors import AnswerError
from ernie_cli.tasks.denial import says_nothing
from ernie_cli.tasks.json_text import is_cut, unwrap
from ernie_cli.tasks.reading import AGAIN_HINT, Entry, Reading, Shape, counted, look, lookup, unreadable
from ernie_cli.times import clock

START_KEYS = ("start", "start_time", "start_s", "start_seconds", "start_timestamp", "from", "begin", "t_start")
END_KEYS = ("end", "end_time", "end_s", "end_seconds", "end_timestamp", "to", "stop", "finish", "t_end")
RANGE_KEYS = ("time", "timestamp", "segment", "range", "interval", "time_range", "moment", "span")
LABEL_KEYS = ("label", "event", "name", "description", "text", "caption", "action")

ROUNDING_S = 0.0051  # the clock in the frames shows hundredths

_CLOCK = r"\d{1,3}:\d{2}(?::\d{2})?(?:[.,]\d+)?"
_UNIT = r"(?:seconds?|secs?|s)\b"
_PLAIN = r"\d{1,6}(?:\.\d{1,6})?"
# In a sentence "4 m" may be metres: a lone "m" counts only before seconds.
_MINUTES = (
    rf"(?:\d{{1,3}}\s*(?:minutes?|mins?)\b(?:\s*(?:and\s+)?{_PLAIN}\s*{_UNIT})?|\d{{1,3}}\s*m\s*{_PLAIN}\s*{_UNIT})"
)
_TIME = rf"(?:{_CLOCK}|{_MINUTES}|{_PLAIN}\s*{_UNIT})"
_UP_TO = r"\s*(?:-|\u2013|\u2014|~|to|until|till|through|\u5230|\u81f3"
_ENDING = r"\s*[,;]?\s*(?:and\s+)?(?:\w{1,20}\s+)?(?:ends?|stops?|finish(?:es)?|disappears?)\s+(?:at|by)\s+"
_RANGE = re.compile(
    rf"(?P<between>between\s+)?(?<![\d:.])(?P<start>{_TIME}|{_PLAIN})"
    # "and" joins a range only behind "between": "at 3 s and 9 s" are two moments.
    rf"(?:{_UP_TO}|(?(between)and|(?!)))\s*|{_ENDING})(?P<end>{_TIME})(?![.,:]?\d)",
    re.IGNORECASE,
)
_MOMENT = re.compile(rf"(?<![\d:.])(?P<start>{_TIME})(?![.,:]?\d)", re.IGNORECASE)
_TWO_NUMBERS = re.compile(rf"(?P<start>{_PLAIN}){_UP_TO})\s*(?P<end>{_PLAIN})", re.IGNORECASE)
_PARTS = re.compile(
    rf"(?:(\d{{1,3}})\s*(?:minutes?|mins?|m)\s*(?:and\s+)?)?(?:({_PLAIN})\s*(?:{_UNIT})?)?", re.IGNORECASE
)


class Segment(BaseModel):
    """When something happens, in seconds from the clip's start."""

    model_config = ConfigDict(frozen=True)

    start_s: float
    end_s: float
    label: str


def request(event: str) -> str:
    """The text behind the clip."""
    return (
        f'When does this happen: {event}? Answer with JSON only: a list of {{"start": "HH:MM:SS.ss",'
        ' "end": "HH:MM:SS.ss", "label": "..."}, read from the clock in the frames, or [] if never.'
    )


def schema(frames: Sequence[float] = ()) -> dict[str, Any]:
    """The JSON Schema of the answer, as the grammar enforces it.

    With the times of the `frames` that are shown, in seconds, no other time can be said: what a model misreads of a
    clock then mostly ends up at the frame it looked at, and never at one that was not there.
    """
    time: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]{2}:[0-5][0-9]:[0-5][0-9]\.[0-9]{2}$"}
    if frames:
        time = {"enum": list(dict.fromkeys(clock(frame) for frame in frames))}
    item = {
        "type": "object",
        "properties": {"start": time, "end": time, "label": {"type": "string"}},
        "required": ["start", "end", "label"],
        "additionalProperties": False,
    }
    return {"type": "array", "items": item}


def read(
    answer: str, duration_s: float, *, label: str = "", start_s: float = 0.0, frames: Sequence[float] = ()
) -> Reading[Segment]:
    """The segments of an answer for a clip of `duration_s` seconds; `label` names those that came without one.

    Where only a part was shown, it began at `start_s` and ended at `duration_s`. With the times of the `frames` that
    were shown (ascending), every time becomes that of the nearest one. Segments wholly outside, and items without a
    time, are dropped and counted. Raises `AnswerError` where the answer cannot be read, or holds times of which none
    can be used.
    """
    found = look(answer, _SEGMENT, "segment")
    if found is None:
        found = _in_prose(answer)
    spans = [(_span(entry.raw), _label(entry, label)) for entry in found.items]
    inside = [
        (span, name)
        for span, name in spans
        if span and span[0] <= duration_s + ROUNDING_S and span[1] >= start_s - ROUNDING_S
    ]
    if spans and not inside:
        raise AnswerError(f"The answer holds {counted(len(spans), 'segment')}, but none in the clip.", AGAIN_HINT)
    notes = list(found.notes)
    if long := sum(end > duration_s + ROUNDING_S for (_, end), _ in inside):
        notes.append(f"{counted(long, 'segment')} ended after the clip ({duration_s:g} s): shortened.")
    if early := sum(start < start_s - ROUNDING_S for (start, _), _ in inside):
        notes.append(f"{counted(early, 'segment')} began before the part that was shown ({start_s:g} s): shortened.")
    kept = [((max(start, start_s), min(end, duration_s)), name) for (start, end), name in inside]
    if frames:
        if moved := sum(abs(time - _nearest(time, frames)) > ROUNDING_S for span, _ in kept for time in span):
            notes.append(f"{counted(moved, 'time')} lay between the frames that were shown: moved to the nearest one.")
        kept = [((_nearest(start, frames), _nearest(end, frames)), name) for (start, end), name in kept]
    segments = _merge([Segment(start_s=start, end_s=end, label=name) for (start, end), name in kept])
    if len(segments) < len(inside):
        notes.append(f"{len(inside)} segments overlapped: merged into {len(segments)}.")
    return Reading(tuple(segments), found.complete, len(spans) - len(inside), tuple(notes))


def _nearest(time: float, frames: Sequence[float]) -> float:
    at = bisect_left(frames, time)
    return min(frames[max(at - 1, 0) : at + 1], key=lambda frame: abs(frame - time))


def _merge(segments: list[Segment]) -> list[Segment]:
    """Segments in order of time, those of one label that overlap or touch made one."""
    merged: list[Segment] = []
    last: dict[str, int] = {}
    for segment in sorted(segments, key=lambda one: (one.start_s, one.end_s)):
        at = last.get(segment.label)
        if at is not None and segment.start_s <= merged[at].end_s:
            end_s = max(segment.end_s, merged[at].end_s)
            merged[at] = Segment(start_s=merged[at].start_s, end_s=end_s, label=segment.label)
        else:
            last[segment.label] = len(merged)
            merged.append(segment)
    return merged


def _label(entry: Entry, default: str) -> str:
    own = lookup(entry.raw, LABEL_KEYS) if isinstance(entry.raw, dict) else None
    return own.strip() if isinstance(own, str) and own.strip() else default


def _in_prose(answer: str) -> Reading[Entry]:
    """Ranges written into sentences; moments only if there is no range. A denial goes first: "not in the first 5 s"."""
    if says_nothing(answer):
        return Reading(())
    text = " ".join(unwrap(answer).split())
    found = list(_RANGE.finditer(text)) or list(_MOMENT.finditer(text))
    if not found:
        raise unreadable(answer, "time")
    entries = tuple(Entry(_pair(match) if "end" in match.groupdict() else match["start"]) for match in found)
    return Reading(entries, notes=("The times were read from a sentence.",))


# ------------------------------------------------------------------------------------------------ times


def seconds(value: Any) -> float | None:
    """A time in seconds: a number, `HH:MM:SS.ss`, `MM:SS`, "4.5", "4.5 s", "1 min 30 s"; None if it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    text = re.sub(r"^(?:time|about|around|at|~)\s*:?\s*", "", value.strip(), flags=re.IGNORECASE)
    if re.fullmatch(_CLOCK, text):
        total = 0.0
        for part in text.replace(",", ".").split(":"):
            total = total * 60 + float(part)
        return round(total, 3)
    match = _PARTS.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    return round(float(match[1] or 0) * 60 + float(match[2] or 0), 3)


def _span(raw: Any) -> tuple[float, float] | None:
    """Start and end of one item, in order."""
    if isinstance(raw, dict):
        start, end = lookup(raw, START_KEYS), lookup(raw, END_KEYS)
        if start is None:
            return _range(lookup(raw, RANGE_KEYS))
        return _range([start, start if end is None else end])
    return _range(raw)


def _range(value: Any) -> tuple[float, float] | None:
    """Start and end from a pair of times, from "00:03-00:07" or "3 to 7 s", or from one time for both."""
    if isinstance(value, str):
        text = re.sub(r"^from\s+|\.$", "", value.strip(), flags=re.IGNORECASE)
        match = _RANGE.fullmatch(text) or _TWO_NUMBERS.fullmatch(text)
        value = _pair(match) if match else [value]
    times = [seconds(one) for one in (value if isinstance(value, list) else [value])]
    whole = sorted(time for time in times if time is not None)
    return (whole[0], whole[-1]) if len(times) in (1, 2) and len(whole) == len(times) else None


def _pair(match: re.Match[str]) -> list[str]:
    """Both times of a range; "1 to 2 min" starts at a minute and not at a second."""
    start, end = match["start"], match["end"]
    minutes = re.fullmatch(_PLAIN, start) and re.fullmatch(_MINUTES, end, re.IGNORECASE)
    return [f"{start} min" if minutes else start, end]


def _is_segment(value: Any) -> bool:
    if isinstance(value, str):  # a bare "5" is no time
        return re.fullmatch(r"[\d.]+", value.strip()) is None and _range(value) is not None
    if isinstance(value, list):
        return len(value) == 2 and not is_cut(value) and _range(value) is not None
    return isinstance(value, dict) and not is_cut(value) and _span(value) is not None


_SEGMENT = Shape(_is_segment, START_KEYS)
