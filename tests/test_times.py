"""Times as text."""

from __future__ import annotations

import pytest

from ernie_cli.tasks.video import seconds
from ernie_cli.times import clock, stamp


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0, "00:00:00.00"),
        (1.5, "00:00:01.50"),
        (59.996, "00:01:00.00"),
        (3723.25, "01:02:03.25"),
        (0.125, "00:00:00.12"),  # as Python writes it
        (359_999.99, "99:59:59.99"),
    ],
)
def test_the_clock_in_the_frames(time_s: float, text: str) -> None:
    assert clock(time_s) == text
    assert seconds(text) == pytest.approx(time_s, abs=0.0051)


def test_stamps() -> None:
    assert stamp(3723.2504) == "01:02:03.250"
    assert stamp(59.9996, point=",") == "00:01:00,000"
