"""Reading documents: a page as Markdown, or its fields as data by a schema.

The fields are asked for in the short form of their schema where it has one (see `fields`), else by the schema as JSON.
Data has the fields of the schema in its order; null means: not on the page. Whatever does not fit the schema is told
as a problem.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict

from ernie_cli.errors import AnswerError
from ernie_cli.tasks.chart import number
from ernie_cli.tasks.denial import says_nothing
from ernie_cli.tasks.fields import short_form, type_of, without_null
from ernie_cli.tasks.json_text import Found, find_json, is_cut, unwrap
from ernie_cli.tasks.reading import CUT_HINT, Reading, unreadable

_FENCE = re.compile(r"^\s*(```|~~~)\s*(\w*)\s*$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_BLANK = re.compile(r"\W*(?:(?:this|the)\s+)?(?:page\s+is\s+)?(?:blank|empty|no\s+text)(?:\s+page)?\W*", re.IGNORECASE)


class Page(BaseModel):
    """The text of a page."""

    model_config = ConfigDict(frozen=True)

    markdown: str


class DocData(BaseModel):
    """The fields of a document as the schema orders them; each problem is one sentence that names its field."""

    model_config = ConfigDict(frozen=True)

    data: dict[str, Any]
    problems: tuple[str, ...] = ()


def request(schema: dict[str, Any] | None = None) -> str:
    """The text behind the picture: for Markdown, or for the fields of a schema (an object)."""
    if schema is None:
        return "Write the text of this page as Markdown."
    form = short_form(schema) or json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Read these fields: {form}. Answer with JSON only."


# ------------------------------------------------------------------------------------------------ a page


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


# ------------------------------------------------------------------------------------------------ data


def read_data(answer: str, schema: dict[str, Any]) -> Reading[DocData]:
    """The data of an answer by an object schema, with what does not fit it as problems.

    Numbers written as text become numbers where the schema wants them, choices take its spelling. A field that is
    missing becomes null, but not if the answer was cut off: then it is absent, since nobody knows. No item if every
    field is empty. Checked are types, choices, required and unknown fields, not patterns, bounds or references.
    Raises `AnswerError` where the answer cannot be read.
    """
    found = find_json(answer, lambda value: _object_of(value, schema) is not None)
    data = _object_of(found.value, schema) if found else None
    if found and not data and not found.complete:
        raise AnswerError("The answer was cut off before its first field was complete.", CUT_HINT)
    if found and data is not None:
        return _checked(data, schema, found)
    if says_nothing(answer):
        return Reading(())
    raise unreadable(answer, "field")


def _checked(data: dict[str, Any], schema: dict[str, Any], found: Found) -> Reading[DocData]:
    problems: list[str] = []
    fitted = _fit_object(data, schema, "", problems)
    if found.complete and _empty(fitted):
        return Reading((), notes=found.notes)
    return Reading((DocData(data=fitted, problems=tuple(problems)),), found.complete, 0, found.notes)


def _object_of(value: Any, schema: dict[str, Any]) -> dict[str, Any] | None:
    """The object that holds the fields: the value, or what is alone in it under another name or in a list."""
    if isinstance(value, list) and len(value) == 1:
        return _object_of(value[0], schema)
    if not isinstance(value, dict):
        return None
    names = {_plain(name) for name in schema.get("properties", {})}
    if not value or not names or names & {_plain(name) for name in value}:
        return value
    inner = [one for one in value.values() if isinstance(one, dict)]
    return _object_of(inner[0], schema) if len(inner) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"[\s-]", "_", name.strip().lower())


def _empty(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(_empty, value.values() if isinstance(value, dict) else value))
    return value in (None, "")


def _fit_object(data: dict[str, Any], schema: dict[str, Any], path: str, problems: list[str]) -> dict[str, Any]:
    """The fields that the schema knows, in its order; in `data` that was cut off, a missing field stays missing."""
    given = {_plain(name): value for name, value in data.items()}
    fitted: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        where = f"{path}{name}"
        if _plain(name) in given:
            fitted[name] = _fit(given.pop(_plain(name)), field, where, problems)
        elif is_cut(data):
            problems.append(f"{where}: the answer was cut off before it.")
        elif name in schema.get("required", ()):
            fitted[name] = None
            problems.append(f"{where}: missing in the answer.")
    unknown = {name: value for name, value in data.items() if _plain(name) in given}
    if schema.get("additionalProperties") is not False:
        return {**fitted, **unknown}
    problems += [f"{path}{name}: not asked for, left out." for name in unknown]
    return fitted


def _fit(value: Any, schema: Any, where: str, problems: list[str]) -> Any:
    """A value as its schema wants it, or as it is with a problem told."""
    nullable = isinstance(schema, dict) and (without_null(schema) is not schema or "null" in (schema.get("type") or ()))
    schema = without_null(schema) if isinstance(schema, dict) else {}
    kind = type_of(schema)
    if kind == "object" and isinstance(value, dict):
        return _fit_object(value, schema, f"{where}.", problems)
    if kind == "array" and isinstance(value, list):
        whole = [one for one in value if not is_cut(one)]
        return [_fit(one, schema.get("items", {}), f"{where}[{at}]", problems) for at, one in enumerate(whole)]
    fitted = _fit_scalar(value, kind)
    if kind and not _is_a(fitted, kind) and not (fitted is None and nullable):
        problems.append(f"{where}: {json.dumps(value, ensure_ascii=False)} is no {kind}.")
    if "enum" in schema and fitted not in schema["enum"]:
        same = [one for one in schema["enum"] if str(one).lower() == str(fitted).strip().lower()]
        fitted = same[0] if same else fitted
        problems += [] if same else [f"{where}: {json.dumps(fitted, ensure_ascii=False)} is none of the choices."]
    if schema.get("format") == "date" and isinstance(fitted, str) and not _DATE.fullmatch(fitted):
        problems.append(f"{where}: {fitted!r} is not written as YYYY-MM-DD.")
    return fitted


def _fit_scalar(value: Any, kind: str) -> Any:
    """A scalar turned into what the schema wants where that is certain."""
    if kind == "string":
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(value, str) and kind in ("number", "integer", "boolean"):
        word = value.strip().lower()
        if word in ("", "-", "null", "none", "n/a"):
            return None
        if kind == "boolean":
            return {"true": True, "yes": True, "false": False, "no": False}.get(word, value)
        value = value if (as_number := number(value)) is None else as_number
    return int(value) if kind == "integer" and isinstance(value, float) and value.is_integer() else value


def _is_a(value: Any, kind: str) -> bool:
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": int | float, "boolean": bool}
    kinds |= {"object": dict, "array": list}
    return isinstance(value, kinds.get(kind, object)) and (kind == "boolean" or not isinstance(value, bool))
