"""The fields of an answer in their short form, and the JSON Schema that it means.

The short form of a schema names its fields, with a type where it is not text:

    invoice_no, due date, total number, paid boolean, status(paid|open), items[name, price number], tags[], to{city}

`parse_short` and `short_form` are inverses on what the short form covers. Every field is required and may be null. A
schema with more in it (descriptions, patterns, bounds, references) has no short form.
"""

from __future__ import annotations

import re
from typing import Any

from ernie_cli.errors import UsageError

_WORDS = ("number", "integer", "boolean", "date")
_TOKEN = re.compile(r"\s*([\w.-]+|[,\[\]{}]|\([^()]*\))")
_NAME = re.compile(r"[\w.-]+")
_FORM_HINT = "Write fields like: invoice_no, total number, status(paid|open), items[name, price number]."
# What a schema may say without the short form losing anything that the model should know.
_SILENT = {"$schema", "$id", "title", "default", "additionalProperties", "required", "type"}


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
    if (
        type_of(schema) != "object"
        or not isinstance(fields, dict)
        or not fields
        or not _says_only(schema, "properties")
    ):
        return None
    forms = [(name, _short_type(field)) for name, field in fields.items() if _NAME.fullmatch(name)]
    if len(forms) < len(fields) or any(form is None for _, form in forms):
        return None
    return ", ".join(f"{name}{form}" for name, form in forms)


def _short_type(schema: Any) -> str | None:
    """What follows the name of a field of this schema."""
    schema = without_null(schema)
    kind = type_of(schema)
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
    if type_of(without_null(items)) == "object":
        return f"[{form}]" if (form := short_form(without_null(items))) else None
    form = _short_type(items)
    return None if form is None else f"[]{form}"


def _short_choices(choices: list[Any]) -> str | None:
    named = [choice for choice in choices if choice is not None]
    plain = all(isinstance(name, str) and name == name.strip() and not re.search(r"[|()]", name) for name in named)
    return f"({'|'.join(named)})" if named and all(named) and plain else None


def type_of(schema: Any) -> str:
    """The one type of a schema besides null; empty if it has none or several."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    kinds = [one for one in (kind if isinstance(kind, list) else [kind]) if one != "null"]
    return kinds[0] if len(kinds) == 1 and isinstance(kinds[0], str) else ""


def without_null(schema: Any) -> Any:
    """The schema inside `anyOf: [schema, null]`, the way pydantic writes what may be null."""
    choices = schema.get("anyOf") if isinstance(schema, dict) else None
    others = [one for one in choices if one != {"type": "null"}] if isinstance(choices, list) else []
    if len(others) == 1 and isinstance(others[0], dict) and set(schema) <= {"anyOf", "title", "default"}:
        return others[0]
    return schema


def _says_only(schema: dict[str, Any], *keys: str) -> bool:
    return set(schema) <= {*_SILENT, *keys}
