"""Documents: the wording, pages without their fences, and data checked against a schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ernie_cli.errors import AnswerError
from ernie_cli.tasks import doc
from ernie_cli.tasks.fields import parse_short


def test_wording() -> None:
    assert doc.request() == "Write the text of this page as Markdown."
    form = "invoice_no, total number, items[name, price number]"
    assert doc.request(parse_short(form)) == f"Read these fields: {form}. Answer with JSON only."


@pytest.mark.parametrize(
    ("answer", "markdown", "complete"),
    [
        ("# Title\n\nText", "# Title\n\nText", True),
        ("```markdown\n# Title\n```", "# Title", True),
        ("```\n# Title\n```", "# Title", True),
        ("Here is the page:\n\n```md\n# Title\n```\n\nAnything else?", "# Title", True),
        ("```markdown\n# Title\n\n```python\nx = 1\n```\n\nEnd\n```", "# Title\n\n```python\nx = 1\n```\n\nEnd", True),
        ("```markdown\n# Title\nmore", "# Title\nmore", False),
        ("```python\nx = 1\n```", "```python\nx = 1\n```", True),
        ("```\nx = 1\n```\n\nThen text.", "```\nx = 1\n```\n\nThen text.", True),
        ("<response>\nText\n</response>", "Text", True),
    ],
)
def test_pages(answer: str, markdown: str, complete: bool) -> None:
    reading = doc.read(answer)
    assert [page.markdown for page in reading.items] == [markdown]
    assert reading.complete is complete


@pytest.mark.parametrize("answer", ["This page is blank.", "(blank page)", "```markdown\n```", "Empty"])
def test_blank_pages(answer: str) -> None:
    assert doc.read(answer).nothing


@pytest.mark.parametrize("answer", ["", " \n", "```markdown"])
def test_no_page_at_all(answer: str) -> None:
    with pytest.raises(AnswerError):
        doc.read(answer)


@pytest.mark.parametrize(
    ("form", "answer", "data", "problems"),
    [
        ("a, b number", '{"a": "x", "b": "n/a"}', {"a": "x", "b": None}, []),
        ("a, b number", '{"a": 12, "b": "1,200"}', {"a": "12", "b": 1200}, []),
        ("a integer", '{"a": 3.0}', {"a": 3}, []),
        ("a integer", '{"a": 3.5}', {"a": 3.5}, ["a: 3.5 is no integer."]),
        ("a number", '{"a": true}', {"a": True}, ["a: true is no number."]),
        (
            "a number, b",
            '{"a": "many"}',
            {"a": "many", "b": None},
            ['a: "many" is no number.', "b: missing in the answer."],
        ),
        ("a(x|y)", '{"a": " X"}', {"a": "x"}, []),
        ("a(x|y)", '{"a": "z"}', {"a": "z"}, ['a: "z" is none of the choices.']),
        ("a date", '{"a": "3 May"}', {"a": "3 May"}, ["a: '3 May' is not written as YYYY-MM-DD."]),
        ("a", '{"a": "x", "b": 1}', {"a": "x"}, ["b: not asked for, left out."]),
        (
            "a[b number]",
            '{"a": [{"b": "x"}, {}]}',
            None,
            ['a[0].b: "x" is no number.', "a[1].b: missing in the answer."],
        ),
        ("a[b]", '{"a": "x"}', {"a": "x"}, ['a: "x" is no array.']),
    ],
)
def test_data(form: str, answer: str, data: dict[str, Any] | None, problems: list[str]) -> None:
    (item,) = doc.read_data(answer, parse_short(form)).items
    assert data is None or item.data == data
    assert list(item.problems) == problems


def test_null_where_the_schema_wants_a_value_is_a_problem() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]}
    (item,) = doc.read_data('{"a": null, "c": "kept"}', schema).items
    assert item.data == {"a": None, "c": "kept"}
    assert item.problems == ("a: null is no string.",)


def test_data_cut_anywhere_holds_only_what_was_written() -> None:
    form = "no, total number, paid boolean, to{name, city}, items[name, price number]"
    whole = {
        "no": "A-1, [x]",
        "total": 12.5,
        "paid": False,
        "to": {"name": "Ann", "city": "York"},
        "items": [{"name": "pen", "price": 2}, {"name": "ink", "price": 30}],
    }
    answer = json.dumps(whole)
    assert doc.read_data(answer, parse_short(form)).items[0].data == whole
    for end in range(len(answer)):
        try:
            part = doc.read_data(answer[:end], parse_short(form))
        except AnswerError:
            continue
        assert not part.complete, answer[:end]
        data = part.items[0].data
        assert all(value in (whole[key], {}) or partial(value, whole[key]) for key, value in data.items()), answer[:end]
        assert part.items[0].problems or "items" in data, answer[:end]


def partial(value: Any, whole: Any) -> bool:
    return bool(value == whole[: len(value)] if isinstance(value, list) else value.items() <= whole.items())
