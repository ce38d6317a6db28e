"""The short form of schemas, both ways."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from ernie_cli.errors import UsageError
from ernie_cli.tasks import doc
from ernie_cli.tasks.fields import parse_short, short_form

FORMS = [
    "invoice_no",
    "invoice_no, total number, items[name, price number]",
    "due date, paid boolean, pages integer, status(paid|open|not yet)",
    "to{name, city}, tags[], scores[] number, levels[](low|high), rooms[] integer",
    "a[b[c[d number], e], f{g(h|i), j[] date}], k",
    "number number, date, stra\u00dfe, x-y.z",
]


@pytest.mark.parametrize("form", FORMS)
def test_the_short_form_and_back(form: str) -> None:
    schema = parse_short(form)
    assert short_form(schema) == form
    assert parse_short(short_form(schema) or "") == schema


def test_what_a_short_form_means() -> None:
    assert parse_short(" no , total  number,items[ name ],status( a | b ) ") == {
        "type": "object",
        "properties": {
            "no": {"type": ["string", "null"]},
            "total": {"type": ["number", "null"]},
            "items": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": ["string", "null"]}},
                    "required": ["name"],
                    "additionalProperties": False,
                },
            },
            "status": {"type": ["string", "null"], "enum": ["a", "b", None]},
        },
        "required": ["no", "total", "items", "status"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "form",
    ["", "a,", "a,,b", "a b", "a[b", "a]b", "a[b}", "a, a", "a(b", "a()", "a(b||c)", "a number number", "a;b", "a{}"],
)
def test_bad_short_forms_are_the_users(form: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_short(form)
    assert error.value.hint


def test_a_pydantic_schema_has_a_short_form() -> None:
    class Item(BaseModel):
        name: str
        price: float | None

    class Invoice(BaseModel):
        number: str | None = None
        paid: bool
        status: Literal["open", "paid"]
        tags: list[str]

    assert short_form(Invoice.model_json_schema()) == "number, paid boolean, status(open|paid), tags[]"
    assert short_form(Item.model_json_schema()) == "name, price number"


class Described(BaseModel):
    total: float = Field(description="with tax")


@pytest.mark.parametrize(
    "schema",
    [
        Described.model_json_schema(),
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x"}}},
        {"type": "object", "properties": {"a b": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"type": ["string", "number"]}}},
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "properties": {"a": {"type": "string", "enum": ["x|y"]}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}},
        {"type": "object", "properties": {}},
        {"type": "array", "items": {"type": "string"}},
    ],
)
def test_what_the_short_form_cannot_say_is_sent_as_json(schema: dict[str, Any]) -> None:
    assert short_form(schema) is None
    assert json.loads(doc.request(schema).removeprefix("Read these fields: ").partition(". Answer")[0]) == schema
