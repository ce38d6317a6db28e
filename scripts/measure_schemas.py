"""How often answers fit their JSON Schema, with and without the mask: `python scripts/measure_schemas.py`.

Schemas are drawn from a seed; the model is asked at a high temperature, where it left to itself writes anything. An
answer counts as cut off, not as wrong, only where the token limit ended it before the JSON could be closed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from random import Random
from typing import Any

import jsonschema

from ernie_cli.engines import Options
from ernie_cli.engines.local import LocalEngine
from ernie_cli.messages import Answer, Finish, user
from ernie_cli.runtime.checkpoint import NANO, find

NAMES = ["name", "total", "date", "items", "color", "count", "box", "label", "a b", "größe", "x1", "note", "日期"]


def random_schema(random: Random, depth: int = 3) -> dict[str, Any]:
    """An object schema of nested objects, lists, choices and bounded values."""
    names = random.sample(NAMES, random.randint(1, 4))
    properties = {name: _value(random, depth - 1) for name in names}
    required = [name for name in names if random.random() < 0.7]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _value(random: Random, depth: int) -> dict[str, Any]:
    low, least = random.randint(-50, 50), random.randint(0, 2)
    choices = ["red", "green", "blue", 1, 2.5, None, True, 'a "quoted" one']
    kinds: list[Callable[[], dict[str, Any]]] = [
        lambda: {"type": "string"},
        lambda: {"type": "string", "maxLength": random.randint(1, 30)},
        lambda: {"type": "integer", "minimum": low, "maximum": low + random.randint(0, 1000)},
        lambda: {"type": "number"},
        lambda: {"type": "boolean"},
        lambda: {"enum": random.sample(choices, 3)},
        lambda: {"const": random.choice(["yes", 7, None])},
        lambda: {"anyOf": [{"type": "string", "maxLength": 8}, {"type": "null"}]},
    ]
    if depth > 0:
        kinds += [lambda: random_schema(random, depth), lambda: _list(random, depth - 1, least)] * 2
    return random.choice(kinds)()


def _list(random: Random, depth: int, least: int) -> dict[str, Any]:
    most = least + random.randint(0, 3)
    return {"type": "array", "items": _value(random, depth), "minItems": least, "maxItems": most}


def outcome(engine: LocalEngine, schema: dict[str, Any], *, masked: bool, seed: int, tokens: int) -> str:
    """`valid`, `cut off` or `invalid`, for one answer at temperature 1.5."""
    options = Options(
        temperature=1.5, top_p=1.0, seed=seed, max_tokens=tokens, think_budget=20, schema=schema if masked else None
    )
    events = list(engine.stream([user(f"Answer with JSON only: {json.dumps(schema)}")], options))
    answer = "".join(event.text for event in events if isinstance(event, Answer))
    finish = events[-1]
    assert isinstance(finish, Finish)
    try:
        jsonschema.validate(json.loads(answer), schema)
    except (ValueError, jsonschema.ValidationError):
        return "cut off" if finish.reason == "length" else "invalid"
    return "valid"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=NANO)
    parser.add_argument("--schemas", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=1000)
    options = parser.parse_args()
    engine = LocalEngine(find(options.model), "cpu")
    for masked in (True, False):
        counts: dict[str, int] = {}
        for seed in range(options.schemas):
            schema = random_schema(Random(seed))
            # Without the mask there is nothing to wait for after a few hundred tokens.
            tokens = options.tokens if masked else min(options.tokens, 200)
            result = outcome(engine, schema, masked=masked, seed=seed, tokens=tokens)
            counts[result] = counts.get(result, 0) + 1
        print(f"{'with' if masked else 'without'} the mask: {counts}", flush=True)


if __name__ == "__main__":
    main()
