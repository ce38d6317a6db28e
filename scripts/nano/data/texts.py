"""What is printed: words, names, codes, dates, sums of money and whole lines, many of them made up.

All is drawn at random, and much of it is no word of any language, so that it must be read and cannot be guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from data.words import CITIES, DAYS, FIRST_NAMES, GOODS, LAST_NAMES, MONTHS, PROSE


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


PRINTED = "".join(map(chr, range(33, 127))) + "•"


def filled(random: Random, columns: int) -> str:
    """As much as `columns` characters hold, a fourth of it with all characters alike: most are rare in other print."""
    kinds = (lambda r: _letters(r, 1, 7, PRINTED), code, made_up, lambda r: sentence(r, 16))
    text = ""
    while True:
        word = random.choice(kinds)(random)
        if len(text) + 1 + len(word) > columns:
            return text or word[: max(1, columns)]
        text = f"{text} {word}".strip()
