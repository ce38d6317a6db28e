"""Pages before the model: how they are called, and how many go into one conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from PIL import Image

from ernie_cli.errors import UsageError
from ernie_cli.messages import Picture, Text
from ernie_cli.tasks import pages
from ernie_cli.tasks.fields import parse_short
from ernie_cli.tasks.pages import Sheet
from ernie_cli.tasks.sourced import stamped, with_sources

SHEETS = [Sheet(f"Page {at}", Picture(Image.new("RGB", (28, 28))), f"text {at}" if at == 2 else "") for at in (1, 2, 3)]


def texts(message: Any) -> list[str]:
    return [part.text if isinstance(part, Text) else "<picture>" for part in message.parts]


def test_a_page_alone_comes_as_in_training() -> None:
    (message,) = pages.about_page(SHEETS[0])
    assert texts(message) == ["<picture>", "Write the text of this page as Markdown."]


def test_a_text_layer_stands_behind_its_picture_or_alone() -> None:
    (message,) = pages.about_page(SHEETS[1], parse_short("total number"))
    layer = "The text layer of the page:\ntext 2\n\n"
    assert texts(message) == ["<picture>", layer, "Read these fields: total number. Answer with JSON only."]
    (message,) = pages.about_page(Sheet("Page 2", None, "text 2"))
    assert texts(message)[0] == layer


def test_several_pages_are_called_by_their_numbers() -> None:
    (message,) = pages.about_pages(SHEETS[:2], "What is it?")
    layer = "The text layer of the page:\ntext 2\n\n"
    assert texts(message) == ["Page 1:\n", "<picture>", "Page 2:\n", "<picture>", layer, "What is it?"]


@pytest.mark.parametrize(
    ("costs", "room", "lists"),
    [
        ([3, 3, 3], 9, ["012"]),
        ([3, 3, 3], 8, ["01", "2"]),
        ([3, 9, 3], 8, ["0", "1", "2"]),
        ([9], 8, ["0"]),
        ([], 8, []),
        ([1, 1, 1, 1, 1], 2, ["01", "23", "4"]),
    ],
)
def test_as_many_pages_as_fit(costs: list[int], room: int, lists: list[str]) -> None:
    sheets = [(Sheet(str(at), None), cost) for at, cost in enumerate(costs)]
    found = list(pages.packed(sheets, room))
    assert ["".join(sheet.name for sheet in held) for held, _ in found] == lists
    assert [last for _, last in found] == [False] * (len(lists) - 1) + [True] * bool(lists)


def test_no_page_is_drawn_long_before_it_is_sent() -> None:
    drawn = []

    def draw() -> Iterator[tuple[Sheet, int]]:
        for at in range(6):
            drawn.append(at)
            yield Sheet(str(at), None), 1

    for held, _ in pages.packed(draw(), 2):
        assert drawn[-1] - int(held[0].name) <= 2


def test_the_combining_turn_holds_the_answers_and_the_question() -> None:
    (message,) = pages.combining("When?", [("Page 1 to 2", "in May"), ("Page 3", "unknown")])
    (text,) = texts(message)
    assert "Page 1 to 2:\nin May\n\nPage 3:\nunknown" in text
    assert text.endswith("\nWhen?")


def test_data_with_sources_fits_the_schema_that_asks_for_them() -> None:
    schema = parse_short("total number, items[name, price number], tags[], to{city, at{day}}")
    sourced = with_sources(schema, 7)
    to = {"city": "Ulm", "at": None}
    data = {"total": 1, "items": [{"name": "pen", "price": 1}], "tags": ["a"], "to": to}
    found = stamped(data, schema, 3)
    assert found == {
        "total": 1,
        "items": [{"name": "pen", "price": 1, "source": {"page": 3}}],
        "tags": ["a"],
        "to": {**to, "source": {"page": 3}},
        "source": {"page": 3},
    }
    jsonschema.validate(found, sourced)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(stamped(data, schema, 8), sourced)


@pytest.mark.parametrize(
    "schema", [{"type": "array"}, parse_short("source"), parse_short("items[source, price]"), parse_short("to{source}")]
)
def test_sources_that_cannot_be_had(schema: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        with_sources(schema, 2)
