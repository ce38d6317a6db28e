"""Whether the figures of extracted data add up.

Only what a bill says by itself is checked: the amounts of its items against the subtotal or total, and the subtotal
with what is put on it against the total. A figure that is missing, or that could mean two things, is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

Figures: TypeAlias = dict[str, float]

_AMOUNTS = ("amount", "line_total", "total", "total_price", "price", "sum", "value", "cost", "net")
_PIECES = ("unit_price", "price_per_unit", "price_each", "price")
_COUNTS = ("quantity", "qty", "count", "units")
_SUBTOTALS = ("subtotal", "sub_total", "net_total", "net_amount", "total_net", "sum")
_TOTALS = ("total", "grand_total", "total_amount", "amount_due", "total_due", "gross_total", "total_gross")
_PUT_ON = ("tax", "vat", "sales_tax", "shipping", "delivery", "tip", "fee", "service", "postage", "handling")
_TAKEN_OFF = ("discount", "rebate", "deposit", "credit")


def sum_problems(data: Any, path: str = "") -> list[str]:
    """One sentence for each sum that does not add up, with both numbers."""
    if isinstance(data, list):
        return [problem for at, one in enumerate(data) for problem in sum_problems(one, f"{path}[{at}]")]
    if not isinstance(data, dict):
        return []
    figures = _figures(data)
    problems = [*_items(data, figures, path), *_parts(figures, path)]
    for name, value in data.items():
        problems += sum_problems(value, f"{path}.{name}" if path else str(name))
    return problems


def _figures(data: dict[str, Any]) -> Figures:
    """The numbers of an object by their plain names, but for those that no bill has and a float cannot hold."""
    numbers = {name: value for name, value in data.items() if isinstance(value, int | float) and abs(value) < 1e300}
    return {_plain(name): float(value) for name, value in numbers.items() if not isinstance(value, bool)}


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _first(figures: Figures, names: tuple[str, ...]) -> tuple[str, float] | None:
    return next(((name, figures[name]) for name in names if name in figures), None)


def _items(data: dict[str, Any], figures: Figures, path: str) -> Iterator[str]:
    """Lists of items whose amounts are told as a sum beside them."""
    lists = {name: value for name, value in data.items() if _are_objects(value)}
    told = _first(figures, _SUBTOTALS) or _first(figures, _TOTALS)
    if len(lists) != 1 or told is None:
        return
    ((name, items),) = lists.items()
    amounts = [_amount(_figures(item)) for item in items]
    if any(amount is None for amount in amounts):
        return
    added = sum(amount for amount in amounts if amount is not None)
    # Where only the total is told, what was put on the items belongs to it.
    possible = [added] if told[0] in _SUBTOTALS else [added, added + _around(figures)]
    if not any(_same(one, told[1], len(items)) for one in possible):
        where = f"{path}." if path else ""
        yield f"{where}{name} add up to {_written(added)}, but {where}{told[0]} is {_written(told[1])}."


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _amount(item: Figures) -> float | None:
    """What an item costs in all: a price for one piece counts as often as there are pieces."""
    amount, piece, count = _first(item, _AMOUNTS), _first(item, _PIECES), _first(item, _COUNTS)
    if count and piece and (amount is None or amount[0] == piece[0]):
        return count[1] * piece[1] if amount is None or piece[0] != "price" else None
    return amount[1] if amount else None


def _parts(figures: Figures, path: str) -> Iterator[str]:
    """A subtotal, with what is put on it and taken off, against the total."""
    subtotal, total = _first(figures, _SUBTOTALS[:-1]), _first(figures, _TOTALS)
    if subtotal is None or total is None or not any(name in figures for name in (*_PUT_ON, *_TAKEN_OFF)):
        return
    added = subtotal[1] + _around(figures)
    if not _same(added, total[1], 2):
        where = f"{path}." if path else ""
        parts = [subtotal[0], *(name for name in (*_PUT_ON, *_TAKEN_OFF) if name in figures)]
        names = ", ".join(where + name for name in parts)
        yield f"{names} add up to {_written(added)}, but {where}{total[0]} is {_written(total[1])}."


def _around(figures: Figures) -> float:
    """What is put on a subtotal less what is taken off, whichever sign it is written with."""
    off = sum(abs(figures[name]) for name in _TAKEN_OFF if name in figures)
    return sum(figures[name] for name in _PUT_ON if name in figures) - off


def _same(a: float, b: float, terms: int) -> bool:
    """Each term may have been rounded to a cent."""
    return abs(a - b) < 0.005 * (terms + 1)


def _written(value: float) -> str:
    return f"{value:.2f}".removesuffix(".00")
