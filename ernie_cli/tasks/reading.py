"""What an answer says, and saying honestly how much of it was there.

Three outcomes are kept apart everywhere: something was found (a `Reading` with items), the model says there is nothing
(a complete `Reading` without items), the answer could not be read (`AnswerError`). An answer that was cut off before
its first item was whole is never "nothing".

`json_text` finds the JSON, `denial` reads a "there is none"; here are the items in that JSON, whatever lists and
objects a model put around them. What an item is, each job says by its `Shape`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ernie_cli.errors import AnswerError
from ernie_cli.messages import FinishReason
from ernie_cli.tasks.json_text import find_json, is_cut

T = TypeVar("T")

CUT_HINT = "Raise --max-tokens, or lower --think-budget."
AGAIN_HINT = "Ask in other words, or with another --seed."
_MISSING: Any = object()


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What an answer says. `dropped` counts items that were there and are of no use; `notes` are for the user."""

    items: tuple[T, ...]
    complete: bool = True
    dropped: int = 0
    notes: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether the model says that there is nothing."""
        return self.complete and not self.items


def check_nothing(reading: Reading[Any], answer: str, reason: FinishReason) -> None:
    """Raises `AnswerError` where the "nothing" of an answer that ended so cannot be believed.

    What was ended from outside may only not have come to the things: tokens that run short make a grammar close the
    list. Only in a loop is JSON that is whole believed.
    """
    if reading.nothing and (reason == "length" or (reason == "loop" and find_json(answer) is None)):
        raise AnswerError("The answer was cut off before it named anything.", AGAIN_HINT)


@dataclass(frozen=True)
class Entry:
    """One item as the model wrote it; `key` is the key it stood under, or the label of the object around it."""

    raw: Any
    key: str = ""


@dataclass(frozen=True)
class Shape:
    """How to know an item: `is_item` by its form; a dict with one of `keys` is no wrapper around others."""

    is_item: Callable[[Any], bool]
    keys: tuple[str, ...]
    labels: tuple[str, ...] = ()


def counted(number: int, noun: str) -> str:
    """A number of things for a note: "1 row", "2 rows"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def lookup(fields: dict[str, Any], names: tuple[str, ...], default: Any = None) -> Any:
    """The value of the first of `names` that is a key, whatever its case and whether with `_`, `-` or a blank."""
    plain = {re.sub(r"[\s-]", "_", str(key).strip().lower()): value for key, value in fields.items()}
    return next((plain[name] for name in names if name in plain), default)


def entries(value: Any, shape: Shape, key: str = "") -> list[Entry] | None:
    """The items in a value, whatever lists and objects are around them; None if it holds none and is not empty either.

    An item that was cut off is left out. A value among items that is none itself is kept, to be counted by the reader.
    """
    if shape.is_item(value):
        return [Entry(value, key)]
    if value is None or value in ([], {}):
        return []
    if isinstance(value, list):
        return _list_entries(value, shape, key)
    return _dict_entries(value, shape) if isinstance(value, dict) else None


def _list_entries(value: list[Any], shape: Shape, key: str) -> list[Entry] | None:
    parts = [(one, entries(one, shape, key)) for one in value]
    if all(part is None for _, part in parts):
        return None
    lost = [Entry(one, key) for one, part in parts if part is None and not is_cut(one)]
    return [entry for _, part in parts for entry in part or ()] + lost


def _dict_entries(value: dict[str, Any], shape: Shape) -> list[Entry] | None:
    position = [lookup(value, (name,), _MISSING) for name in shape.keys]
    if any(place is not _MISSING for place in position):
        return [] if all(place in (_MISSING, None, [], {}, "") for place in position) else None
    label = lookup(value, shape.labels)
    parts = [
        entries(one, shape, label if isinstance(label, str) else name)
        for name, one in value.items()
        # Of an object that was cut, a bare place may belong to a label that did not come any more.
        if not is_cut(value) or isinstance(one, dict) or not shape.is_item(one)
    ]
    fitting = [part for part in parts if part is not None]
    return [entry for part in fitting for entry in part] if fitting else None


def look(answer: str, shape: Shape, what: str) -> Reading[Entry] | None:
    """The items in the JSON of an answer; None where the answer holds no JSON that fits.

    Raises `AnswerError` if the answer was cut off before its first item (`what`, one word) was whole.
    """
    found = find_json(answer, lambda value: entries(value, shape) is not None, shape.is_item)
    if found is None:
        return None
    items = tuple(entries(found.value, shape) or ())
    if not items and not found.complete:
        raise AnswerError(f"The answer was cut off before the first {what} was complete.", CUT_HINT)
    return Reading(items, found.complete, 0, found.notes)


def unreadable(answer: str, what: str) -> AnswerError:
    """The error for an answer in which no `what` can be read; it shows how the answer starts."""
    start = " ".join(answer.split())
    if not start:
        return AnswerError("The answer is empty.", CUT_HINT)
    shown = start if len(start) <= 80 else start[:79] + "\u2026"
    return AnswerError(f"No {what} can be read from the answer: {shown}", AGAIN_HINT)
