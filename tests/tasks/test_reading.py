"""The items in the JSON of an answer, with lists and objects around them."""

from __future__ import annotations

from ernie_cli.tasks.reading import Entry, Shape, entries


def test_entries() -> None:
    shape = Shape(lambda value: isinstance(value, dict) and "at" in value, ("at",), ("label",))
    assert entries({"things": [{"at": 1}, "junk", {"at": 2}]}, shape) == [
        Entry({"at": 1}, "things"),
        Entry({"at": 2}, "things"),
        Entry("junk", "things"),
    ]
    assert entries({"things": []}, shape) == []
    assert entries({"label": "x"}, shape) is None
