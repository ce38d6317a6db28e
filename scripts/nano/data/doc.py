"""The job *doc*: pages of printed lines, forms, receipts, invoices, lists and tables, to be transcribed or asked about.

Transcriptions are Markdown: `# ` headings, `- ` and `1. ` lists, tables, else line by line as printed, what stands
left and right on a line one space apart, one blank line between blocks. Many names, codes and words are random, so that
pages must be read and cannot be guessed. Sums add up.

In a schema, `total number` is a number, a bare name text as printed, `items[name, price number]` a list of objects.
What the page does not give is null.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from data import Question, Sample
from data.ask import NUMBERS
from data.fonts import Block, Style, draw_style, face, print_page
from data.words import CITIES, DAYS, FIRST_NAMES, GOODS, LAST_NAMES, MEASURES, MONTHS, PROSE
from ernie_cli.messages import Picture

TRANSCRIBE = "Write the text of this page as Markdown."
SCHEMA = "Read these fields: {fields}. Answer with JSON only."
SMALLEST = 12  # pixels of the smallest print

Value = str | int | float


@dataclass
class Page:
    """What is printed; `fields` maps what can be asked for to the text printed and its value as data."""

    says: str  # "This is a receipt with three items."
    blocks: list[Block]
    fields: dict[str, tuple[str, Value]] = field(default_factory=dict)
    items: tuple[str, list[dict[str, Value]]] | None = None  # `items` or `rows`, and what they hold

    @property
    def markdown(self) -> str:
        return "\n\n".join(block.markdown() for block in self.blocks)


# --- what stands on pages


def _letters(random: Random, least: int, most: int, alphabet: str = "ABCDEFGHJKLMNPQRSTUVWXYZ") -> str:
    return "".join(random.choices(alphabet, k=random.randint(least, most)))


def _digits(random: Random, least: int, most: int) -> str:
    return _letters(random, least, most, "0123456789")


def made_up(random: Random) -> str:
    """A word that is none: `morelu`, `Tavik`."""
    word = "".join(
        random.choice("bcdfghjklmnprstvwz") + random.choice("aeiou") + random.choice(["", "", *"lmnrst"])
        for _ in range(random.randint(2, 3))
    )
    return word.capitalize() if random.random() < 0.5 else word


def code(random: Random) -> str:
    kind = random.randrange(5)
    if kind == 0:
        return _digits(random, 3, 7)
    if kind == 1:
        return _letters(random, 1, 3) + random.choice(["-", ""]) + _digits(random, 2, 5)
    if kind == 2:
        return _digits(random, 2, 4) + random.choice("-/.") + _digits(random, 2, 4)
    if kind == 3:
        return "#" + _digits(random, 2, 5)
    return _letters(random, 4, 7, "ABCDEFGHJKLMNPQRSTUVWXYZ23456789")


def person(random: Random) -> str:
    if random.random() < 0.25:
        return f"{made_up(random).capitalize()} {made_up(random).capitalize()}"
    return f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}"


def company(random: Random) -> str:
    name = made_up(random).capitalize() if random.random() < 0.4 else random.choice(LAST_NAMES)
    return f"{name} {random.choice(['Ltd', 'Inc', 'Store', 'Market', 'Cafe', 'Shop', 'Foods', 'Books', 'GmbH'])}"


def date(random: Random) -> str:
    day, month, year = random.randint(1, 28), random.randint(1, 12), random.randint(1990, 2030)
    name = MONTHS[month - 1]
    return random.choice(
        [
            f"{year}-{month:02}-{day:02}",
            f"{day} {name} {year}",
            f"{day:02}.{month:02}.{year}",
            f"{name[:3]} {day}, {year}",
        ]
    )


def email(random: Random) -> str:
    return f"{made_up(random).lower()}@{made_up(random).lower()}.{random.choice(['com', 'org', 'net', 'de'])}"


def street(random: Random) -> str:
    name = random.choice([made_up(random).capitalize(), random.choice(LAST_NAMES), "Station", "Hill", "River"])
    return f"{random.randint(1, 299)} {name} {random.choice(['Street', 'Road', 'Lane'])}"


def phone(random: Random) -> str:
    return random.choice(["-", " "]).join(_digits(random, n, n) for n in random.choice([(3, 4), (3, 3, 4), (4, 5)]))


def status(random: Random) -> str:
    return random.choice(["open", "paid", "closed", "new", "sent", "ready", made_up(random)])


TEXTS: dict[str, Callable[[Random], str]] = {
    **dict.fromkeys(("Name", "Customer", "Contact", "Cashier", "Signature"), person),
    **dict.fromkeys(("Date", "Due date"), date),
    **dict.fromkeys(("Invoice no", "Order no", "Invoice number", "Account", "Reference", "Ticket", "Serial no"), code),
    **dict.fromkeys(("City", "Country"), lambda random: random.choice([random.choice(CITIES), made_up(random)])),
    **{"Company": company, "Email": email, "Address": street, "Phone": phone, "Status": status},
    "Item": lambda random: random.choice([random.choice(GOODS), made_up(random)]),
}
COUNTS = ("Quantity", "Age", "Room", "Table", "Weight", "Seats", "Floor")
SUMS = ("Total", "Amount", "Balance", "Price", "Tax", "Paid")


def money(cents: int, currency: str) -> str:
    return currency.format(f"{cents / 100:.2f}")


def _currency(random: Random) -> str:
    return random.choice(["{}", "{}", "${}", "{} EUR"])


def _field(random: Random, label: str, currency: str) -> tuple[str, Value]:
    """What is printed behind a label, and its value as data."""
    if label in COUNTS:
        number = random.randint(1, random.choice([9, 99, 999]))
        return str(number), number
    if label in SUMS:
        cents = random.randint(50, random.choice([2_000, 20_000, 200_000]))
        return money(cents, currency), cents / 100
    text = TEXTS[label](random)
    return text, text


def sentence(random: Random, columns: int) -> str:
    """Words (some made up), numbers and codes that fill up to `columns` characters."""
    room = random.randint(min(6, columns), columns)
    kind = random.random()
    text = ""
    while True:
        roll = random.random()
        word = random.choice(PROSE)
        if kind < 0.35 or roll < 0.25:
            draws = (made_up, code, person, lambda r: r.choice(GOODS), lambda r: r.choice(CITIES + DAYS), date)
            word = random.choice(draws)(random)
        joined = f"{text} {word}".strip()
        if len(joined) > room:
            break
        text = joined + ("," if random.random() < 0.06 and len(joined) < room - 4 else "")
    text = (text or random.choice(PROSE)[:room]).rstrip(",")
    text = text[0].upper() + text[1:] if random.random() < 0.6 else text
    return text + (random.choice(".....?!:") if random.random() < 0.4 and len(text) < room else "")


# --- kinds of pages; each takes (random, most rows, columns) and uses at least the rows that KINDS says


def _some(random: Random, least: int, most: int) -> int:
    """A number of lines or rows, rather many than few."""
    return max(random.randint(least, max(least, most)) for _ in range(2))


def _count(number: int, noun: str) -> str:
    return f"{NUMBERS[number] if number < len(NUMBERS) else number} {noun}{'' if number == 1 else 's'}"


def _heading(random: Random, columns: int) -> Block:
    return Block("heading", [(sentence(random, min(columns * 2 // 3, 20)).rstrip(".?!:"),)])


def _lines(random: Random, rows: int, columns: int) -> Page:
    count = _some(random, 1, min(rows, 6))
    lines = [(sentence(random, columns),) for _ in range(count)]
    split = random.randint(1, count - 1) if count > 2 and random.random() < 0.3 else count
    blocks = [Block("lines", lines[:split])] + ([Block("lines", lines[split:])] if split < count else [])
    title = _heading(random, columns) if count < rows - 1 and random.random() < 0.3 else None
    return Page(f"This page has {_count(count, 'line')} of text.", [*([title] if title else []), *blocks])


def _form(random: Random, rows: int, columns: int) -> Page:
    titled = rows > 2 and random.random() < 0.4
    count = _some(random, 1, min(rows - 2 * titled, 6))
    currency = _currency(random)
    labels = random.sample([*TEXTS, *COUNTS, *SUMS], count)
    fields = {label: _field(random, label, currency) for label in labels}
    block = Block("fields", [(f"{label}:", text) for label, (text, _) in fields.items()])
    blocks = [_heading(random, columns), block] if titled else [block]
    return Page(f"This is a form with {_count(count, 'field')}.", blocks, fields)


def _priced(random: Random, count: int) -> list[tuple[str, int]]:
    """Goods, a few with made-up names, and their prices in cents."""
    names = [made_up(random) if random.random() < 0.25 else good for good in random.sample(GOODS, count)]
    return [(name, random.randint(10, random.choice([500, 3_000, 20_000]))) for name in names]


def _sums(random: Random, priced: list[tuple[str, int]], currency: str, room: int) -> dict[str, tuple[str, Value]]:
    """The last lines of a bill: the total, or subtotal, tax and total."""
    total = sum(price for _, price in priced)
    parts = {"Total": total}
    if room >= 3 and random.random() < 0.3:
        tax = round(total * random.choice([0.05, 0.07, 0.1, 0.19, 0.2]))
        parts = {"Subtotal": total, "Tax": tax, "Total": total + tax}
    return {label: (money(cents, currency), cents / 100) for label, cents in parts.items()}


def _receipt(random: Random, rows: int, columns: int) -> Page:
    titled = rows > 4 and random.random() < 0.7
    fields = {}
    if rows > 6 and random.random() < 0.5:
        label = random.choice(["Date", "Receipt no", "Cashier"])
        text = code(random) if label == "Receipt no" else TEXTS[label](random)
        fields[label] = (text, text)
    currency = _currency(random)
    # A title and the block of a field take a row more for the gap behind them.
    free = rows - 2 * titled - 2 * len(fields)
    priced = _priced(random, _some(random, 1, min(free - 1, 5)))
    sums = _sums(random, priced, currency, free - len(priced))
    says = f"This is a receipt with {_count(len(priced), 'item')}."
    bill = [*((name, money(cents, currency)) for name, cents in priced), *((k, text) for k, (text, _) in sums.items())]
    blocks = [Block("heading", [(company(random),)])] if titled else []
    blocks += [Block("fields", [(f"{label}:", text)]) for label, (text, _) in fields.items()] + [Block("prices", bill)]
    items: list[dict[str, Value]] = [{"name": name, "price": cents / 100} for name, cents in priced]
    prices = {f"price of {name}": (money(cents, currency), cents / 100) for name, cents in priced}
    return Page(says, blocks, fields | sums | prices, ("items", items))


def _list(random: Random, rows: int, columns: int) -> Page:
    titled = rows > 3 and random.random() < 0.6
    count = _some(random, 2, min(rows - 2 * titled, 6))
    points = [(sentence(random, columns - 3),) for _ in range(count)]
    block = Block(random.choice(["bullets", "bullets", "numbers"]), points)
    blocks = [_heading(random, columns), block] if titled else [block]
    return Page(f"This is a list of {_count(count, 'point')}.", blocks)


def _table(random: Random, rows: int, columns: int) -> Page:
    titled = rows > 4 and random.random() < 0.4
    count = _some(random, 1, min(rows - 1 - 2 * titled, 5))
    wide = 3 if columns > 30 and random.random() < 0.5 else 2
    name, pool = random.choice(
        [("City", CITIES), ("Item", GOODS), ("Name", FIRST_NAMES), ("Day", DAYS), ("Code", None)]
    )
    keys = random.sample(pool, count) if pool else list(dict.fromkeys(code(random) for _ in range(count)))
    heads = random.sample([*MEASURES, *COUNTS], wide - 1)
    numbers = [[random.randint(0, random.choice([9, 99, 999, 9999])) for _ in heads] for _ in keys]
    body = [(key, *map(str, values)) for key, values in zip(keys, numbers, strict=True)]
    blocks = [*([_heading(random, columns)] if titled else []), Block("table", [(name, *heads), *body])]
    names = [head.lower() for head in (name, *heads)]
    items: list[dict[str, Value]] = [dict(zip(names, (k, *v), strict=True)) for k, v in zip(keys, numbers, strict=True)]
    cells = {
        f"{head.lower()} of {key}": (str(value), value)
        for key, values in zip(keys, numbers, strict=True)
        for head, value in zip(heads, values, strict=True)
    }
    return Page(f"This is a table with {_count(len(keys), 'row')}.", blocks, cells, ("rows", items))


def _invoice(random: Random, rows: int, columns: int) -> Page:
    """A heading, fields, and either the sum or a table of items with it."""
    currency = _currency(random)
    labels = [
        "Invoice no",
        *random.sample(["Date", "Customer", "Due date", "Company", "Order no"], random.randint(0, 2)),
    ]
    random.shuffle(labels)
    fields = {label: _field(random, label, currency) for label in labels}
    room = rows - 2 - len(labels) - 2
    priced = _priced(random, _some(random, 1, min(room - 1, 3)))
    sums = {"Total": (money(total := sum(c for _, c in priced), currency), total / 100)}
    head = [Block("heading", [(random.choice(["Invoice", "Bill", "INVOICE", company(random)]),)])]
    lines = [(f"{label}:", text) for label, (text, _) in (fields | ({} if room > 1 else sums)).items()]
    blocks = [*head, Block("fields", lines)]
    if room < 2:
        return Page(f"This is an invoice with {_count(len(lines), 'field')}.", blocks, fields | sums)
    table = [("Item", "Price"), *((name, money(cents, currency)) for name, cents in priced)]
    blocks += [Block("table", [*table, ("Total", sums["Total"][0])])]
    items: list[dict[str, Value]] = [{"name": name, "price": cents / 100} for name, cents in priced]
    says = f"This is an invoice with {_count(len(priced), 'item')}."
    return Page(says, blocks, fields | sums, ("items", items))


# Kind -> lines it needs at least.
KINDS = {_lines: 1, _form: 1, _list: 2, _table: 2, _receipt: 2, _invoice: 5}


def doc_sample(random: Random, width: int, height: int, most: int, questions: int) -> Sample:
    """A page of up to about `most` printed lines, and up to `questions` different questions.

    The first one is always the transcription.
    """
    page, image = draw_page(random, width, height, most)
    asked = [Question(TRANSCRIBE, page.says, page.markdown)]
    for _ in range(4 * questions):
        question = _ask(random, page)
        if len(asked) < questions and question.text not in [other.text for other in asked]:
            asked.append(question)
    return Sample(Picture(image), asked)


def draw_page(random: Random, width: int, height: int, most: int) -> tuple[Page, Image.Image]:
    while True:
        kind, least = random.choice(list(KINDS.items()))
        # Print gets smaller where a page would not hold the lines it needs.
        size = random.randint(SMALLEST, 20)
        size = max(SMALLEST, min(size, int((height - 12) / (least * 1.4)), width // 14))
        style = draw_style(random, size)
        rows = min(most, int((height - 2 * style.margin) / style.pitch))
        if rows < least:
            continue
        for _ in range(3):
            page = kind(random, rows, _columns(style, width))
            if image := print_page(random, page.blocks, style, width, height):
                return page, image


def _columns(style: Style, width: int) -> int:
    """About how many characters a line holds."""
    sample = "the quick brown fox Jumps 4711 times"
    return int((width - 2 * style.margin) / face(style.family, style.size, style.bold).getlength(sample) * len(sample))


def spoken(label: str) -> str:
    """A label as one speaks of it: `Invoice no` -> `invoice number`."""
    words = label.split()
    words[0] = words[0].lower() if label[0].isupper() and " of " not in label else words[0]
    return " ".join("number" if word == "no" else word for word in words)


def _ask(random: Random, page: Page) -> Question:
    roll = random.random()
    if page.fields and roll < 0.5:
        return _named(random, page)
    if ((page.fields or page.items) and roll < 0.9) or roll < 0.12:
        return _schema(random, page)
    return _line(random, page)


def _named(random: Random, page: Page) -> Question:
    label, (text, _) = random.choice(list(page.fields.items()))
    ask = random.choice(["What is the {}?", "What is the {}?", "what {} is given?", "Give the {}."])
    return Question(ask.format(spoken(label)), f"{page.says} The {spoken(label)} is {text}.", text)


ORDER = ("first", "second", "third", "fourth", "fifth", "sixth")


def _line(random: Random, page: Page) -> Question:
    """The heading, a line (headings do not count) or a point, found by where it stands, or their number."""
    if page.blocks[0].kind == "heading" and random.random() < 0.4:
        return Question("What is the heading?", f"{page.says} A heading stands above it.", page.blocks[0].rows[0][0])
    rows = [row for block in page.blocks if block.kind != "heading" for row in block.rows]
    kind = page.blocks[-1].kind
    noun = {"bullets": "point", "numbers": "point", "table": "row"}.get(kind, "line")
    if kind == "table" and page.fields.keys() & {"Total"}:
        return _named(random, page)
    if kind == "table" or random.random() < 0.2:
        count = len(rows) - (kind == "table")
        be = "is" if count == 1 else "are"
        return Question(f"How many {noun}s are there?", f"{page.says} There {be} {_count(count, noun)}.", str(count))
    index = random.randrange(min(len(rows), len(ORDER)))
    which = "last" if index == len(rows) - 1 else ORDER[index]
    return Question(
        f"What does the {which} {noun} say?", f"{page.says} I read its {which} {noun}.", " ".join(rows[index])
    )


def _schema(random: Random, page: Page) -> Question:
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
    terms, data = [], {}
    for label in labels:
        value = page.fields[label][1] if label in page.fields and label not in missing else None
        number = isinstance(value, (int, float)) or (value is None and label in SUMS)
        key = label.lower().replace(" ", "_")
        terms.append(f"{key} number" if number else key)
        data[key] = value
    if listed and page.items:
        key, items = page.items
        parts = [f"{name} number" if isinstance(value, (int, float)) else name for name, value in items[0].items()]
        terms.append(f"{key}[{', '.join(parts)}]")
        data[key] = items
    absent = f" It gives no {spoken(missing[0])}." if missing else ""
    return Question(SCHEMA.format(fields=", ".join(terms)), page.says + absent, json.dumps(data))


# --- how well a page was read


def edits(a: str, b: str) -> int:
    """Levenshtein distance: the fewest characters to insert, delete or replace."""
    codes = np.array([ord(c) for c in b], dtype=np.int64)
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for i, c in enumerate(a, 1):
        # From above and from the corner; then from the left, as a running minimum.
        best = np.concatenate([[i], np.minimum(row[1:] + 1, row[:-1] + (codes != ord(c)))])
        row = np.minimum.accumulate(best - steps) + steps
    return int(row[-1])


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every scalar of decoded JSON by its path; an empty list or object counts as one."""
    if isinstance(value, (dict, list)) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, inner in pairs for k, v in leaves(inner, f"{path}/{key}").items()}
    return {path: value}


