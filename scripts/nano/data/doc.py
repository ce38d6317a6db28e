"""The job *doc*: printed pages, to be transcribed or asked about.

Transcriptions are Markdown: `# ` headings, `- ` and `1. ` lists, tables, else line by line as printed, what stands
left and right on a line one space apart, one blank line between blocks.

In a schema, `total number` is a number, a bare name text as printed, `items[name, price number]` a list of objects.
What the page does not give is null.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random

from data import Question, Sample
from data.ask import ORDER
from data.pages import Page, counted, draw_page, full_page
from data.reading import Thought, found_by, told_by
from data.texts import SUMS
from data.words import CITIES, DAYS, FIRST_NAMES, GOODS
from ernie_cli.messages import Picture

TRANSCRIBE = "Write the text of this page as Markdown."
SCHEMA = "Read these fields: {fields}. Answer with JSON only."


def doc_sample(random: Random, width: int, height: int, most: int, questions: int) -> Sample:
    """A page of up to about `most` printed lines, and up to `questions` different questions.

    The first one is always the transcription.
    """
    page, image, letters = draw_page(random, width, height, most)
    seen = _list_lines(page, Thought().say(page.says), spoken)
    told = told_by(page.blocks, letters)
    asked = [Question(TRANSCRIBE, seen.text, page.markdown, read=told, cited=tuple(seen.read))]
    for _ in range(4 * questions):
        says = Thought().say(page.says)
        question, lines = _ask(random, page, says)
        if len(asked) < questions and question.text not in [other.text for other in asked]:
            read = found_by(question.answer, letters, lines)
            asked.append(replace(question, thought=says.text, cited=tuple(says.read), read=read))
    return Sample(Picture(image, printed=True), asked, letters=letters)


def lines_sample(random: Random, width: int, height: int, most: int, questions: int) -> Sample:
    """A page with fields, and so many thoughts about its lines and what is found there, which may come twice.

    No more words are asked than tell what is looked for.
    """
    before, after = SCHEMA.split("{fields}")
    while True:
        page, image, letters = draw_page(random, width, height, most)
        if not page.fields:
            continue
        asked: list[Question] = []
        for _ in range(4 * questions):
            says = Thought()
            question, _ = _ask(random, page, says)
            text = question.text.removeprefix(before).removesuffix(after)
            if " on line" in says.text and text not in [other.text for other in asked]:
                # All that it says follows something else elsewhere, and so begins with a blank.
                asked.append(Question(text, says.text[1:], "", "timed", cited=tuple(says.read[1:])))
        if asked:
            asked = asked[:questions]
            asked += random.choices(asked, k=questions - len(asked))
            return Sample(Picture(image, printed=True), asked, letters=letters)


def print_sample(random: Random, width: int, height: int, full: float = 0.8) -> Sample:
    """A page about which nothing is asked, a share of them `full` of print: to learn letters by."""
    image, letters = (
        full_page(random, width, height) if random.random() < full else draw_page(random, width, height, 9)[1:]
    )
    return Sample(Picture(image, printed=True), [], letters=letters)


def spoken(label: str) -> str:
    """A label as one speaks of it: `Invoice no` -> `invoice number`."""
    words = label.split()
    words[0] = words[0].lower() if label[0].isupper() and " of " not in label else words[0]
    return " ".join("number" if word == "no" else word for word in words)


def _key(label: str) -> str:
    """What a label is called as data, and in thoughts about it: what is asked for is found again where it is said."""
    return label.lower().replace(" ", "_")


NOUNS = {"bullets": "point", "numbers": "point", "table": "row"}  # what rows of a block are called; else a line
# What a thought calls a row, if it is easily read: what is made up would have to be spelled.
CALLED = frozenset([*CITIES, *DAYS, *FIRST_NAMES, *GOODS])


def _list_lines(page: Page, says: Thought, name: Callable[[str], str]) -> Thought:
    """Says what each line of a page is, from the top, with the `name` for its label, if it is more than text.

    Lines are easily read in their order: which of them has what is asked for is then a matter of words. How many there
    are is not said before, as it is hard to know without a look at each; a line more or less would follow from it.
    """
    rows = [(block.kind, number, row) for block in page.blocks for number, row in enumerate(block.rows)]
    if not (page.fields or page.items):
        return says.say(f" I see {len(rows)} line{'' if len(rows) == 1 else 's'}.")
    says.say(" The lines:")
    for line, (kind, number, row) in enumerate(rows):
        label = row[0].removesuffix(":")
        if kind == "heading":
            what = kind
        elif kind == "table" and number == 0:
            what = "head"
        elif len(row) == 1:
            what = NOUNS.get(kind, "line")
        elif label in page.fields:
            what = name(label)
        else:
            assert page.items
            what = page.items[0].removesuffix("s") + (f" {label}" if label in CALLED else "")
        if line:
            says.say(",", (line, 0))  # whether there is one more is seen where it begins
        says.say(f" {line + 1}").say(f" {what}", (line, 0))
    return says.say(".")


Found = tuple[Question, list[int | None]]  # and the line that each value of its answer stands on


def _ask(random: Random, page: Page, says: Thought) -> Found:
    """A question; its thought `says` on which lines the answer stands, counted from 1: what is found is then read."""
    roll = random.random()
    if page.fields and roll < 0.3:
        return _named(random, page, _list_lines(page, says, spoken))
    if ((page.fields or page.items) and roll < 0.9) or roll < 0.12:
        return _schema(random, page, _list_lines(page, says, _key))
    return _line(random, page, _list_lines(page, says, spoken))


def _named(random: Random, page: Page, says: Thought) -> Found:
    label, (text, _) = random.choice(list(page.fields.items()))
    ask = random.choice(["What is the {}?", "What is the {}?", "what {} is given?", "Give the {}."])
    line = page.line(label)
    says.say(f" I find the {spoken(label)} on line ").number(line).say(".")
    return Question(ask.format(spoken(label)), "", text), [line]


def _line(random: Random, page: Page, says: Thought) -> Found:
    """The heading, a line (headings do not count) or a point, found by where it stands, or their number."""
    if page.blocks[0].kind == "heading" and random.random() < 0.4:
        says.say(" A heading stands above it.")
        return Question("What is the heading?", "", page.blocks[0].rows[0][0]), [0]
    rows = [row for block in page.blocks if block.kind != "heading" for row in block.rows]
    kind = page.blocks[-1].kind
    noun = NOUNS.get(kind, "line")
    if kind == "table" and page.fields.keys() & {"Total"}:
        return _named(random, page, says)
    if kind == "table" or random.random() < 0.2:
        count = len(rows) - (kind == "table")
        be = "is" if count == 1 else "are"
        says.say(f" There {be} {counted(count, noun)}.")
        return Question(f"How many {noun}s are there?", "", str(count)), [None]
    index = random.randrange(min(len(rows), len(ORDER)))
    which = "last" if index == len(rows) - 1 else ORDER[index]
    line = index + len(page.rows) - len(rows)
    says.say(f" Its {which} {noun} is on line ").number(line).say(".")
    return Question(f"What does the {which} {noun} say?", "", " ".join(rows[index])), [line]


def _schema(random: Random, page: Page, says: Thought) -> Found:
    """Some fields of the page, at times one that it does not give, and its items."""
    given = [label for label in page.fields if " of " not in label]
    labels = random.sample(
        given, random.randint(0, len(given)) if page.items else random.randint(min(1, len(given)), len(given))
    )
    listed = page.items is not None and (not labels or random.random() < 0.6)
    others = ["Total", "Tax", "Balance"]
    if given:  # running text may well hold a date or a city that nobody calls so
        others += ["Date", "Phone", "City", "Email"]
    known = [label.lower() for label in [*given, *(page.items[1][0] if page.items else [])]]
    others = [label for label in others if not any(label.lower() in name for name in known)]
    missing = random.sample(others, 1) if random.random() < 0.2 or not (labels or listed) else []
    labels = [*labels, *missing]
    random.shuffle(labels)
    terms, data, lines = [], {}, list[int | None]()
    begin = " I find"
    for label in labels:
        printed = label in page.fields and label not in missing
        value = page.fields[label][1] if printed else None
        number = isinstance(value, (int, float)) or (value is None and label in SUMS)
        key = _key(label)
        terms.append(f"{key} number" if number else key)
        data[key] = value
        if printed:
            line = page.line(label)
            lines.append(line)
            says.say(f"{begin} {key} on line ").number(line)
            begin = ","
    if listed and page.items:
        key, items = page.items
        parts = [f"{name} number" if isinstance(value, (int, float)) else name for name, value in items[0].items()]
        terms.append(f"{key}[{', '.join(parts)}]")
        data[key] = items
        of_items = [page.line(str(next(iter(item.values())))) for item in items]
        lines += [line for line, item in zip(of_items, items, strict=True) for _ in item]
        first, last = of_items[0], of_items[-1]
        says.say(f"{begin} {key} on line{'s' * (first != last)} ").number(first)
        if first != last:
            says.say(" to ").number(last)
        begin = ","
    says.say("." if begin == "," else "")
    says.say(f" It gives no {_key(missing[0])}." if missing else "")
    return Question(SCHEMA.format(fields=", ".join(terms)), "", json.dumps(data)), lines
