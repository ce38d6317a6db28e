"""Boxes and points: the wording, the arithmetic of pixels, and answers cut at every character."""

from __future__ import annotations

import json
import random

import pytest

from ernie_cli.errors import AnswerError, UsageError
from ernie_cli.tasks import ground


def test_wording() -> None:
    assert ground.request("red car") == (
        'Find every red car. Answer with JSON only: a list of {"bbox_2d": [x1, y1, x2, y2], "label": "..."}'
        " with coordinates from 0 to 1000, or [] if there is none."
    )
    assert ground.request(["cat"]).startswith("Find every cat. ")
    assert ground.request(["cat", "dog"]).startswith("Find every cat and dog. ")
    assert ground.request(["cat", "dog", "cow"]).startswith("Find every cat, dog and cow. ")
    assert 'a list of {"point_2d": [x, y], "label": "..."} with' in ground.request("cat", points=True)


@pytest.mark.parametrize("points", [False, True])
def test_the_schema_has_the_keys_of_the_wording(points: bool) -> None:
    item = ground.schema(points=points)["items"]
    assert all(f'"{key}"' in ground.request("x", points=points) for key in item["properties"])
    assert item["required"] == list(item["properties"])
    assert item["additionalProperties"] is False


def test_pixels() -> None:
    reading = ground.read('[{"bbox_2d": [80, 400, 280, 640], "label": "red car"}]', (1280, 720))
    assert reading.items == (
        ground.Box(label="red car", box=(102.4, 288.0, 358.4, 460.8), box_1000=(80, 400, 280, 640)),
    )
    assert json.loads(reading.items[0].model_dump_json())["box_1000"] == [80, 400, 280, 640]


@pytest.mark.parametrize("edge", [999, 1000])
def test_both_edges(edge: int) -> None:
    box = ground.read(f"[[0, 0, {edge}, {edge}]]", (640, 333)).items[0]
    assert box.box == (0, 0, 640, 333)
    assert box.box_1000 == (0, 0, edge, edge)


def test_a_sliver_between_both_edges_has_no_area() -> None:
    reading = ground.read("[[999, 0, 1000, 500], [0, 0, 9, 9]]", (100, 100))
    assert (len(reading.items), reading.dropped) == (1, 1)


def test_what_has_no_area_in_pixels_is_dropped() -> None:
    reading = ground.read("[[500, 500, 502, 600], [0, 0, 9, 9]]", (20, 200))
    assert ([box.box_1000 for box in reading.items], reading.dropped) == ([(0, 0, 9, 9)], 1)
    with pytest.raises(AnswerError) as unusable:
        ground.read("[[0.1, 0.5, 0.2, 0.9]]", (64, 48))
    assert "--scale 1" in unusable.value.hint


def test_scale() -> None:
    assert ground.read("[[0.1, 0.5, 0.2, 1.0]]", (200, 100), scale=1).items[0].box == (20, 50, 40, 100)
    assert ground.read("[[20, 50, 40, 100]]", (200, 100), scale=(200, 100)).items[0].box == (20, 50, 40, 100)
    assert not ground.read("[[0.1, 0.5, 0.2, 1.0]]", (200, 100), scale=1).notes


def test_a_scale_that_looks_wrong_is_told_and_not_guessed() -> None:
    fractions = ground.read("[[0.1, 0.5, 0.2, 0.9]]", (1000, 1000))
    assert fractions.items[0].box == (0.1, 0.5, 0.2, 0.9)
    assert "--scale 1" in fractions.notes[0]
    pixels = ground.read("[[100, 500, 1200, 700]]", (1000, 1000))
    assert pixels.items[0].box == (100, 500, 1000, 700)
    assert "1 coordinate outside 0 to 1000" in pixels.notes[0]


def test_labels() -> None:
    assert ground.read("[[1, 2, 3, 4]]", (100, 100), label="cat").items[0].label == "cat"
    assert ground.read('{"boxes": [[1, 2, 3, 4]]}', (100, 100), label="cat").items[0].label == "cat"
    assert ground.read('{"dog": [[1, 2, 3, 4]]}', (100, 100), label="cat").items[0].label == "dog"


