"""Figures that add up, that do not, and that nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest

from ernie_cli.tasks.sums import sum_problems

PENS = [{"name": "pen", "price": 2.5}, {"name": "ink", "price": 30}]


@pytest.mark.parametrize(
    "data",
    [
        {"total": 32.5, "items": PENS},
        {"total": 35, "tax": 2.5, "items": PENS},
        {"subtotal": 32.5, "tax": 2.5, "total": 35, "items": PENS},
        {"subtotal": 32.5, "discount": 2.5, "total": 30, "items": PENS},
        {"subtotal": 32.5, "discount": -2.5, "total": 30, "items": PENS},
        {"Grand Total": 32.5, "rows": PENS},
        {"total": 65, "items": [{"qty": 2, "unit price": 2.5}, {"qty": 3, "unit price": 20}]},
        {"total": 65, "items": [{"qty": 2, "unit_price": 2.5, "amount": 5}, {"qty": 3, "amount": 60}]},
        {"total": 10.0, "items": [{"price": 3.333}, {"price": 3.333}, {"price": 3.333}]},
        {"total": 1, "items": [{"name": "no price"}]},
        {"total": 1, "items": [{"price": None}, {"price": 3}]},
        {"total": None, "items": PENS},
        {"total": True, "items": PENS},
        {"total": 1, "items": PENS, "rows": PENS},
        {"total": 1, "items": []},
        {"subtotal": 3, "total": 4},
        None,
        "text",
    ],
)
def test_what_adds_up_or_cannot_be_told(data: Any) -> None:
    assert sum_problems(data) == []


def test_a_sum_that_does_not_add_up_is_told_with_both_numbers() -> None:
    assert sum_problems({"total": 33, "items": PENS}) == ["items add up to 32.50, but total is 33."]
    assert sum_problems({"subtotal": 32.5, "tax": 2, "total": 35}) == [
        "subtotal, tax add up to 34.50, but total is 35."
    ]


def test_sums_inside_are_checked_too() -> None:
    assert sum_problems({"bills": [{"total": 32.5, "items": PENS}, {"total": 3, "items": PENS}]}) == [
        "bills[1].items add up to 32.50, but bills[1].total is 3."
    ]


@pytest.mark.parametrize("much", [10**400, float("inf")])
def test_a_number_that_is_none_of_a_bill_is_not_checked(much: float) -> None:
    assert sum_problems({"total": much, "items": PENS}) == []
