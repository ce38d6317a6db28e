"""Finding things in a picture: what to ask, and the boxes or points of the answer.

The model counts from 0 to 1000 along each axis of the original picture, x first; results are in pixels of the picture
as a person sees it. 999 and 1000 both mean the edge. Corners are ordered and clamped; boxes without area and exact
repetitions are dropped and counted. No score is invented, and a scale is never guessed: what looks wrong is a note.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from ernie_cli.errors import AnswerError, UsageError
from ernie_cli.tasks.denial import says_nothing
from ernie_cli.tasks.json_text import is_cut, unwrap
from ernie_cli.tasks.reading import AGAIN_HINT, Entry, Reading, Shape, counted, look, lookup, unreadable

Number: TypeAlias = int | float
Scale: TypeAlias = float | tuple[float, float]
Place: TypeAlias = tuple[float, ...]

GRID = 1000
BOX_KEYS = ("bbox_2d", "bbox", "box", "box_2d", "bounding_box", "boundingbox", "coordinates", "rect", "xyxy")
POINT_KEYS = ("point_2d", "point", "coordinates", "position", "center", "xy")
LABEL_KEYS = ("label", "name", "class", "object", "class_name", "category", "text", "description")
# Names of lists, which say nothing about the thing in them.
_LIST_NAMES = frozenset(
    ("answer", "annotations", "bboxes", "bounding_boxes", "boxes", "data", "detections", "items", "objects", "output",
     "points", "predictions", "response", "result", "results")
)  # fmt: skip
_CORNER_KEYS = (
    ("x1", "xmin", "x_min", "left"),
    ("y1", "ymin", "y_min", "top"),
    ("x2", "xmax", "x_max", "right"),
    ("y2", "ymax", "y_max", "bottom"),
)
_NUMBER = r"-?\d+(?:\.\d+)?"
_PAIR = rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)"
_PROSE = {
    2: re.compile(_PAIR),
    4: re.compile(rf"{_PAIR}\W{{0,4}}(?:to|and)?\W{{0,4}}{_PAIR}|\((?:\s*{_NUMBER}\s*,){{3}}\s*{_NUMBER}\s*\)"),
}
_NAMES = {2: "points", 4: "boxes"}


class Box(BaseModel):
    """One thing found: x1, y1, x2, y2 in pixels rounded to 0.1, and in thousandths of each side (`box_1000`)."""

    model_config = ConfigDict(frozen=True)

    label: str
    box: tuple[float, float, float, float]
    box_1000: tuple[Number, Number, Number, Number]


class Point(BaseModel):
    """One thing pointed at: x, y in pixels rounded to 0.1, and in thousandths of each side (`point_1000`)."""

    model_config = ConfigDict(frozen=True)

    label: str
    point: tuple[float, float]
    point_1000: tuple[Number, Number]


Thing = TypeVar("Thing", Box, Point)


def scale_of(text: str) -> Scale | None:
    """What `--scale` says: a number, `WIDTHxHEIGHT`, or None for `pixels`, those of each picture. Raises UsageError."""
    if text.strip().lower() == "pixels":
        return None
    parts = re.split(r"[x,]", text.strip().lower())
    ends = [_float(part) for part in parts]
    if len(ends) > 2 or not all(math.isfinite(end) and end > 0 for end in ends):
        raise UsageError(f"--scale {text} is no scale.", "Give a number as in 1000, a size as in 1024x768, or: pixels.")
    return ends[0] if len(ends) == 1 else (ends[0], ends[1])


def labels_of(query: str) -> list[str]:
    """The things that a query names: a list with commas, and perhaps an "and" before its last, is taken apart."""
    if "," not in query:
        return [query.strip()]
    parts = [part.strip() for part in query.split(",")]
    last = parts.pop()
    parts += re.split(r"\s+and\s+", last.removeprefix("and "), maxsplit=1)
    return list(dict.fromkeys(part for part in parts if part))


def request(query: str | Sequence[str], *, points: bool = False, scale: Scale = GRID) -> str:
    """The text behind the picture; several labels are asked for at once."""
    labels = [query] if isinstance(query, str) else list(query)
    wanted = " and ".join(filter(None, [", ".join(labels[:-1]), labels[-1]]))
    form = '{"point_2d": [x, y], "label": "..."}' if points else '{"bbox_2d": [x1, y1, x2, y2], "label": "..."}'
    if isinstance(scale, tuple):
        range_ = f"coordinates from 0 to {scale[0]:g} across and from 0 to {scale[1]:g} down"
    else:
        range_ = f"coordinates from 0 to {scale:g}"
    return f"Find every {wanted}. Answer with JSON only: a list of {form} with {range_}, or [] if there is none."


def schema(*, points: bool = False, labels: Sequence[str] = (), scale: Scale = GRID) -> dict[str, Any]:
    """The JSON Schema of the answer, as the grammar enforces it; with `labels`, things bear one of these."""
    key, count = ("point_2d", 2) if points else ("bbox_2d", 4)
    most = max(scale) if isinstance(scale, tuple) else scale
    # Fractions need decimals; any other scale is counted in whole numbers.
    kind = {"type": "number", "maximum": 1} if most <= 1 else {"type": "integer", "maximum": math.ceil(most)}
    place = {"type": "array", "items": kind | {"minimum": 0}, "minItems": count, "maxItems": count}
    label: dict[str, Any] = {"enum": list(labels)} if labels else {"type": "string"}
    item = {
        "type": "object",
        "properties": {key: place, "label": label},
        "required": [key, "label"],
        "additionalProperties": False,
    }
    return {"type": "array", "items": item}


def settled(name: str, labels: Sequence[str]) -> str:
    """The one of `labels` that is meant by a model's name for a thing; the name itself where that is not clear.

    A single label is always meant; of several, the one that is the same but for case, article and plural.
    """
    if len(labels) == 1:
        return labels[0]
    if name in labels:
        return name
    return next((label for label in labels if _forms(label) & _forms(name)), name)


def _forms(name: str) -> set[str]:
    plain = re.sub(r"^(?:an?|the)\s+", "", " ".join(name.casefold().split()))
    return {plain, f"{plain}s", f"{plain}es"}


def read(
    answer: str, size: tuple[int, int], *, label: str = "", labels: Sequence[str] = (), scale: Scale = GRID
) -> Reading[Box]:
    """The boxes of an answer, in its order, for a picture of `size` (width, height) in pixels.

    `label` names boxes that came without one; with `labels`, names are `settled` on these; `scale` is what the model
    counts up to, one number or one for each axis.
    Raises `AnswerError` where the answer cannot be read, or holds boxes of which none can be used.
    """

    def build(name: str, place: Place) -> Box | None:
        x1, x2 = sorted((place[0], place[2]))
        y1, y2 = sorted((place[1], place[3]))
        near, far = _pixels((x1, y1), size), _pixels((x2, y2), size)
        # Also what only rounding makes so: no other tool takes a box without area.
        if near[0] == far[0] or near[1] == far[1]:
            return None
        return Box(label=name, box=(*near, *far), box_1000=(tidy(x1), tidy(y1), tidy(x2), tidy(y2)))

    return _read(answer, 4, (label, labels), scale, build)


def read_points(
    answer: str, size: tuple[int, int], *, label: str = "", labels: Sequence[str] = (), scale: Scale = GRID
) -> Reading[Point]:
    """The points of an answer; everything as in `read`."""

    def build(name: str, place: Place) -> Point:
        return Point(label=name, point=_pixels((place[0], place[1]), size), point_1000=(tidy(place[0]), tidy(place[1])))

    return _read(answer, 2, (label, labels), scale, build)


def _read(
    answer: str,
    count: int,
    names: tuple[str, Sequence[str]],
    scale: Scale,
    build: Callable[[str, Place], Thing | None],
) -> Reading[Thing]:
    """Items of `count` numbers, built from a label and numbers in thousandths, the useless ones dropped and counted."""
    label, labels = names
    found = look(answer, _SHAPES[count], "box" if count == 4 else "point") or _in_prose(answer, count)
    named = [pair for entry in found.items for pair in _named(entry, count, label)]
    things: dict[Thing, None] = {}
    for name, place in named:
        thing = build(settled(name, labels), _thousandths(place, scale)) if place else None
        if thing is not None:
            things[thing] = None
    doubts = _scale_notes([number for _, place in named for number in place or ()], scale)
    if named and not things:
        what = f"The answer holds {len(named)} {_NAMES[count]}, and none of them can be used."
        raise AnswerError(what, " ".join(doubts) or AGAIN_HINT)
    return Reading(tuple(things), found.complete, len(named) - len(things), found.notes + doubts)


def _in_prose(answer: str, count: int) -> Reading[Entry]:
    """Places written into a sentence in round brackets, where there is no JSON."""
    if places := [match[0] for match in _PROSE[count].finditer(unwrap(answer))]:
        return Reading(tuple(Entry(place) for place in places), notes=("The places were read from a sentence.",))
    if says_nothing(answer):
        return Reading(())
    raise unreadable(answer, _NAMES[count])


def _named(entry: Entry, count: int, default: str) -> list[tuple[str, Place | None]]:
    """Label and place of each thing in one item; an item that cannot be used has no place."""
    name = _label(entry, default)
    return [(name, place) for place in _places(entry.raw, count)] or [(name, None)]


def _label(entry: Entry, default: str) -> str:
    """The item's own label, else the key it stood under if that is one, else what was asked for."""
    own = lookup(entry.raw, LABEL_KEYS) if isinstance(entry.raw, dict) else None
    own = own[0] if isinstance(own, list) and own else own
    if isinstance(own, str | int | float) and str(own).strip():
        return str(own).strip()
    return entry.key if entry.key and entry.key.lower() not in _LIST_NAMES else default