@pytest.mark.parametrize(
    "answer",
    [
        '[{"point_2d": [250, 500], "label": "nose"}]',
        '{"points": [{"x": 250, "y": 500, "label": "nose"}]}',
        "[{'point': '250, 500', 'name': 'nose'}]",
        "[[250, 500]]",
        "The nose is at (250, 500).",
    ],
)
def test_points(answer: str) -> None:
    reading = ground.read_points(answer, (80, 60), label="nose")
    assert reading.items == (ground.Point(label="nose", point=(20.0, 30.0), point_1000=(250, 500)),)


def test_a_box_is_no_point() -> None:
    with pytest.raises(AnswerError):
        ground.read_points('[{"point_2d": [1, 2, 3, 4], "label": "x"}]', (10, 10))


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("red car", ["red car"]),
        ("salt and pepper", ["salt and pepper"]),
        ("cat, dog", ["cat", "dog"]),
        (" cat,dog and cow ", ["cat", "dog", "cow"]),
        ("cat, dog, and cow, cat", ["cat", "dog", "and cow"]),
        ("cat, dog, and cow", ["cat", "dog", "cow"]),
        (",,", []),
    ],
)
def test_a_comma_list_is_taken_apart(query: str, labels: list[str]) -> None:
    assert ground.labels_of(query) == labels


def test_a_list_is_asked_for_in_its_own_words() -> None:
    for query in ("cat", "cat and dog", "cat, dog and cow"):
        assert ground.request(ground.labels_of(query)) == ground.request(query)


@pytest.mark.parametrize(
    ("name", "labels", "meant"),
    [
        ("Cars", ["car", "bus"], "car"),
        ("the bus", ["car", "buses"], "buses"),
        ("sedan", ["car", "bus"], "sedan"),
        ("sedan", ["car"], "car"),
        ("sedan", [], "sedan"),
        ("glass", ["glasses", "glass"], "glass"),
    ],
)
def test_names_are_settled_on_labels(name: str, labels: list[str], meant: str) -> None:
    assert ground.settled(name, labels) == meant


@pytest.mark.parametrize(
    ("text", "scale"),
    [("1000", 1000), ("1", 1), ("1024x768", (1024, 768)), ("1024, 768", (1024, 768)), ("pixels", None)],
)
def test_scales(text: str, scale: object) -> None:
    assert ground.scale_of(text) == scale


@pytest.mark.parametrize("text", ["", "0", "-5", "nan", "inf", "1x2x3", "big"])
def test_what_is_no_scale(text: str) -> None:
    with pytest.raises(UsageError):
        ground.scale_of(text)


def test_the_wording_and_the_schema_speak_of_the_scale() -> None:
    assert "coordinates from 0 to 1, or" in ground.request("cat", scale=1)
    assert "from 0 to 640 across and from 0 to 480 down" in ground.request("cat", scale=(640, 480))
    numbers = ground.schema(scale=1)["items"]["properties"]["bbox_2d"]["items"]
    assert numbers == {"type": "number", "minimum": 0, "maximum": 1}


def answers() -> list[str]:
    """Valid answers of one to four different boxes in the shapes that models choose."""
    rng = random.Random(3)
    found = []
    for count in range(1, 5):
        corners = [[rng.randint(0, 400) + at, 7, rng.randint(500, 900), 1000] for at in range(count)]
        labels = [rng.choice(["a", "it's", 'say "hi", [x]', "none", "\u7ea2\u8f66"]) for _ in corners]
        items = [{"bbox_2d": box, "label": label} for box, label in zip(corners, labels, strict=True)]
        swapped = [{"label": item["label"], "box": item["bbox_2d"]} for item in items]
        for shape in (items, swapped, {"objects": items}, [items]):
            found += [json.dumps(shape), json.dumps(shape, indent=1, ensure_ascii=False), repr(shape)]
            found.append(f"Here:\n```json\n{json.dumps(shape)}\n```")
        found.append("\n".join(map(json.dumps, items)))
    return found


@pytest.mark.parametrize("answer", answers())
def test_an_answer_cut_anywhere_gives_its_first_boxes_or_none(answer: str) -> None:
    whole = ground.read(answer, (640, 480))
    assert whole.complete
    for end in range(len(answer)):
        try:
            part = ground.read(answer[:end], (640, 480))
        except AnswerError:
            continue
        assert part.items, answer[:end]
        assert part.items == whole.items[: len(part.items)], answer[:end]
        # One object a line cannot show that more lines were to come.
        assert not part.complete or part.items == whole.items or "\n" in answer[end - 1 : end + 1], answer[:end]
