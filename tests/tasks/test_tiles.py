"""Tiles: every pixel is in one, every small thing is whole in one, and what comes back is the thing itself."""

from __future__ import annotations

import random

import pytest

from ernie_cli.tasks.ground import Box, Point
from ernie_cli.tasks.tiles import OVERLAP, Tile, auto_side, merge, merge_points, tiles_of


@pytest.mark.parametrize("size", [(2000, 1500), (225, 224), (5000, 100), (224, 224), (100, 50), (1999, 7)])
@pytest.mark.parametrize("side", [224, 640])
def test_what_is_smaller_than_the_overlap_is_whole_in_a_tile(size: tuple[int, int], side: int) -> None:
    tiles = tiles_of(size, side)
    assert all(0 <= tile.left < tile.right <= size[0] and 0 <= tile.top < tile.bottom <= size[1] for tile in tiles)
    assert all(tile.right - tile.left <= side and tile.bottom - tile.top <= side for tile in tiles)
    rng = random.Random(1)
    most = int(side * OVERLAP)
    for _ in range(500):
        width, height = min(rng.randint(1, most), size[0]), min(rng.randint(1, most), size[1])
        left, top = rng.randint(0, size[0] - width), rng.randint(0, size[1] - height)
        assert any(
            tile.left <= left and tile.top <= top and left + width <= tile.right and top + height <= tile.bottom
            for tile in tiles
        )


def test_one_tile_where_the_picture_is_no_larger() -> None:
    assert tiles_of((640, 480), 640) == [Tile(0, 0, 640, 480)]


def test_auto() -> None:
    assert auto_side((224, 224), 50_176) is None
    assert auto_side((225, 224), 50_176) == 224
    assert auto_side((4000, 3000), 4_842_768) == 2200


def looked(things: list[tuple[str, tuple[int, int, int, int]]], size: tuple[int, int], side: int) -> list[Box]:
    """What a model that sees everything would make of things: in each tile, the part of them that is in it."""
    found = []
    for tile in [*tiles_of(size, side), Tile(0, 0, *size)]:
        for label, (left, top, right, bottom) in things:
            part = max(left, tile.left), max(top, tile.top), min(right, tile.right), min(bottom, tile.bottom)
            # A sliver is no sight of a thing.
            if part[2] - part[0] > 5 and part[3] - part[1] > 5:
                place = (part[0] - tile.left, part[1] - tile.top, part[2] - tile.left, part[3] - tile.top)
                found.append((tile, Box(label=label, box=place, box_1000=(0, 0, 1, 1))))
    return merge(found, size, side)[0]


@pytest.mark.parametrize("seed", range(20))
def test_things_come_back_whole_and_once(seed: int) -> None:
    rng = random.Random(seed)
    size, side = (2000, 1500), 448
    things: list[tuple[str, tuple[int, int, int, int]]] = []
    for row in range(5):
        for column in range(7):
            # One thing a cell, of any size that leaves a gap, so that no two touch.
            width, height = rng.randint(20, 240), rng.randint(20, 250)
            left, top = column * 280 + rng.randint(0, 260 - width), row * 290 + rng.randint(0, 270 - height)
            things.append((rng.choice("ab"), (left, top, left + width, top + height)))
    found = looked(things, size, side)
    assert sorted((box.label, box.box) for box in found) == sorted(things)


@pytest.mark.parametrize("box", [(100, 100, 1800, 300), (300, 50, 500, 1400), (50, 60, 1900, 1400), (0, 0, 2000, 1500)])
def test_what_is_larger_than_a_tile_is_one_thing(box: tuple[int, int, int, int]) -> None:
    assert [one.box for one in looked([("road", box)], (2000, 1500), 448)] == [box]


def test_a_long_thing_is_put_together_without_the_whole_look() -> None:
    size, side = (2000, 448), 448
    found = []
    for tile in tiles_of(size, side):
        left, right = max(100, tile.left) - tile.left, min(1900, tile.right) - tile.left
        found.append((tile, Box(label="road", box=(left, 100, right, 160), box_1000=(0, 0, 1, 1))))
    boxes, merged = merge(found, size, side)
    assert [one.box for one in boxes] == [(100, 100, 1900, 160)]
    assert merged == len(found) - 1
    assert boxes[0].box_1000 == (50, 223.2, 950, 357.1)


def test_neighbours_are_two_things() -> None:
    size, side = (800, 400), 448
    things = [("a", (100, 50, 300, 150)), ("a", (310, 50, 500, 150)), ("b", (100, 155, 300, 300))]
    assert sorted((one.label, one.box) for one in looked(things, size, side)) == sorted(things)


def test_two_of_one_answer_stay_two() -> None:
    tile = Tile(0, 0, 100, 100)
    boxes = [
        Box(label="a", box=(10, 10, 50, 50), box_1000=(0, 0, 1, 1)),
        Box(label="a", box=(12, 12, 50, 50), box_1000=(0, 0, 1, 1)),
    ]
    assert len(merge([(tile, box) for box in boxes], (200, 100), 100)[0]) == 2


def test_points_near_a_seam_are_one() -> None:
    left, right = Tile(0, 0, 400, 300), Tile(300, 0, 700, 300)
    found = [
        (left, Point(label="a", point=(350, 20), point_1000=(0, 0))),
        (right, Point(label="a", point=(52, 21), point_1000=(0, 0))),
        (right, Point(label="b", point=(51, 20), point_1000=(0, 0))),
    ]
    points, merged = merge_points(found, (700, 300))
    assert [(one.label, one.point) for one in points] == [("a", (350, 20)), ("b", (351, 20))]
    assert merged == 1
    assert points[0].point_1000 == (500, 66.7)