# ------------------------------------------------------------------------------------------------ numbers of a place


def _places(raw: Any, count: int) -> list[Place]:
    """The places in one item: one, or several under a common label; in the model's own numbers."""
    if isinstance(raw, dict):
        inner = lookup(raw, _KEYS[count], raw)
        if isinstance(inner, list) and inner and _numbers(inner, count) is None:
            return [place for one in inner if not is_cut(one) and (place := _numbers(one, count))]
        raw = inner
    place = _numbers(raw, count)
    return [place] if place else []


def _numbers(value: Any, count: int) -> Place | None:
    if isinstance(value, str):
        numbers = [float(number) for number in re.findall(_NUMBER, value)]
    elif isinstance(value, dict):
        numbers = [_float(number) for number in _from_keys(value, count)]
    elif not isinstance(value, list):
        return None
    elif count == 4 and len(value) in (2, 4) and all(isinstance(one, list) and len(one) == 2 for one in value):
        numbers = _bounds([_float(number) for one in value for number in one])
    else:
        numbers = [_float(number) for number in value]
    return tuple(numbers) if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _bounds(corners: list[float]) -> list[float]:
    """The box around points written x, y, x, y, ...; empty if a number is none."""
    across, down = corners[::2], corners[1::2]
    return [min(across), min(down), max(across), max(down)] if all(map(math.isfinite, corners)) else []


