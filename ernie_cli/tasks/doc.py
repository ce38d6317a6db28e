"""Documents: how to ask for a page as Markdown, or for its fields by a schema; and the Markdown of an answer.

The fields are asked for in the short form of their schema where it has one (see `fields`), else by the schema as JSON.
An answer with fields is read by `structured`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict

from ernie_cli.errors import AnswerError
from ernie_cli.tasks.fields import short_form
from ernie_cli.tasks.json_text import unwrap
from ernie_cli.tasks.reading import CUT_HINT, Reading, unreadable

_FENCE = re.compile(r"^\s*(```|~~~)\s*(\w*)\s*$")
_BLANK = re.compile(r"\W*(?:(?:this|the)\s+)?(?:page\s+is\s+)?(?:blank|empty|no\s+text)(?:\s+page)?\W*", re.IGNORECASE)


class Page(BaseModel):
    """The text of a page."""

    model_config = ConfigDict(frozen=True)

    markdown: str


def request(schema: dict[str, Any] | None = None) -> str:
    """The text behind the picture: for Markdown, or for the fields of a schema (an object)."""
    if schema is None:
        return "Write the text of this page as Markdown."
    form = short_form(schema) or json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Read these fields: {form}. Answer with JSON only."


def read(answer: str) -> Reading[Page]:
    """The page of an answer, without a fence and a remark around it; no item for a page that is said to be blank.

    Not complete if its fence was opened and never closed. Raises `AnswerError` for an empty answer.
    """
    text = unwrap(answer)
    if not text:
        raise unreadable(text, "text")
    markdown, complete, notes = _unfenced(text)
    if not markdown and not complete:
        raise AnswerError("The answer was cut off before the first line of the page.", CUT_HINT)
    if not markdown or _BLANK.fullmatch(markdown):
        return Reading(())
    return Reading((Page(markdown=markdown),), complete, 0, notes)


def _unfenced(text: str) -> tuple[str, bool, tuple[str, ...]]:
    """The Markdown inside the fence around all of an answer; fences of the page itself stay."""
    lines = text.splitlines()
    fences = [at for at, line in enumerate(lines) if _FENCE.match(line) or line.strip() in ("```", "~~~")]
    if not fences or fences[0] > 2:
        return text, True, ()
    first = fences[0]
    language = _FENCE.match(lines[first])
    named = language is not None and language[2].lower() in ("markdown", "md")
    wraps = named or (first == 0 and language is not None and not language[2] and len(fences) <= 2)
    if not wraps:
        return text, True, ()
    closed = len(fences) % 2 == 0
    if not named and closed and any(line.strip() for line in lines[fences[-1] + 1 :]):
        return text, True, ()  # a page that starts with a block of code
    body = lines[first + 1 : fences[-1] if closed else None]
    around = [line for line in lines[:first] + (lines[fences[-1] + 1 :] if closed else []) if line.strip()]
    notes = ("Words around the page were left out.",) if around else ()
    return "\n".join(body).strip(), closed, notes
