"""Sees that the model has begun to go round in circles, so that the decode loop can end it.

Knows token ids and the bytes they stand for; knows nothing of models, thoughts or answers. Two watchers look at the
same stream. The exact one compares each token with the ones 1 to 200 before it. The near one splits the text into
words, digits and signs, so it sees the same whatever the tokenizer, and asks how much of the recent text has been
said at least twice before, almost word for word, within the last few hundred words.

It always holds that what comes out depends on the tokens since the last `reset` only, and that a text which says
something for the first or second time never fires. Ordinary answers repeat themselves too: table rules, columns of
zeros, lists of identical objects, refrains. So both watchers ask for much more repetition from tables, code and rows
than from running text: firing late costs some tokens, firing wrongly costs the answer.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median_low
from typing import Literal, TypeAlias

import numpy as np

LONGEST_PERIOD = 200  # tokens: about a long paragraph; a longer cycle is left to the near watcher

# How many tokens in a row must equal the token one period before them. The real loops of the 28B never ended by
# themselves once they were past these; the legitimate runs named here stay below.
SHORTEST_RUN = 48  # "ha ha ha ha", "no, no, no!"
PROSE_REPEATS, PROSE_RUN = 24, 80  # so many repeats of a short phrase, so many tokens of a longer one
PROSE_BYTES = 240  # where a token is only a letter or two, as in ernie-nano, tokens alone would say too little
DIGITS_RUN = 128  # 1 followed by a hundred zeros; 64 zeros of an empty hash
SIGNS_RUN = 400  # a separator of 200 signs, a drawn line of 120 three-byte ones, an array of 150 zeros
ROWS_RUN = 600  # 60 equal rows of a table, 20 equal lines of a form: rows or objects with words in them
SIGN_ROWS, SIGN_ROWS_RUN = 100, 2000  # rows of zeros, dots or empty cells: 100 rows, or 60 wide ones
CONSTANTS = frozenset("null none nan na true false ff xff".split())  # what whole columns hold; no more than signs
LEAST_REPEATS = 2  # beyond the first time: whatever is long must have been said three times over

# The near watcher. Sizes are in words; a Chinese character counts half a word.
MEMORY = 500  # words, digits and signs: how far back a repetition is looked for
ANCHOR = 3  # words, digits or signs in a row that must be equal for a copy to be recognised
SAID_BEFORE = 2  # times: a draft and its final form are one repetition, so one is not enough
CHANGED_NUMBER = 2.0  # words: what a digit that differs weighs, for rows and readings differ in their digits only
LONGEST_WORD = 32  # letters, after which a word is cut, so that base64 is not held back for ever
ROW_MARKS = frozenset("\n\t|{}[]<>;=_\\")
# Text counts as rows with more row marks than one in so many units (prose may break a line every 30 words), or with
# fewer words than this share of its units (`"sea", "sky",` has a quarter).
ROW_SHARE, WORD_SHARE = 1 / 32, 0.3

Kind: TypeAlias = Literal["exact", "near"]
# Scripts written without blanks are taken character by character; single digits, as numbers differ digit by digit.
_LONE = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_UNIT = re.compile(rf"[{_LONE}]|(?:(?![{_LONE}])[^\W\d_]){{1,{LONGEST_WORD}}}|[\n\t]|\d|[^\w\s]|_")
_LONE_UNIT = re.compile(f"[{_LONE}]")
BROKEN = "\ufffd"  # no text that anyone asked for, so as suspicious as a word
# One letter is no word: 1.0e+00, 0x00, "L 36 36".
_WORD = re.compile(rf"[^\W\d_]{{2,}}|[{_LONE}{BROKEN}]")
_TAG = re.compile("(?:^|<)[^<>]*(?:>|$)")


@dataclass(frozen=True)
class Loop:
    """A repetition: `period` and `start` in tokens since the last reset, the start being where the first copy begins.

    An exact one repeats its first `period` tokens; of a near one both numbers are estimates.
    """

    kind: Kind
    period: int
    start: int


class LoopBreaker:
    """Watches one part of the output, thought or answer; `reset` it when the part changes."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._exact = _ExactWatcher()
        self._near = _NearWatcher()

    def push(self, token: int, piece: bytes) -> Loop | None:
        """The loop that one more token, whose UTF-8 bytes are `piece`, is part of: told again as long as it lasts."""
        return self._exact.push(token, piece) or self._near.push(piece)