def _from_keys(value: dict[str, Any], count: int) -> list[Any]:
    """Numbers under keys of their own: x1..y2 and their kin, x/y with a size, or x/y alone for a point."""
    if count == 2:
        return [lookup(value, ("x",)), lookup(value, ("y",))]
    x, y, width, height = (lookup(value, names) for names in (("x",), ("y",), ("width", "w"), ("height", "h")))
    if None not in (x, y, width, height):
        return [x, y, _float(x) + _float(width), _float(y) + _float(height)]
    return [lookup(value, names) for names in _CORNER_KEYS]


def _float(value: Any) -> float:
    """A finite number, also when written as text; anything else is NaN."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


def _thousandths(place: Place, scale: Scale) -> Place:
    across = scale if isinstance(scale, tuple) else (scale, scale)
    return tuple(min(max(number * GRID / across[at % 2], 0.0), float(GRID)) for at, number in enumerate(place))


def _edge(thousandth: float) -> float:
    return float(GRID) if thousandth >= GRID - 1 else thousandth


def _pixels(corner: tuple[float, float], size: tuple[int, int]) -> tuple[float, float]:
    x, y = (round(_edge(number) * side / GRID, 1) for number, side in zip(corner, size, strict=True))
    return x, y


def tidy(number: float) -> Number:
    """80 and not 80.0, as the model writes it."""
    return int(number) if number == int(number) else round(number, 1)


def _scale_notes(numbers: Sequence[float], scale: Scale) -> tuple[str, ...]:
    """What looks as if the model counts up to something else; the user decides, with --scale."""
    ends = scale if isinstance(scale, tuple) else (scale, scale)
    notes = []
    if numbers and min(ends) > 1 and max(numbers) <= 1:
        notes.append("All coordinates are between 0 and 1: if the model answers in fractions, read it with --scale 1.")
    outside = sum(not 0 <= number <= ends[at % 2] for at, number in enumerate(numbers))
    if outside:
        limit = f"{ends[0]:g}" if ends[0] == ends[1] else f"{ends[0]:g} and {ends[1]:g}"
        notes.append(
            f"{counted(outside, 'coordinate')} outside 0 to {limit} clamped: the model may use another --scale."
        )
    return tuple(notes)


def _shape(count: int) -> Shape:
    return Shape(lambda value: not is_cut(value) and bool(_places(value, count)), _KEYS[count], LABEL_KEYS)


_KEYS = {2: POINT_KEYS, 4: BOX_KEYS}
_SHAPES = {count: _shape(count) for count in _KEYS}
