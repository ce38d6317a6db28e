"""Pages of printed lines, forms, receipts, invoices, lists and tables: what stands on them, and their pictures.

A `Page` knows its Markdown and what can be asked about it. All that it knows stands on its picture, whole and legible;
sums add up. What is not on the page is in none of its fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from PIL import Image

from data import Letter
from data.ask import NUMBERS
from data.fonts import Block, Style, draw_style, face, print_page
from data.texts import COUNTS, SUMS, TEXTS, code, company, filled, made_up, money, sentence
from data.words import CITIES, DAYS, FIRST_NAMES, GOODS, MEASURES

SMALLEST = 12  # pixels of the smallest print

Value = str | int | float


@dataclass
class Page:
    """What is printed; `fields` maps what can be asked for to the text printed and its value as data."""

    says: str  # "This is a receipt."
    blocks: list[Block]
    fields: dict[str, tuple[str, Value]] = field(default_factory=dict)
    items: tuple[str, list[dict[str, Value]]] | None = None  # `items` or `rows`, and what they hold

    @property
    def markdown(self) -> str:
        return "\n\n".join(block.markdown() for block in self.blocks)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Its lines from the top, in cells."""
        return [row for block in self.blocks for row in block.rows]

    def line(self, label: str) -> int:
        """The line that a field or an item stands on, counted from 0; cells are called as in `weight of apples`."""
        begins = {row[0]: number for number, row in enumerate(self.rows) if len(row) > 1}
        names = (label, f"{label}:", label.partition(" of ")[2])
        return next(begins[name] for name in names if name in begins)


# --- fields, rows and headings


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


def _some(random: Random, least: int, most: int) -> int:
    """A number of lines or rows, rather many than few."""
    return max(random.randint(least, max(least, most)) for _ in range(2))


def counted(number: int, noun: str) -> str:
    return f"{NUMBERS[number] if number < len(NUMBERS) else number} {noun}{'' if number == 1 else 's'}"


def _heading(random: Random, columns: int) -> Block:
    return Block("heading", [(sentence(random, min(columns * 2 // 3, 20)).rstrip(".?!:"),)])


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


# --- kinds of pages; each takes (random, most rows, columns) and uses at least the rows that KINDS says


def _lines(random: Random, rows: int, columns: int) -> Page:
    count = _some(random, 1, min(rows, 6))
    lines = [(sentence(random, columns),) for _ in range(count)]
    split = random.randint(1, count - 1) if count > 2 and random.random() < 0.3 else count
    blocks = [Block("lines", lines[:split])] + ([Block("lines", lines[split:])] if split < count else [])
    title = _heading(random, columns) if count < rows - 1 and random.random() < 0.3 else None
    return Page(f"This page has {counted(count, 'line')} of text.", [*([title] if title else []), *blocks])


def _form(random: Random, rows: int, columns: int) -> Page:
    titled = rows > 2 and random.random() < 0.4
    count = _some(random, 1, min(rows - 2 * titled, 6))
    currency = _currency(random)
    labels = random.sample([*TEXTS, *COUNTS, *SUMS], count)
    fields = {label: _field(random, label, currency) for label in labels}
    block = Block("fields", [(f"{label}:", text) for label, (text, _) in fields.items()])
    blocks = [_heading(random, columns), block] if titled else [block]
    return Page("This is a form.", blocks, fields)


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
    says = "This is a receipt."
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
    return Page(f"This is a list of {counted(count, 'point')}.", blocks)


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
    return Page("This is a table.", blocks, cells, ("rows", items))


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
        return Page("This is an invoice.", blocks, fields | sums)
    table = [("Item", "Price"), *((name, money(cents, currency)) for name, cents in priced)]
    blocks += [Block("table", [*table, ("Total", sums["Total"][0])])]
    items: list[dict[str, Value]] = [{"name": name, "price": cents / 100} for name, cents in priced]
    says = "This is an invoice."
    return Page(says, blocks, fields | sums, ("items", items))


# Kind -> lines it needs at least.
KINDS = {_lines: 1, _form: 1, _list: 2, _table: 2, _receipt: 2, _invoice: 5}


# --- the drawing


def draw_page(random: Random, width: int, height: int, most: int) -> tuple[Page, Image.Image, list[Letter]]:
    """A page of up to about `most` lines, its picture, and where its letters are."""
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
            if printed := print_page(random, page.blocks, style, width, height):
                return page, *printed


def full_page(random: Random, width: int, height: int) -> tuple[Image.Image, list[Letter]]:
    """A page full of print, of which there is nothing to say: its picture, and where its letters are."""
    while True:
        style = draw_style(random, random.randint(SMALLEST, 20))
        style = replace(style, margin=random.randint(1, 8), pitch=round(style.size * random.uniform(1.0, 1.3)))
        rows, columns = int((height - 2 * style.margin) / style.pitch), _columns(style, width)
        lines = [(filled(random, columns - random.randint(0, 3)),) for _ in range(rows)]
        if printed := print_page(random, [Block("lines", lines)], style, width, height):
            return printed


def _columns(style: Style, width: int) -> int:
    """About how many characters a line holds."""
    sample = "the quick brown fox Jumps 4711 times"
    return int((width - 2 * style.margin) / face(style.family, style.size, style.bold).getlength(sample) * len(sample))
