"""Answers of a shape the caller gives as a JSON Schema: how to ask, how to read, and how to ask again."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from ernie_cli.errors import AnswerError, UsageError
from ernie_cli.messages import Message, Part, Text, user
from ernie_cli.tasks.fields import parse_short, short_form
from ernie_cli.tasks.json_text import find_json


def schema_of(text: str) -> dict[str, Any]:
    """The JSON Schema that a text is: JSON, or the short form `name, total number, items[name, price number]`.

    Raises UsageError for anything else, and for JSON that is no schema.
    """
    if not text.lstrip().startswith(("{", "[")):
        return parse_short(text)
    import jsonschema

    hint = "Give a JSON Schema object, its file, or fields such as: name, total number."
    try:
        schema = json.loads(text)
    except ValueError as broken:
        raise UsageError(f"The schema is not valid JSON: {broken}.", hint) from broken
    if not isinstance(schema, dict):
        raise UsageError("The schema is not a JSON object.", hint)
    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as broken:
        raise UsageError(f"The schema is not a valid JSON Schema: {broken.message}.", hint) from broken
    return schema


def messages(media: Sequence[Part], question: str, schema: dict[str, Any]) -> list[Message]:
    """The conversation to send: the media, the question, and the shape of the answer."""
    form = short_form(schema) or json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return [user(*media, Text(f"{question}\nAnswer with JSON only, with these fields: {form}."))]


def read(answer: str, schema: dict[str, Any]) -> Any:
    """The value the answer holds, if it fits the schema. Raises AnswerError, saying where it does not."""
    import jsonschema

    hint = "Ask again, or with --max-tokens for a longer answer."
    try:
        value = json.loads(answer, parse_float=_finite, parse_constant=_finite)
    except ValueError:
        found = find_json(answer)
        if found is None or not found.complete:
            raise AnswerError("The answer is not complete JSON.", hint) from None
        value = found.value
    checker = jsonschema.validators.validator_for(schema)(schema)
    error = jsonschema.exceptions.best_match(checker.iter_errors(value))
    if error is not None:
        where = "/".join(map(str, error.absolute_path)) or "the top"
        raise AnswerError(f"The answer does not fit the schema: at {where}, {error.message}.", hint)
    return value


def _finite(digits: str) -> float:
    """A number that JSON can say again: 1e999 would come back as Infinity. Raises ValueError."""
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"{digits} is too large")
    return value


def repair(asked: Sequence[Message], answer: str, error: AnswerError) -> list[Message]:
    """The conversation that asks once more, telling what was wrong."""
    again = f"{error.message} Answer again, with the corrected JSON only."
    return [*asked, Message("assistant", (Text(answer),)), user(again)]
