"""Positions in time, height and width, against values worked out by hand."""

from __future__ import annotations

import numpy as np

from ernie_cli.runtime.positions import positions


def test_text_counts_on_all_three_axes() -> None:
    where, following = positions([3], start=4)
    np.testing.assert_array_equal(where, [[4, 5, 6]] * 3)
    assert following == 7


def test_text_after_a_picture_goes_on_beyond_its_longer_side() -> None:
    where, following = positions([2, (1, 2, 3), 2])
    np.testing.assert_array_equal(
        where,
        [
            [0, 1, 2, 2, 2, 2, 2, 2, 5, 6],
            [0, 1, 2, 2, 2, 3, 3, 3, 5, 6],
            [0, 1, 2, 3, 4, 2, 3, 4, 5, 6],
        ],
    )
    assert following == 7


def test_text_after_a_long_clip_goes_on_beyond_its_last_moment() -> None:
    where, following = positions([1, (90, 2, 3), 1])
    assert where[0].max() == 1 + 90
    np.testing.assert_array_equal(where[:, -1], [91, 91, 91])
    assert following == 92
