"""Reading documents: a page as Markdown, or its fields as data by a schema.

The short form of a schema names its fields, with a type where it is not text:

    invoice_no, due date, total number, paid boolean, status(paid|open), items[name, price number], tags[], to{city}

`parse_short` and `short_form` are inverses on what the short form covers. Every field is required and may be null, and
null means: not on the page. A schema with more in it (descriptions, patterns, bounds, references) is sent as JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict

from ernie_cli.errors import AnswerError, UsageError
from ernie_cli.tasks.chart import number
from ernie_cli.tasks.reading import CUT_HINT, Found, Reading, find_json, is_cut, says_nothing, unreadable, unwrap

_WORDS = ("number", "integer", "boolean", "date")
_TOKEN = re.compile(r"\s*([\w.-]+|[,\[\]{}]|\([^()]*\))")
_NAME = re.compile(r"[\w.-]+")
_FORM_HINT = "Write fields like: invoice_no, total number, status(paid|open), items[name, price number]."
_FENCE = re.compile(r"^\s*(```|~~~)\s*(\w*)\s*$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_BLANK = re.compile(r"\W*(?:(?:this|the)\s+)?(?:page\s+is\s+)?(?:blank|empty|no\s+text)(?:\s+page)?\W*", re.IGNORECASE)
# What a schema may say without the short form losing anything that the model should know.
_SILENT = {"$schema", "$id", "title", "default", "additionalProperties", "required", "type"}


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


# ------------------------------------------------------------------------------------------------ the short form


def parse_short(text: str) -> dict[str, Any]:
    """The JSON Schema that a short form means; raises `UsageError` where it is none."""
    tokens = [match[1] for match in _TOKEN.finditer(text)]
    if re.sub(r"\s", "", "".join(tokens)) != re.sub(r"\s", "", text):
        raise UsageError(f"The fields cannot be read: {text}", _FORM_HINT)
    schema = _parse_fields(tokens, "")
    if tokens:
        raise UsageError(f"The fields have a stray {tokens[0]!r}.", _FORM_HINT)
    return schema


def _parse_fields(tokens: list[str], close: str) -> dict[str, Any]:
    """An object schema from the front of `tokens`, which are used up until `close`."""
    fields: dict[str, Any] = {}
    while True:
        name = tokens.pop(0) if tokens else ""
        if not _NAME.fullmatch(name) or name in fields:
            raise UsageError(f"The fields need a new name where {name or 'the end'!r} stands.", _FORM_HINT)
        fields[name] = _nullable(_parse_type(tokens))
        if tokens[:1] != [","]:
            break
        tokens.pop(0)
    if close and (not tokens or tokens.pop(0) != close):
        raise UsageError(f"The fields lack a {close!r}.", _FORM_HINT)
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _parse_type(tokens: list[str]) -> dict[str, Any]:
    """What follows a name: nothing, a word, choices in (), a list in [] or an object in {}."""
    token = tokens[0] if tokens else ","
    if token == "[":
        tokens.pop(0)
        if tokens[:1] != ["]"]:
            return {"type": "array", "items": _parse_fields(tokens, "]")}
        tokens.pop(0)
        return {"type": "array", "items": _parse_type(tokens)}
    if token == "{":
        tokens.pop(0)
        return _parse_fields(tokens, "}")
    if token.startswith("("):
        choices = [choice.strip() for choice in tokens.pop(0)[1:-1].split("|")]
        if not all(choices):
            raise UsageError("A choice in the fields is empty.", _FORM_HINT)
        return {"type": "string", "enum": choices}
    if _NAME.fullmatch(token):
        if token not in _WORDS:
            raise UsageError(
                f"{token!r} is no type; there are {', '.join(_WORDS)}, and text without a word.", _FORM_HINT
            )
        tokens.pop(0)
        return {"type": "string", "format": "date"} if token == "date" else {"type": token}
    return {"type": "string"}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **enum}


def short_form(schema: dict[str, Any]) -> str | None:
    """The short form of an object schema; None where it cannot say all of it.

    It does not tell which fields are required or may be null: schemas looser than those of `parse_short` have one too.
    """
    fields = schema.get("properties")
    if _type(schema) != "object" or not isinstance(fields, dict) or not fields or not _says_only(schema, "properties"):
        return None
    forms = [(name, _short_type(field)) for name, field in fields.items() if _NAME.fullmatch(name)]
    if len(forms) < len(fields) or any(form is None for _, form in forms):
        return None
    return ", ".join(f"{name}{form}" for name, form in forms)


def _short_type(schema: Any) -> str | None:
    """What follows the name of a field of this schema."""
    schema = _without_null(schema)
    kind = _type(schema)
    if kind == "object":
        return f"{{{form}}}" if (form := short_form(schema)) else None
    if kind == "array" and _says_only(schema, "items"):
        return _short_list(schema.get("items"))
    if kind == "string" and _says_only(schema, "enum") and "enum" in schema:
        return _short_choices(schema["enum"])
    if kind == "string" and _says_only(schema, "format"):
        return {"": "", "date": " date"}.get(schema.get("format", ""))
    return f" {kind}" if kind in _WORDS and _says_only(schema) else None


def _short_list(items: Any) -> str | None:
    if _type(_without_null(items)) == "object":
        return f"[{form}]" if (form := short_form(_without_null(items))) else None
    form = _short_type(items)
    return None if form is None else f"[]{form}"


def _short_choices(choices: list[Any]) -> str | None:
    named = [choice for choice in choices if choice is not None]
    plain = all(isinstance(name, str) and name == name.strip() and not re.search(r"[|()]", name) for name in named)
    return f"({'|'.join(named)})" if named and all(named) and plain else None


def _type(schema: Any) -> str:
    """The one type of a schema besides null; empty if it has none or several."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    kinds = [one for one in (kind if isinstance(kind, list) else [kind]) if one != "null"]
    return kinds[0] if len(kinds) == 1 and isinstance(kinds[0], str) else ""


def _without_null(schema: Any) -> Any:
    """The schema inside `anyOf: [schema, null]`, the way pydantic writes what may be null."""
    choices = schema.get("anyOf") if isinstance(schema, dict) else None
    others = [one for one in choices if one != {"type": "null"}] if isinstance(choices, list) else []
    if len(others) == 1 and isinstance(others[0], dict) and set(schema) <= {"anyOf", "title", "default"}:
        return others[0]
    return schema


def _says_only(schema: dict[str, Any], *keys: str) -> bool:
    return set(schema) <= {*_SILENT, *keys}


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
    nullable = isinstance(schema, dict) and (
        _without_null(schema) is not schema or "null" in (schema.get("type") or ())
    )
    schema = _without_null(schema) if isinstance(schema, dict) else {}
    kind = _type(schema)
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