class _ExactWatcher:
    """For every period, how many of the latest tokens equal the one a period before: one numpy comparison a token."""

    def __init__(self) -> None:
        self._count = 0
        # Two halves with the same content, so that the latest tokens are always one slice, newest first.
        self._latest = np.full(2 * LONGEST_PERIOD, -1, dtype=np.int64)
        self._runs = np.zeros(LONGEST_PERIOD, dtype=np.int64)
        self._pieces: deque[bytes] = deque(maxlen=LONGEST_PERIOD)

    def push(self, token: int, piece: bytes) -> Loop | None:
        head = -self._count % LONGEST_PERIOD
        self._runs += 1
        self._runs *= self._latest[head : head + LONGEST_PERIOD] == token
        place = (head - 1) % LONGEST_PERIOD
        self._latest[place] = self._latest[place + LONGEST_PERIOD] = token
        self._pieces.append(piece)
        self._count += 1
        return self._found()

    def _found(self) -> Loop | None:
        enough = self._runs >= _LEAST_RUNS
        # The shortest period only: the others are its multiples.
        period = int(enough.argmax()) + 1
        run = int(self._runs[period - 1])
        if not enough[period - 1] or run < self._needed(period):
            return None
        return Loop("exact", period, self._count - run - period)

    def _needed(self, period: int) -> int:
        """Tokens that have to match, by what is repeated."""
        cycle = b"".join(list(self._pieces)[-period:])
        # Three times, because a cycle may begin in the middle of a word, a tag or a character.
        text = (cycle * 3).decode(errors="ignore")
        if not text or _has_words(text):
            spelled = PROSE_BYTES * period // len(cycle) if text else 0
            needed = max(spelled, _prose_run(period)) if ROW_MARKS.isdisjoint(text) else ROWS_RUN
        elif text.isdigit():
            needed = DIGITS_RUN
        else:
            rows = "\n" in text or "<" in text
            needed = max(SIGNS_RUN, min(SIGN_ROWS * period, SIGN_ROWS_RUN) if rows else 0)
        return max(needed, LEAST_REPEATS * period)


def _has_words(text: str) -> bool:
    """Whether there are words other than constants and tags; one cut off at an end only counts if there is no other."""
    words = list(_WORD.finditer(_untagged(text)))
    whole = [word[0] for word in words if word.start() > 0 and word.end() < len(text)] or [word[0] for word in words]
    return any(word.lower() not in CONSTANTS for word in whole)


def _untagged(text: str) -> str:
    """With blanks for HTML tags, of which empty tables are full; those cut off at either end count too."""
    return _TAG.sub(lambda tag: " " * len(tag[0]), text) if "<" in text and ">" in text else text


def _prose_run(period: int) -> int:
    return max(SHORTEST_RUN, min(PROSE_REPEATS * period, PROSE_RUN), LEAST_REPEATS * period)


_LEAST_RUNS = np.array([_prose_run(period) for period in range(1, LONGEST_PERIOD + 1)])


