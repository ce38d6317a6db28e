"""Data that says on which page it stands: `source: {page}` in every object of a schema, however deep."""

from __future__ import annotations

from typing import Any

from ernie_cli.errors import UsageError
from ernie_cli.tasks.fields import type_of, without_null

KEY = "source"


def with_sources(schema: dict[str, Any], pages: int) -> dict[str, Any]:
    """The schema with a `source` for each object in it; the page is one of 1 to `pages`, or null.

    Raises UsageError for a schema that has a field of that name, or whose top is no object.
    """
    if type_of(schema) != "object":
        raise UsageError("--source needs a schema of an object.", 'Put {"type": "object"} around the fields.')
    return _sourced(schema, pages)


def _sourced(schema: dict[str, Any], pages: int) -> dict[str, Any]:
    if KEY in schema.get("properties", {}):
        raise UsageError(f"The schema has a field {KEY} of its own.", "Leave --source out, or rename the field.")
    fields = {name: _inside(field, pages) for name, field in schema.get("properties", {}).items()}
    page = {"type": ["integer", "null"], "minimum": 1, "maximum": pages}
    source = {"type": "object", "properties": {"page": page}, "required": ["page"], "additionalProperties": False}
    return {**schema, "properties": {**fields, KEY: source}, "required": [*schema.get("required", ()), KEY]}


def _inside(schema: Any, pages: int) -> Any:
    inner = without_null(schema)
    if type_of(inner) == "object":
        found = _sourced(inner, pages)
        return found if inner is schema else {"anyOf": [found, {"type": "null"}]}
    if type_of(inner) == "array" and type_of(without_null(inner.get("items"))) == "object":
        return {**inner, "items": _sourced(without_null(inner["items"]), pages)}
    return schema


def stamped(data: Any, schema: dict[str, Any], page: int) -> Any:
    """Data of one page with the `source` that `with_sources` describes, for a page that is known."""
    if not isinstance(data, dict):
        return data
    fields = {}
    for name, value in data.items():
        field = without_null(schema.get("properties", {}).get(name, {}))
        inner = without_null(field.get("items")) if type_of(field) == "array" else None
        listed = isinstance(value, list) and type_of(inner) == "object"
        fields[name] = [stamped(one, inner or {}, page) for one in value] if listed else value
        if type_of(field) == "object":
            fields[name] = stamped(value, field, page)
    return {**fields, KEY: {"page": page}}
