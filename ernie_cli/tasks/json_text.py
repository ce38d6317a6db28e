"""The JSON in what a model wrote: a parser that repairs, and the rule for which of several values counts.

A value that was cut off never passes for a whole one: its containers are `CutList` or `CutDict`, and every scalar in
them is as it was written. Nothing here raises, whatever the text.

Which value counts, when the text holds several:
1. the last closed list (or object around a list) that fits the task, an empty one only if nothing else fits;
2. else all single items that fit, in order, together with the whole leading items of a list that was not closed.
Whatever fits and was cut off after that makes the finding incomplete.

The parser is our own because `json-repair` (MIT) answers another question: it closes `[` to `[]` and keeps a `40` that
was cut to `4`, so a cut answer cannot be told from an empty or a whole one, and it merges brackets of prose into it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 32
MAX_FALSE_STARTS = 200  # bounds the work on endless "[[[[" of a looping model


class CutList(list[Any]):
    """A list whose closing bracket never came; every scalar in it is whole."""


class CutDict(dict[str, Any]):
    """An object whose closing bracket never came; every scalar in it is whole."""


def is_cut(value: Any) -> bool:
    """Whether the answer ended, or stopped making sense, inside this value."""
    return isinstance(value, CutList | CutDict)


@dataclass(frozen=True)
class Found:
    """A JSON value of an answer. Not `complete`: more was to come, and containers in it may be cut (`is_cut`)."""

    value: Any
    complete: bool
    notes: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------------ the tolerant parser

_MISSING: Any = object()
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
_COMMAS, _OPENERS, _CLOSERS = ",\uff0c", "([{", ")]}"
_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_TAIL = r"\s*(?:[,\uff0c\]})]|//|/\*|#|\Z)"
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?=" + _TAIL + r"|\s*[\[{]|\s+[-+.]?\d)")
_WORD = re.compile(r"(true|false|null|none|nan|undefined|[-+]?infinity)(?=" + _TAIL + ")", re.IGNORECASE)
_BARE_FIELD = re.compile(r'[^,\uff0c\[\]{}"\n`]+')
_BARE_ITEM = re.compile(r'[^\s,\uff0c\[\]{}()"`]+(?=' + _TAIL + ")")
_BARE_KEY = re.compile(r"[\w$][\w$ .-]*?(?=\s*[:\uff1a=])")
_COLON = re.compile(r"\s*(?::|\uff1a|=>?)")
_ANOTHER_FIELD = re.compile(r"""\s*,\s*["']?\w+["']?\s*:""")
# What may stand behind the quote that ends a string; any other quote belongs to the text ("the driver's seat").
_AFTER_KEY = re.compile(r"\s*(?:[:\uff1a=]|\Z)")
_AFTER_FIELD = re.compile(
    r"""\s*(?:[\]})]|//|/\*|\#|\Z|[,\uff0c]\s*(?:["'\u201c\u2018\]}]|//|/\*|\#|\Z|[\w$][\w$ .-]*(?:[:=]|\Z)))"""
    r"""|\s*\n\s*["']\w+["']\s*:"""
)
_AFTER_ITEM = re.compile(
    r"""\s*(?:[\]})]|//|/\*|\#|\Z|[,\uff0c]\s*(?:["'\u201c\u2018\[({\])},\uff0c+.\d-]|//|/\*|\#|\w*\s*(?:[,\]]|\Z)))"""
    r"""|\s+["'\[{]|\s+-?[\d.]+\s*[,\]]"""
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_HEX4 = re.compile(r"u([0-9a-fA-F]{4})")


def _number(text: str) -> int | float | str | None:
    """A number of JSON; None for what no one can mean (infinite, or digits without end from a looping model)."""
    if re.match(r"[-+]?0\d", text):
        return text  # 00123 is a code, and its zeros count
    if re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    value = float(text)
    return value if math.isfinite(value) else None


class _Parser:
    """Reads one container from `pos` on and never raises.

    Where it cannot go on it sets `stopped`, and the containers it is in come back cut; `garbage` tells that this was
    not the end of the text. A scalar at the very end is left out: `4` may have become `40`.
    """

    def __init__(self, text: str, pos: int) -> None:
        self.text, self.pos = text, pos
        self.stopped = self.garbage = False
        self.closers: list[str] = []

    def value(self, *, field: bool = False) -> Any:
        char = self._peek()
        if char and char in _OPENERS:
            return self._container(char)
        value = self._string(_AFTER_FIELD if field else _AFTER_ITEM) if char in _QUOTES else self._scalar(field)
        if not self._peek():
            self._stop()
        return _MISSING if self.stopped and not self.garbage else value

    def _peek(self) -> str:
        """The next character that means something; empty at the end."""
        if space := _SPACE.match(self.text, self.pos):
            self.pos = space.end()
        return self.text[self.pos : self.pos + 1]

    def _stop(self) -> None:
        self.garbage = self.garbage or self.pos < len(self.text)
        self.stopped = True

    def _container(self, opener: str) -> Any:
        if len(self.closers) >= MAX_DEPTH:
            self._stop()
            return _MISSING
        self.closers.append(_CLOSERS[_OPENERS.index(opener)])
        self.pos += 1
        return self._object() if opener == "{" else self._array()

    def _closes(self, char: str) -> bool:
        """Whether a closing bracket ends the innermost container: its own, or one further out if its own was forgotten.

        A bracket that closes nothing is skipped.
        """
        forgotten = char in self.closers[:-1] and not _ANOTHER_FIELD.match(self.text, self.pos + 1)
        if char == self.closers[-1] or not forgotten:
            self.pos += 1
        if char == self.closers[-1] or forgotten:
            self.closers.pop()
            return True
        return False

    def _array(self) -> list[Any]:
        items: list[Any] = []
        after_comma = True
        while not self.stopped:
            char = self._peek()
            if not char or (not after_comma and char not in (*_COMMAS, *_CLOSERS) and not self._starts_plainly(char)):
                self._stop()
            elif char in _COMMAS:
                if after_comma and items:
                    items.append(None)  # [1,,3] leaves a place free; without it the columns behind it would shift
                after_comma, self.pos = True, self.pos + 1
            elif char in _CLOSERS:
                if self._closes(char):
                    return items
            else:
                after_comma = False
                if (value := self.value()) is not _MISSING:
                    items.append(value)
        return CutList(items)

    def _starts_plainly(self, char: str) -> bool:
        """Whether a value may start here even though the comma before it was forgotten."""
        return char in _OPENERS or char in _QUOTES or char in "-+." or char.isdigit()

    def _object(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        while not self.stopped:
            char = self._peek()
            if not char:
                self._stop()
            elif char in _COMMAS:
                self.pos += 1
            elif char in _CLOSERS:
                if self._closes(char):
                    return fields
            elif (key := self._key(char)) is not _MISSING:
                value = None if (char := self._peek()) and char in _COMMAS + "}]" else self.value(field=True)
                if value is not _MISSING:
                    fields[key] = value
        return CutDict(fields)

    def _key(self, char: str) -> Any:
        key = self._string(_AFTER_KEY) if char in _QUOTES else self._match(_BARE_KEY)
        colon = _COLON.match(self.text, self.pos)
        if key is _MISSING or colon is None:
            self._stop()
            return _MISSING
        self.pos = colon.end()
        return key

    def _match(self, pattern: re.Pattern[str]) -> Any:
        match = pattern.match(self.text, self.pos)
        if match is None:
            return _MISSING
        self.pos = match.end()
        return match[0]

    def _scalar(self, field: bool) -> Any:
        if (number := self._match(_NUMBER)) is not _MISSING:
            return _number(number)
        if (word := self._match(_WORD)) is not _MISSING:
            return {"true": True, "false": False}.get(word.lower())  # JSON has no NaN and no infinity: null
        bare = self._match(_BARE_FIELD if field else _BARE_ITEM)
        if bare is _MISSING:
            self._stop()
            return _MISSING
        return bare.strip()

    def _string(self, after: re.Pattern[str]) -> Any:
        close, pieces, pos = _QUOTES[self.text[self.pos]], [], self.pos + 1
        ends = re.compile(r"[\\" + close + "]")
        while match := ends.search(self.text, pos):
            pieces.append(self.text[pos : match.start()])
            pos = match.end()
            if match[0] == "\\":
                piece, pos = _escape(self.text, pos)
                pieces.append(piece)
            elif after.match(self.text, pos):
                self.pos = pos
                return _whole_characters("".join(pieces))
            else:
                pieces.append(close)
        self.pos = len(self.text)
        self._stop()
        return _MISSING


def _escape(text: str, pos: int) -> tuple[str, int]:
    """The character that the escape at `pos` (behind its backslash) stands for, and where the text goes on."""
    if code := _HEX4.match(text, pos):
        return chr(int(code[1], 16)), code.end()
    return _ESCAPES.get(text[pos : pos + 1], text[pos : pos + 1]), pos + 1


def _whole_characters(text: str) -> str:
    """Surrogate pairs joined and lone halves replaced, so that the text can be written anywhere."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# ------------------------------------------------------------------------------------------------ which value counts

_STRICT = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=lambda _: None)
_OPEN = re.compile(r"[\[{]")
_WRAPPED = re.compile(r"<(response|answer)>(.*?)(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_END_TOKEN = re.compile(r"(?:<\|[\w ]+\|>|</s>)\Z")


def unwrap(answer: str) -> str:
    """The answer without a left-over thought, `<response>` or `<answer>` tags around it, and end-of-text tokens."""
    text = answer.rpartition("</think>")[2].strip()
    while end := _END_TOKEN.search(text, max(0, len(text) - 40)):
        text = text[: end.start()].rstrip()
    wrapped = _WRAPPED.search(text)
    return wrapped[2].strip() if wrapped and (wrapped.start() == 0 or wrapped.end() == len(text)) else text


def _values(text: str) -> Iterator[Found]:
    """Every outermost JSON value of a text, in order. A cut value that reaches the end of the text is the last one."""
    pos = false_starts = 0
    while false_starts < MAX_FALSE_STARTS and (start := _OPEN.search(text, pos)):
        found, pos = _value_at(text, start.start())
        if found is None:
            false_starts += 1
        else:
            yield found


def _value_at(text: str, start: int) -> tuple[Found | None, int]:
    """The value that starts here, None where it is only prose in brackets; and where to look on."""
    notes: tuple[str, ...] = ()
    try:
        value, end = _STRICT.raw_decode(text, start)
        if "\\ud" not in text[start:end].lower():  # the standard library lets halves of characters through
            return Found(value, True), end
    except (ValueError, RecursionError):
        notes = ("The JSON was not valid and was repaired.",)
    parser = _Parser(text, start)
    value = parser.value()
    if value is _MISSING or (parser.garbage and not value):
        return None, start + 1
    return Found(value, not is_cut(value), () if is_cut(value) else notes), max(parser.pos, start + 1)


def find_json(
    text: str,
    fits: Callable[[Any], bool] = lambda _: True,
    single: Callable[[Any], bool] = lambda _: False,
) -> Found | None:
    """The JSON value of an answer that `fits`, by the rule at the top of this module; None if there is none.

    `single` tells that a value is one item and not yet the list of them. Where the only trace of JSON is a value that
    was cut off before it could fit, that one is returned, not complete.
    """
    every = list(_values(unwrap(text)))
    cut_at_end = bool(every) and not every[-1].complete
    kept = [found for found in every if fits(found.value)]
    kept = [found for found in kept if found.value] or kept[-1:]
    if not kept:
        return Found(every[-1].value, False) if cut_at_end else None
    lists = [at for at, found in enumerate(kept) if found.complete and not single(found.value)]
    if not lists:
        return _joined(kept, cut_at_end, single)
    last, later = kept[lists[-1]], kept[lists[-1] + 1 :]
    return Found(last.value, not cut_at_end and all(found.complete for found in later), last.notes)


def _joined(kept: list[Found], cut_at_end: bool, single: Callable[[Any], bool]) -> Found:
    """Single items, and cut lists of items, as one list."""
    if len(kept) == 1:
        return Found(kept[0].value, kept[0].complete and not cut_at_end, kept[0].notes)
    complete = not cut_at_end and all(found.complete for found in kept)
    items: list[Any] = []
    for found in kept:
        items += found.value if isinstance(found.value, list) and not single(found.value) else [found.value]
    return Found(items, complete, tuple(dict.fromkeys(note for found in kept for note in found.notes)))
