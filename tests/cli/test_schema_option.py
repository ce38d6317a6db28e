"""`--schema`: what can be given, what comes out, and the second chance of an engine that cannot mask."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ernie_cli.messages import Answer, Finish, Text

from .conftest import FINISH, FakeEngine

Ernie = Callable[..., Result]
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "total": {"type": "number"}},
    "required": ["name", "total"],
}
GOOD = '{"name": "Ida", "total": 2.5}'


def asked_text(fake: FakeEngine, turn: int = 0) -> str:
    part = fake.asked[turn][0][-1].parts[-1]
    assert isinstance(part, Text)
    return part.text


@pytest.mark.parametrize("how", ["inline", "file", "short"])
def test_a_schema_is_sent_and_the_data_come_back(ernie: Ernie, fake: FakeEngine, tmp_path: Path, how: str) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    given = {"inline": json.dumps(SCHEMA), "file": path, "short": "name, total number"}[how]
    fake.queue = [[Answer(GOOD), FINISH]]
    result = ernie("ask", "What was paid?", "--schema", given, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["data"] == {"name": "Ida", "total": 2.5}
    schema = fake.asked[0][1].schema
    assert schema is not None
    assert set(schema["properties"]) == {"name", "total"}
    assert asked_text(fake).startswith("What was paid?\nAnswer with JSON only")


def test_without_json_the_answer_itself_is_printed(ernie: Ernie, fake: FakeEngine) -> None:
    fake.queue = [[Answer(GOOD), FINISH]]
    assert ernie("ask", "q", "--schema", "name, total number").stdout == f"{GOOD}\n"


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('"red"', "red"),
        ("7", 7),
        ('{"note": "<think>a</think> [1]"}', {"note": "<think>a</think> [1]"}),
        ("1" * 30, int("1" * 30)),
    ],
)
def test_json_that_is_right_is_taken_as_it_is(ernie: Ernie, fake: FakeEngine, answer: str, value: object) -> None:
    fake.queue = [[Answer(answer), FINISH]]
    result = ernie("ask", "q", "--schema", "{}", "--json")
    assert json.loads(result.stdout)["data"] == value


@pytest.mark.parametrize("schema", ["{", "[1]", '{"type": "nonsense"}', "name nonsense", "nothing.json", "a,,b"])
def test_what_is_no_schema_is_a_usage_error(ernie: Ernie, fake: FakeEngine, schema: str) -> None:
    result = ernie("ask", "q", "--schema", schema)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert fake.asked == []


def test_an_engine_that_cannot_mask_gets_one_more_chance(ernie: Ernie, fake: FakeEngine) -> None:
    fake.can_mask = False
    fake.queue = [[Answer('{"name": "Ida"}'), FINISH], [Answer(f"```json\n{GOOD}\n```"), FINISH]]
    result = ernie("ask", "q", "--schema", json.dumps(SCHEMA), "--json")
    assert json.loads(result.stdout)["data"] == {"name": "Ida", "total": 2.5}
    assert "Asking once more" in result.stderr
    assert "'total' is a required property" in asked_text(fake, 1)
    assert len(fake.asked[1][0]) == 3


def test_two_unusable_answers_exit_5(ernie: Ernie, fake: FakeEngine) -> None:
    fake.can_mask = False
    fake.queue = [[Answer("I cannot say."), FINISH], [Answer("Really not."), FINISH]]
    result = ernie("ask", "q", "--schema", json.dumps(SCHEMA))
    assert (result.exit_code, result.stdout) == (5, "")


def test_a_cut_off_answer_is_not_repaired(ernie: Ernie, fake: FakeEngine) -> None:
    fake.queue = [[Answer('{"name": "I'), Finish("length", "fake")]]
    result = ernie("ask", "q", "--schema", json.dumps(SCHEMA), "--json")
    assert result.exit_code == 6
    assert json.loads(result.stdout)["data"] is None


def test_a_number_too_large_for_json_is_not_printed_as_infinity(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    fake.queue = [[Answer('{"name": "Ida", "total": 1e999}'), FINISH]]
    printed = ernie("ask", "q", "--schema", "name, total number", "--json").stdout
    assert json.loads(printed)["data"] == {"name": "Ida", "total": None}
    fake.queue = [[Answer('{"total": 1e999}'), FINISH]]
    assert ernie("doc", picture, "--schema", "total number").stdout == '{"total": null}\n'
