"""JSON by construction: what the mask lets through fits the schema, and an answer can be brought to its end."""

from __future__ import annotations

import json
from random import Random

import jsonschema
import numpy as np
import pytest
from llguidance import LLTokenizer

from ernie_cli.engines.local import LocalEngine
from ernie_cli.errors import UsageError
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.constraint import JsonConstraint, compile_vocabulary
from scripts.measure_schemas import outcome, random_schema


@pytest.fixture(scope="module")
def vocabulary(nano: Checkpoint) -> LLTokenizer:
    return compile_vocabulary(nano.tokenizer, nano.stop_ids)


def written(nano: Checkpoint, constraint: JsonConstraint, random: Random, free: int) -> str:
    """What comes out if `free` tokens are drawn blindly from those allowed, and the rest from those that close."""
    tokens: list[int] = []
    while not constraint.finished:
        allowed = constraint.allowed() if len(tokens) < free else constraint.closing()
        token = int(random.choice(np.flatnonzero(allowed)))
        if token in nano.stop_ids:
            break
        constraint.push(token)
        tokens.append(token)
        assert len(tokens) < free + 500, "closing does not come to an end"
    return nano.tokenizer.decode(tokens)


@pytest.mark.parametrize("seed", range(40))
def test_blind_draws_fit_the_schema_and_come_to_an_end(nano: Checkpoint, vocabulary: LLTokenizer, seed: int) -> None:
    schema = random_schema(Random(seed))
    constraint = JsonConstraint(vocabulary, nano.tokenizer, schema)
    text = written(nano, constraint, Random(seed), free=60)
    jsonschema.validate(json.loads(text), schema)


@pytest.mark.parametrize("seed", range(10))
def test_nano_at_a_high_temperature_fits_the_schema(engine: LocalEngine, seed: int) -> None:
    assert outcome(engine, random_schema(Random(seed)), masked=True, seed=seed, tokens=400) == "valid"


def test_control_tokens_never_come_inside_json(nano: Checkpoint, vocabulary: LLTokenizer) -> None:
    constraint = JsonConstraint(vocabulary, nano.tokenizer, {"type": "string"})
    constraint.push(next(id for id in range(len(nano.tokenizer)) if nano.tokenizer.bytes_of(id) == b'"'))
    allowed = constraint.allowed()
    assert not any(allowed[id] for id in nano.tokenizer.control.values())
    assert allowed.sum() > 1000


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"type": "object", "properties": 3}])
def test_a_schema_that_is_none_is_a_usage_error(
    nano: Checkpoint, vocabulary: LLTokenizer, schema: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        JsonConstraint(vocabulary, nano.tokenizer, schema)
