from __future__ import annotations

import json
import math

import pytest
from data.scores import (
    box_iou,
    charts,
    edits,
    score_chart,
    score_doc,
    score_ground,
    score_video,
    segments,
    time_iou,
)


def test_iou_of_two_boxes():
    assert box_iou([0, 0, 10, 10], [0, 0, 10, 10]) == 1
    assert box_iou([0, 0, 10, 10], [5, 0, 15, 10]) == pytest.approx(1 / 3)
    assert box_iou([0, 0, 10, 10], [10, 0, 20, 10]) == 0


def found(*pairs: tuple[str, list[int]]) -> str:
    return json.dumps([{"bbox_2d": box, "label": label} for label, box in pairs])


def test_ground_matches_each_box_once():
    two = found(("ring", [0, 0, 100, 100]), ("ring", [200, 0, 300, 100]))
    assert score_ground(two, two)["f1"] == 1
    twice = score_ground(two, found(("ring", [0, 0, 100, 100]), ("ring", [1, 0, 100, 100])))
    assert (twice["matched"], twice["expected"], twice["given"]) == (1, 2, 2)
    assert score_ground(two, found(("star", [0, 0, 100, 100])))["matched"] == 0
    assert score_ground(two, found(("ring", [0, 0, 40, 100])))["first"] == 0
    assert score_ground(two, found(("ring", [0, 0, 60, 100])))["first"] == 1


def test_ground_tells_nothing_found_from_unreadable():
    assert score_ground("[]", "[]")["f1"] == 1
    assert score_ground("[]", found(("ring", [0, 0, 1, 1])))["f1"] == 0
    for broken in ("", "none", "{}", '[{"bbox_2d": [1, 2, 3], "label": "a"}]', '[{"bbox_2d": [1, 2, 3, 4]}]', "[1]"):
        assert score_ground("[]", broken)["readable"] == score_ground("[]", broken)["f1"] == 0


def table(*rows: tuple[str, float], kind: str = "bar") -> str:
    return json.dumps([{"type": kind, "title": "Sales", "columns": ["label", "value"], "rows": rows}])


def test_chart_counts_cells_and_rows():
    want = table(("Oslo", 100), ("Rome", 50))

    def counted(*rows: tuple[str, float], span: float = 110) -> tuple[float, ...]:
        score = score_chart(want, table(*rows), span)
        return tuple(score[name] for name in ("cells_right", "cells", "rows_right", "rows"))

    assert counted(("Oslo", 100), ("Rome", 50)) == (4, 4, 2, 2)
    assert counted(("Rome", 55), ("Oslo", 94)) == (3, 4, 1, 2)
    assert counted(("Rome", 55), ("Oslo", 94), span=200) == (4, 4, 2, 2)
    assert counted(("oslo", 100), ("Rome", 50), ("Lima", 1)) == (3, 6, 1, 3)
    # The value of a category that was misread is that of its place among those that are left.
    assert counted(("oslo", 50), ("rome", 100)) == (0, 4, 0, 2)
    assert counted(("rome", 50), ("Oslo", 100)) == (3, 4, 1, 2)
    assert counted(("Rome", 50)) == (2, 4, 1, 2)


def test_chart_that_cannot_be_read():
    want = table(("Oslo", 100), ("Rome", 50))
    for broken in ("", "[]", "{}", '[{"rows": []}]', '[{"rows": [["a"]]}]', '[{"rows": [["a", "1"]]}]', want[:-4]):
        assert charts(broken) is None
        assert score_chart(want, broken, 110) == {
            **dict.fromkeys(("readable", "rows_right", "cells_right", "title", "type"), 0),
            **{"rows": 2, "cells": 4},
        }


@pytest.mark.parametrize(
    ("a", "b", "expected"), [("", "", 0), ("abc", "", 3), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "bc", 1)]
)
def test_edits(a, b, expected):
    assert edits(a, b) == expected


def test_doc_of_text():
    assert score_doc("4711", "4711")["right"] == 1
    assert score_doc("4711", "4712") == {"readable": 1, "fields": 1, "right": 0, "edits": 1, "characters": 4}


def test_doc_of_fields():
    want = '{"total": 12.0, "name": "Anna", "items": [{"price": 1.5}, {"price": 2}]}'
    assert score_doc(want, want) == {"readable": 1, "fields": 4, "right": 4}
    assert score_doc(want, '{"total": 12, "name": "anna", "items": [{"price": 1.5}]}')["right"] == 2
    assert score_doc(want, want[:-1] + ', "more": 1}')["fields"] == 5
    assert score_doc(want, "none") == {"readable": 0, "fields": 4, "right": 0}
    assert score_doc('{"a": null}', '{"a": "null"}')["right"] == 0
    assert score_doc('{"a": 1}', '{"a": true}')["right"] == 0


def spans(*pairs: tuple[str, str]) -> str:
    return json.dumps([{"start": f"00:00:{a}", "end": f"00:00:{b}", "label": "x"} for a, b in pairs])


def test_video_segments():
    want = spans(("01.00", "03.00"))
    assert score_video(want, want) == {"readable": 1, "iou": 1, "found": 1, "start": 0, "end": 0}
    near = score_video(want, spans(("01.50", "03.50")))
    assert (near["iou"], near["found"], near["start"], near["end"]) == (0.6, 1, 0.5, 0.5)
    assert score_video(want, spans(("01.00", "03.00"), ("05.00", "06.00")))["iou"] == 0.5
    assert math.isinf(score_video(want, "[]")["start"])
    assert score_video("[]", "[]")["found"] == 1
    assert score_video("[]", want)["found"] == 0
    assert time_iou((1.0, 1.0), (1.0, 1.0)) == 1
    assert time_iou((1.0, 1.0), (2.0, 2.0)) == 0


def test_video_that_cannot_be_read():
    for broken in ("", "never", "{}", "[1]", '[{"start": "00:01", "end": "00:02"}]', '[{"start": "00:00:01.00"}]'):
        assert segments(broken) is None
        assert score_video("[]", broken)["readable"] == score_video("[]", broken)["found"] == 0
