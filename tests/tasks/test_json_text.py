"""The JSON in what a model wrote: which value counts, and that a cut answer never passes for a whole or empty one."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from ernie_cli.tasks.denial import says_nothing
from ernie_cli.tasks.json_text import CutDict, CutList, find_json, is_cut, unwrap

VALUES: list[Any] = [
    [],
    {},
    [1, -2.5, 1e3, True, False, None],
    {"a": {"b": [1, [2, [3]]]}, "c": "d, e: [f] {g}"},
    ['it\'s "quoted"', "back\\slash", "line\nbreak", "tab\t", "caf\u00e9 \U0001f697 \u6c7d\u8f66"],
    [{"bbox_2d": [1, 2, 3, 4], "label": "//no comment"}, {"bbox_2d": [5, 6, 7, 8], "label": "# none"}],
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_valid_json_is_read_as_the_standard_library_reads_it(value: Any, indent: int | None, ascii_only: bool) -> None:
    found = find_json(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert found is not None
    assert (found.value, found.complete, found.notes) == (value, True, ())


@pytest.mark.parametrize("value", VALUES)
def test_python_literals_are_read_as_python_reads_them(value: Any) -> None:
    found = find_json(repr(value))
    assert found is not None
    assert (found.value, found.complete) == (value, True)


@pytest.mark.parametrize("value", [value for value in VALUES if value])
def test_a_value_cut_anywhere_is_never_whole_and_holds_only_what_was_written(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    for end in range(1, len(text)):
        found = find_json(text[:end])
        assert found is not None, text[:end]
        assert not found.complete, text[:end]
        assert is_prefix(found.value, value), text[:end]


def is_prefix(part: Any, whole: Any) -> bool:
    """Whether a value is the beginning of another: containers may stop early if they say so, scalars are equal."""
    if isinstance(part, list):
        size = len(part) <= len(whole) if isinstance(part, CutList) else len(part) == len(whole)
        return size and all(is_prefix(one, other) for one, other in zip(part, whole, strict=False))
    if isinstance(part, dict):
        keys = list(whole)[: len(part)] if isinstance(part, CutDict) else list(whole)
        return list(part) == keys and all(is_prefix(one, whole[key]) for key, one in part.items())
    return type(part) is type(whole) and part == whole


@pytest.mark.parametrize(
    ("text", "value", "complete"),
    [
        ("[1] and then [2]", [2], True),
        ("[1] and then []", [1], True),
        ("[1] and then [2, ", [1], False),
        ('{"a": 1,, "b": 2,}', {"a": 1, "b": 2}, True),
        ("[1,,3]", [1, None, 3], True),
        ("[NaN, Infinity, -Infinity, 1e999]", [None] * 4, True),
        ("[007, 12.]", ["007", 12.0], True),
        ("{\"a\": True, 'b': None, c: word}", {"a": True, "b": None, "c": "word"}, True),
        ('["\\ud83d lone", "\\ud83d\\ude97"]', ["\ufffd lone", "\U0001f697"], True),
        ('{"path": "C:\\dir\\new"}', {"path": "C:dir\new"}, True),
        ("[[1, 2}, 3]", [[1, 2, 3]], False),
    ],
)
def test_repairs(text: str, value: Any, complete: bool) -> None:
    found = find_json(text)
    assert found is not None
    assert (found.value, found.complete) == (value, complete)


def test_a_repair_is_told() -> None:
    found = find_json("[1, 2,]")
    assert found is not None
    assert found.notes == ("The JSON was not valid and was repaired.",)


def test_no_json() -> None:
    assert find_json("Nothing [in brackets that is] JSON, and no {either}.") is None


def test_only_what_fits_counts() -> None:
    found = find_json('{"a": 1} {"b": 2}', lambda value: "a" in value)
    assert found is not None
    assert (found.value, found.complete) == ({"a": 1}, True)


def test_single_items_are_joined_but_a_list_wins_over_them() -> None:
    single = lambda value: isinstance(value, dict)  # noqa: E731
    joined = find_json('First {"a": 1}, then {"a": 2}', single=single)
    listed = find_json('[{"a": 1}, {"a": 2}], that is {"a": 1} and one more', single=single)
    assert joined is not None
    assert listed is not None
    assert joined.value == listed.value == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "piece", ["[", "{", "[1,", '{"a":', '["', "[{'a': 'b' c ", "[//", "[a ", "\n", "1", "</s>", "[1 x "]
)
def test_endless_repetition_takes_no_endless_time(piece: str) -> None:
    start = time.monotonic()
    find_json("[" + piece * 5000)
    says_nothing(piece * 5000)
    assert time.monotonic() - start < 5


def test_noise_never_raises() -> None:
    rng = random.Random(7)
    for _ in range(3000):
        text = "".join(rng.choice("[]{}(),:\"'\\/#`\n 019.-eantl\u201c\uff0c") for _ in range(rng.randint(0, 40)))
        found = find_json(text)
        assert found is None or found.complete != is_cut(found.value) or not found.complete


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("thought</think>\n\n[1]", "[1]"),
        ("<response>[1]</response>", "[1]"),
        ("I see. <answer>[1]</answer>", "[1]"),
        ("<answer>[1]", "[1]"),
        ("[1]<|end_of_sentence|></s>\n", "[1]"),
        ("a <answer>b</answer> c", "a <answer>b</answer> c"),
    ],
)
def test_unwrap(answer: str, text: str) -> None:
    assert unwrap(answer) == text
