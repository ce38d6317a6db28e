"""Pages in front of the model: one at a time, or as many in one conversation as it can hold.

A page alone comes without its number; of several, each is called by it, so that an answer can say where something
stands. What a document itself says stands on a page goes beside the picture as plain text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ernie_cli.messages import Message, Part, Picture, Text, user
from ernie_cli.tasks import doc
from ernie_cli.tasks.fields import short_form


@dataclass(frozen=True)
class Sheet:
    """A page as it is sent: what to call it, its picture if that is sent, and its text layer if that is used."""

    name: str
    picture: Picture | None
    text: str = ""


def about_page(sheet: Sheet, schema: dict[str, Any] | None = None) -> list[Message]:
    """One page, to be written down, or to be read by a schema."""
    return [user(*_parts(sheet), Text(doc.request(schema)))]


def about_pages(sheets: Sequence[Sheet], wanted: str) -> list[Message]:
    """Pages in their order, then what is wanted of them."""
    if len(sheets) == 1:
        return [user(*_parts(sheets[0]), Text(wanted))]
    parts: list[Part] = []
    for sheet in sheets:
        parts += [Text(f"{sheet.name}:\n"), *_parts(sheet)]
    return [user(*parts, Text(wanted))]


def combining(
    question: str | None, answers: Sequence[tuple[str, str]], schema: dict[str, Any] | None = None
) -> list[Message]:
    """What was answered about each part of a document, by the part's name, to be made one answer."""
    told = "\n\n".join(f"{name}:\n{answer}" for name, answer in answers)
    return [
        user(
            f"The pages of a document were read in parts. This is what was answered about each part.\n\n{told}\n\n"
            f"Make one answer about all of the document of them.\n{request(question, schema)}"
        )
    ]


def request(question: str | None, schema: dict[str, Any] | None) -> str:
    """A question, a schema, or both, in words."""
    if schema is None:
        return question or doc.request()
    if not question:
        return doc.request(schema)
    form = short_form(schema) or json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"{question}\nAnswer with JSON only, with these fields: {form}."


def _parts(sheet: Sheet) -> list[Part]:
    parts: list[Part] = [] if sheet.picture is None else [sheet.picture]
    if sheet.text:
        parts.append(Text(f"The text layer of the page:\n{sheet.text}\n\n"))
    return parts


def packed(sheets: Iterable[tuple[Sheet, int]], room: int) -> Iterator[tuple[list[Sheet], bool]]:
    """Pages, each with the tokens it takes, in lists that fit into one conversation of `room` tokens; in order.

    With each list comes whether it is the last; no page beyond the next one is asked for before a list is done with. A
    page that has no room even alone gets a list of its own.
    """
    held: list[Sheet] = []
    used = 0
    for sheet, cost in sheets:
        if held and used + cost > room:
            yield held, False
            held, used = [], 0
        held.append(sheet)
        used += cost
    if held:
        yield held, True
