"""Looking at parts of a large picture: which parts, and one list of things from what was found in each.

Parts overlap by `OVERLAP` of their side, so that what is smaller than that is whole in one of them. What is larger may
be cut by every seam it crosses: its pieces are put together again, and what the whole picture shows of it counts too.
Everything is in pixels of the whole picture. Pure arithmetic: no picture is opened here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ernie_cli.tasks.ground import GRID, Box, Number, Point, tidy

OVERLAP = 0.25
SAME = 0.5  # the intersection over union from which on two boxes are one thing
INSIDE = 0.5  # the share of a cut box that must lie in a whole one to be a piece of it: boxes of pieces are rough
NEAR = 0.03  # of a tile's side: how far apart two points of one thing may be
EDGE = 0.01  # of a tile's side: how near its edge a box counts as cut by it


@dataclass(frozen=True)
class Tile:
    """A part of a picture: pixel edges, the far ones exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top

    @property
    def corners(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.right, self.bottom


def auto_side(size: tuple[int, int], limit: int) -> int | None:
    """The side of tiles that a model of at most `limit` pixels sees at full resolution; None if it sees it all."""
    return math.isqrt(limit) if size[0] * size[1] > limit else None


def tiles_of(size: tuple[int, int], side: int) -> list[Tile]:
    """Tiles of at most `side` by `side` pixels over a picture, in rows from the top; one if it is no larger."""
    return [
        Tile(left, top, min(left + side, size[0]), min(top + side, size[1]))
        for top in _starts(size[1], side)
        for left in _starts(size[0], side)
    ]


def _starts(length: int, side: int) -> list[int]:
    """Evenly spread, the first at 0 and the last ending at the end, overlapping by at least `OVERLAP`."""
    if length <= side:
        return [0]
    count = math.ceil((length - side) / (side * (1 - OVERLAP))) + 1
    return [round(at * (length - side) / (count - 1)) for at in range(count)]


@dataclass(frozen=True)
class _Piece:
    """A box, the tiles it was seen in, and whether their left, top, right and bottom inner edges cut it."""

    box: Box
    tiles: frozenset[Tile]
    cut: tuple[bool, bool, bool, bool]


def merge(found: Iterable[tuple[Tile, Box]], size: tuple[int, int], side: int) -> tuple[list[Box], int]:
    """The boxes of a whole picture from those of its tiles (in pixels of the tile), and how many were merged away.

    The tile of the size of the picture is the look at all of it: what is small enough to be whole in a tile does not
    count there, since the tiles show it better; give it last.
    """
    pieces: list[_Piece] = []
    seen = 0
    for tile, box in found:
        whole = _moved(box, tile, size)
        if tile.size == size and _longer(whole) <= OVERLAP * side:
            continue
        seen += 1
        _add(_Piece(whole, frozenset([tile]), _cuts(whole, tile, size)), pieces, size)
    return [piece.box for piece in pieces], seen - len(pieces)


def merge_points(found: Iterable[tuple[Tile, Point]], size: tuple[int, int]) -> tuple[list[Point], int]:
    """The same for points: those of one label that lie near each other, seen in different tiles, are one."""
    kept: list[tuple[Tile, Point]] = []
    seen = 0
    for tile, point in found:
        seen += 1
        x, y = point.point[0] + tile.left, point.point[1] + tile.top
        near = NEAR * max(tile.size)
        if not any(
            tile != other and point.label == one.label and math.dist((x, y), one.point) <= near for other, one in kept
        ):
            place = round(x, 1), round(y, 1)
            kept.append((tile, Point(label=point.label, point=place, point_1000=_thousandths(place, size))))
    return [point for _, point in kept], seen - len(kept)


def _moved(box: Box, tile: Tile, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box.box
    return _box(box.label, (left + tile.left, top + tile.top, right + tile.left, bottom + tile.top), size)


def _box(label: str, corners: tuple[float, float, float, float], size: tuple[int, int]) -> Box:
    left, top, right, bottom = (round(number, 1) for number in corners)
    near, far = _thousandths((left, top), size), _thousandths((right, bottom), size)
    return Box(label=label, box=(left, top, right, bottom), box_1000=(*near, *far))


def _thousandths(place: tuple[float, float], size: tuple[int, int]) -> tuple[Number, Number]:
    x, y = (tidy(number * GRID / length) for number, length in zip(place, size, strict=True))
    return x, y


def _longer(box: Box) -> float:
    left, top, right, bottom = box.box
    return max(right - left, bottom - top)


def _cuts(box: Box, tile: Tile, size: tuple[int, int]) -> tuple[bool, bool, bool, bool]:
    near = EDGE * max(tile.size)
    ends = (0, 0, *size)
    left, top, right, bottom = (
        edge != end and abs(number - edge) <= near
        for number, edge, end in zip(box.box, tile.corners, ends, strict=True)
    )
    return left, top, right, bottom


def _add(new: _Piece, pieces: list[_Piece], size: tuple[int, int]) -> None:
    """Puts a piece among the others, united with those that show the same thing."""
    for at, old in enumerate(pieces):
        if new.tiles & old.tiles:
            continue
        united = _united(old, new, size)
        if united is old:
            return
        if united is not None:
            del pieces[at]
            _add(united, pieces, size)
            return
    pieces.append(new)


def _united(old: _Piece, new: _Piece, size: tuple[int, int]) -> _Piece | None:
    """What two boxes of different tiles are together; None if they are two things."""
    shared = _area(_overlap(old.box, new.box))
    for piece, whole in ((new, old), (old, new)):
        if any(piece.cut) and not any(whole.cut) and shared >= INSIDE * _area(piece.box.box):
            return whole
    if old.box.label != new.box.label:
        return None
    union = _area(old.box.box) + _area(new.box.box) - shared
    if shared >= SAME * union:
        if not any(old.cut):
            return old
        return replace(new, tiles=old.tiles | new.tiles) if not any(new.cut) else _joined(old, new, size)
    return _joined(old, new, size) if _goes_on(old, new) or _goes_on(new, old) else None


def _goes_on(one: _Piece, other: _Piece) -> bool:
    """Whether the right or bottom seam that cuts one piece is crossed by the other, which begins beyond it."""
    for axis in (0, 1):
        across, along = _span(one.box, axis), _span(other.box, axis)
        meets = along[0] <= across[1] <= along[1] and across[0] <= along[0]
        if one.cut[axis + 2] and other.cut[axis] and meets and _span_iou(one.box, other.box, 1 - axis) >= SAME:
            return True
    return False


def _joined(old: _Piece, new: _Piece, size: tuple[int, int]) -> _Piece:
    """The box around both; an edge of it is cut if the piece that reaches furthest was cut there."""
    pairs = list(zip(old.box.box, new.box.box, strict=True))
    ends = [min(pair) if at < 2 else max(pair) for at, pair in enumerate(pairs)]
    left, top, right, bottom = (
        all(cut for cut, number in zip(cuts, pair, strict=True) if number == end)
        for cuts, pair, end in zip(zip(old.cut, new.cut, strict=True), pairs, ends, strict=True)
    )
    box = _box(old.box.label, (ends[0], ends[1], ends[2], ends[3]), size)
    return _Piece(box, old.tiles | new.tiles, (left, top, right, bottom))


def _span(box: Box, axis: int) -> tuple[float, float]:
    return box.box[axis], box.box[axis + 2]


def _span_iou(one: Box, other: Box, axis: int) -> float:
    (a, b), (c, d) = _span(one, axis), _span(other, axis)
    return max(0.0, min(b, d) - max(a, c)) / max(max(b, d) - min(a, c), 1e-9)


def _overlap(one: Box, other: Box) -> tuple[float, float, float, float]:
    (a, b, c, d), (e, f, g, h) = one.box, other.box
    return max(a, e), max(b, f), min(c, g), min(d, h)


def _area(corners: tuple[float, float, float, float]) -> float:
    left, top, right, bottom = corners
    return max(0.0, right - left) * max(0.0, bottom - top)
