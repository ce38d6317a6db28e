"""Which characters of a page, or of a chart, an answer about it is read from, and how they may be misread."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from data import Address, Letter, Question
from data.axis import DIGITS, digit_at
from data.fonts import Block

ENDS = re.compile(r'"?(?:}[,\]]?)?')  # what follows a value: whether a list goes on is seen behind its last one
VALUE = re.compile(r'"[^"]*": |"([^"]+)"|(-?\d[\d.]*)')  # of JSON: a key, a text or a number

# Of a thought about a page: how it lists the lines, and what it finds on which of them, or nowhere.
LISTED = re.compile(r"The lines:([^.]+)\.")
NUMBERED = re.compile(r"(?:(?<=:)|(?<=,)) (\d+) ")
FINDS = re.compile(r"(?: I find|,)((?: the)? (?P<name>[^,.]+) on lines? (?P<first>\d+)(?: to (?P<last>\d+))?)(?=[,.])")
LACKS = re.compile(r" It gives no (?P<name>[^,.]+)\.")
ROW_ENDS = re.compile(r"\}([,\]])")  # of a list in an answer

ALPHABETS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)


def misread(random: Random, question: Question, share: float) -> Question:
    """The same with a share of the characters that are read taken for others, letters for letters and so on."""
    if not question.read:
        return question
    said = [
        _other(random, character) if address and random.random() < share else character
        for character, address in zip(question.answer, question.read, strict=False)
    ]
    return replace(question, misread="".join(said))


def _other(random: Random, character: str) -> str:
    alphabet = next((alphabet for alphabet in ALPHABETS if character in alphabet), character)
    return random.choice(alphabet)


def told_by(blocks: Sequence[Block], letters: Sequence[Letter]) -> tuple[Address, ...]:
    """Which character of a page is read for each of its Markdown, and for its end.

    What is not printed tells what comes next: the mark of a line its first letter, what stands between two cells the
    gap there, and the end of a line nothing, which is where one more letter would stand.
    """
    waiting = [(letter.line, letter.column) for letter in reversed(letters)]
    told: list[Address] = []
    last, ended = waiting[-1], True  # the last line: what comes next is the mark of another one
    pieces = [piece for block in blocks for piece in [*block.pieces(), ("\n\n", False)]][:-1]
    for text, printed in pieces:
        for character in text:
            if printed and character != " ":
                last, ended = waiting.pop(), False
                told.append(last)
            else:
                told.append(waiting[-1] if ended else _after(last))
                ended = ended or character == "\n"
    return (*told, _after(last))


class Thought:
    """A thought about a page: its `text`, and of each of its characters, where the line begins that is spoken of.

    `found` is where in it the values of a chart are said, by their lines.
    """

    def __init__(self) -> None:
        self.text, self.read = "", list[Address | None]()
        self.found: dict[int, int] = {}

    def say(self, text: str, read: Address | None = None) -> Thought:
        """Words; `read` is where that stands which they are read from, if they are."""
        self.text += text
        self.read += [read] * len(text)
        return self

    def spell(self, text: str, line: int) -> Thought:
        """What a line begins with, read letter by letter."""
        for column, character in enumerate(text):
            self.say(character, (line, column))
        return self

    def locate(self, along: int, line: int, first: int = 0) -> Thought:
        """A place that is told of a line, or a part of it: its digits, from the `first` on, each with its address."""
        for digit, character in enumerate(f"{along:0{DIGITS}}", first):
            self.say(character, (line, digit_at(digit)))
        return self

    def number(self, line: int) -> Thought:
        """A line's number, counted from 1."""
        return self.say(str(line + 1), (line, 0))


def _lines(letters: Sequence[Letter]) -> dict[int, str]:
    """The texts of lines, by their numbers, a gap as one blank."""
    lines: dict[int, dict[int, str]] = {}
    for letter in letters:
        lines.setdefault(letter.line, {})[letter.column] = letter.character
    return {line: "".join(its.get(i, " ") for i in range(max(its) + 1)) for line, its in lines.items()}


def _after(address: Address) -> Address:
    line, column = address
    return line, column + 1


def again(answer: str, on: Sequence[int | None], thought: Thought) -> tuple[int | None, ...]:
    """Which character of a thought has said the same, for each of an answer and for its end.

    The answer's values stand `on` lines; those that the thought has not `found` are not said again. What follows one is
    where it is seen that it ends.
    """
    said: list[int | None] = [None] * (len(answer) + 1)
    for (begin, end), line in zip(_values(answer), on, strict=True):
        if line in thought.found:
            first = thought.found[line]
            same = len(answer[begin:end].removesuffix("%"))
            said[begin : begin + same + 1] = range(first, first + same + 1)
    return tuple(said)


def recalled(text: str, thought: str, answer: str) -> dict[int, int]:
    """Which characters of a thought about a page, and of the answer, follow from what has been said before, and where.

    What is found, or is not there, is what the question's `text` asks for; a line's number is that in the thought's
    list of all lines; and whether a list of the answer goes on behind a row is told by what the next line is called
    there, or that there is none. Places are counted from the beginning of `text`; thought and answer follow it.
    """
    listed = LISTED.search(thought)
    if not listed:
        return {}
    sources = {number[1]: len(text) + number.start(1) for number in NUMBERED.finditer(thought, *listed.span(1))}
    said: dict[int, int] = {}
    finds = list(FINDS.finditer(thought, listed.end()))
    if finds and "[{" in answer:  # what is found last are its rows
        for line, end in enumerate(ROW_ENDS.finditer(answer, answer.index("[{")), int(finds[-1]["first"])):
            said[len(text) + len(thought) + end.start(1)] = sources.get(str(line + 1), len(text) + listed.end() - 1)
    for match in [*finds, *LACKS.finditer(thought, listed.end())]:
        asked = re.search(rf"\b{re.escape(match['name'])}\b", text)
        of = {"name": asked and asked.start()}
        of |= {part: sources.get(number) for part, number in match.groupdict().items() if part != "name"}
        for part, source in of.items():
            if source is not None:
                said |= {len(text) + place: source + at for at, place in enumerate(range(*match.span(part)))}
    return said


def _values(answer: str) -> list[tuple[int, int]]:
    """Where the values of an answer begin and end; what is no JSON is one value."""
    if not answer.startswith(("{", "[")):
        return [(0, len(answer))]
    return [match.span(match.lastindex) for match in VALUE.finditer(answer) if match.lastindex]


def found_by(answer: str, letters: Sequence[Letter], on: Sequence[int | None]) -> tuple[Address | None, ...]:
    """Which character is read for each of an answer, of what it says or of each of its values.

    These stand `on` lines, None for one that is not read, or that does not stand just once on its line.
    """
    found: list[Address | None] = [None] * (len(answer) + 1)
    texts = _lines(letters)
    for (begin, end), line in zip(_values(answer), on, strict=True):
        if line is None:
            continue
        # 2.5 stands there as 2.50 as well, but not within 12.5 or 2.55.
        whole = re.compile(rf"(?<![\w.]){re.escape(answer[begin:end])}(?:0+\b|(?!\w))")
        columns = [match.start() for match in whole.finditer(texts.get(line, ""))]
        if len(columns) == 1:
            found[begin:end] = [(line, columns[0] + i) for i in range(end - begin)]
            behind = ENDS.match(answer, end)
            closed = max(end + 1, behind.end() if behind else 0)
            found[end:closed] = [(line, columns[0] + end - begin)] * (closed - end)
    return tuple(found)