class _NearWatcher:
    """Follows where the text is being copied from, in the manner of LZ77 (Ziv and Lempel, 1977).

    A unit that goes on where the last one was copied from is a copy; so is one that completes `ANCHOR` units seen
    before. One that differs is counted as changed and taken to stand in the place of the one it differs from.
    """

    def __init__(self) -> None:
        self._splitter = _Splitter()
        self._tokens = 0
        self._units: list[str] = []
        self._token_of: list[int] = []  # of each unit, the token that ended it
        self._times: list[int] = []  # of each unit, how often it had been said before, in a row of copies
        self._source: list[int] = []  # of each unit, the one it is a copy of or stands in the place of
        self._ends: dict[tuple[str, ...], int] = {}  # where so many units were seen last
        self._windows = [_Window(rule) for rule in RULES]

    def push(self, piece: bytes) -> Loop | None:
        self._tokens += 1
        found = False
        for unit in self._splitter.feed(piece):
            found = self._add(unit) or found
        return self._loop() if found else None

    def _add(self, unit: str) -> bool:
        source, times = self._origin(unit)
        self._units.append(unit)
        self._token_of.append(self._tokens - 1)
        self._times.append(times)
        self._source.append(source)
        self._ends[tuple(self._units[-ANCHOR:])] = len(self._units) - 1
        tag = self._units[-2:-1] == ["<"] or self._units[-3:-1] == ["<", "/"]
        weight = 0.0 if tag else _weight(unit, changed=times == 0)
        mark = unit in ROW_MARKS
        holding = [window.add(weight, times, mark=mark) for window in self._windows]
        return any(holding)

    def _origin(self, unit: str) -> tuple[int, int]:
        """The place this unit is copied from, or stands for, and how often it has been said before."""
        here = len(self._units)
        follows = self._source[-1] + 1 if here and self._source[-1] >= 0 else -1
        if follows >= 0 and here - follows <= MEMORY and self._units[follows] == unit:
            return follows, self._times[follows] + 1
        seen = self._ends.get((*self._units[1 - ANCHOR :], unit))
        if seen is not None and here - seen <= MEMORY:
            return seen, self._times[seen] + 1
        return follows, 0

    def _loop(self) -> Loop:
        """Period and start, estimated: the usual way back to the source, and where the text turned into copies."""
        first, best, score = len(self._units), 0, 0
        for place in range(len(self._units) - 1, -1, -1):
            score += 1 if self._times[place] else -4  # so the copied stretch may hold one changed unit in five
            if score > best:
                first, best = place, score
        ways = [
            self._token_of[place] - self._token_of[self._source[place]]
            for place in range(first, len(self._units))
            if self._times[place]
        ]
        period = max(1, median_low(ways))
        return Loop("near", period, max(0, self._token_of[first] - period))


def _weight(unit: str, *, changed: bool) -> float:
    """What a unit counts in a window, in words. Signs and copied digits say nothing, for every table repeats them."""
    if unit.isdigit():
        return CHANGED_NUMBER if changed else 0.0
    if _LONE_UNIT.match(unit):
        return 0.5
    return 1.0 if _WORD.match(unit) and unit.lower() not in CONSTANTS else 0.0


@dataclass(frozen=True)
class Rule:
    """Of the latest `size` words, the shares said at least `times` before, and new at most, with which it fires."""

    size: int
    copied: float
    changed: float = 1.0
    times: int = SAID_BEFORE
    rows: bool = True


RULES = (
    # Sentences said over and over. Of 67 logged outputs the loops reach 0.65 to 1.0; of the sound ones that change so
    # little none passes 0.53.
    Rule(55, copied=0.60, changed=0.08, rows=False),
    # A phrase with a changing word or number. A thought that reads 30 frames or bars in equal words stays below.
    Rule(360, copied=0.60, rows=False),
    # The same in rows, where tables, lists of objects and code with equal words in each of 60 rows are nothing unusual:
    # either whole paragraphs and objects return, or a short line does for very long.
    Rule(600, copied=0.80),
    Rule(240, copied=0.60, times=40),
)


class _Window:
    """The latest units that together weigh `rule.size` words."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._units: deque[tuple[float, int, bool]] = deque()
        self._weight = self._copied = self._changed = 0.0
        self._marks = 0

    def add(self, weight: float, times: int, *, mark: bool) -> bool:
        """Whether the rule holds, now that one more unit is in."""
        self._count(weight, times, mark, 1)
        self._units.append((weight, times, mark))
        full = self._weight >= self._rule.size
        while self._weight > self._rule.size:
            self._count(*self._units.popleft(), -1)
        return full and self._holds()

    def _count(self, weight: float, times: int, mark: bool, sign: int) -> None:
        self._weight += sign * weight
        self._marks += sign * mark
        if times >= self._rule.times:
            self._copied += sign * weight
        elif times == 0:
            self._changed += sign * weight

    def _holds(self) -> bool:
        rule = self._rule
        if self._copied < rule.copied * rule.size or self._changed > rule.changed * rule.size:
            return False
        units = len(self._units)
        return rule.rows or (self._marks < ROW_SHARE * units and rule.size > WORD_SHARE * units)


class _Splitter:
    """Bytes into words, digits and signs; a word is held back until it is known to have ended."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def feed(self, data: bytes) -> Iterator[str]:
        text = self._held + self._decoder.decode(data)
        self._held = ""
        for match in _UNIT.finditer(text):
            unit = match[0]
            if match.end() == len(text) and _may_go_on(unit):
                self._held = unit
            else:
                yield unit


def _may_go_on(unit: str) -> bool:
    return unit.isalpha() and len(unit) < LONGEST_WORD and not _LONE_UNIT.match(unit)