def score(expected_answer: str, given_answer: str) -> dict[str, float]:
    """How well a page was read; sum the counts over pages.

    Where the expected answer is a JSON object: `fields` its scalars, `right` those given exactly (numbers by value);
    fields too many count as wrong ones; `readable` 0 where the answer is no JSON object. For any other answer: `fields`
    1, `right` 1 if the texts are the same, and `edits` of `characters` (their quotient is the character error rate).
    """
    try:
        expected = json.loads(expected_answer)
    except ValueError:
        expected = None
    if not isinstance(expected, dict):
        same = float(expected_answer == given_answer)
        wrong = float(edits(expected_answer, given_answer))
        return {
            "readable": 1.0,
            "fields": 1.0,
            "right": same,
            "edits": wrong,
            "characters": float(len(expected_answer)),
        }
    try:
        given = json.loads(given_answer)
    except ValueError:
        given = None
    want, got = leaves(expected), leaves(given) if isinstance(given, dict) else {}
    right = sum(path in got and type_blind(got[path]) == type_blind(value) for path, value in want.items())
    total = len(want) + sum(path not in want for path in got)
    return {"readable": float(isinstance(given, dict)), "fields": float(total), "right": float(right)}


def type_blind(value: Any) -> Any:
    """12 and 12.0 are one number; True is not 1."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else (type(value), value)
