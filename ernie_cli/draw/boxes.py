"""Boxes and points drawn into a picture, with labels that can be read.

Line width and letters go by the picture's size, letters also by how many labels there are. A label stands on a plate of
its box's colour, beside or in its box; where no place there is free, it stands near by, with a line to its box. Labels
never cover each other: letters shrink until all find a place, and where they would hide the picture at any size, a
legend below it takes their place.
"""
# PIL is imported where it is used, so that `ernie --help` stays fast.

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from PIL import Image, ImageDraw
    from PIL.ImageFont import FreeTypeFont

    from ernie_cli.tasks.ground import Box, Point

Rect: TypeAlias = tuple[float, float, float, float]
Color: TypeAlias = tuple[int, int, int]

# Far apart in hue and lightness, so that neighbours in the list are told apart in any picture.
COLORS: tuple[Color, ...] = (
    *((230, 25, 75), (0, 130, 200), (60, 180, 75), (245, 130, 48), (145, 30, 180), (70, 240, 240)),
    *((240, 50, 230), (210, 245, 60), (0, 128, 128), (170, 110, 40), (255, 225, 25), (0, 0, 128)),
)
SMALLEST, LONGEST = 9, 40  # pixels of letters; characters of a label
PLATES, MOST_PLATES = 0.15, 0.3  # the shares of the picture that labels may cover before they shrink, and at all


class _Plate(NamedTuple):
    """A label in its place."""

    rect: Rect
    text: str
    box: Rect
    color: Color


def draw_boxes(image: Image.Image, things: Sequence[Box | Point], labels: Sequence[str] = ()) -> Image.Image:
    """A copy of the RGB picture with the things drawn in; a label's colour goes by its place in `labels`."""
    from PIL import ImageDraw

    drawn = image.copy()
    if not things:
        return drawn
    pen, line = ImageDraw.Draw(drawn), line_width(image.size)
    order = list(dict.fromkeys([*labels, *(thing.label for thing in things)]))
    rects = [_rect(thing, line) for thing in things]
    colors = [COLORS[order.index(thing.label) % len(COLORS)] for thing in things]
    # The largest first, so that a small box is never under a large one's line.
    for at in sorted(range(len(things)), key=lambda at: -_area(rects[at])):
        _outline(pen, things[at], rects[at], colors[at], line)
    found = _layout(things, rects, colors, image.size, line)
    if found is None:
        used = dict(zip((thing.label for thing in things), colors, strict=True))
        return _with_legend(drawn, {label: used[label] for label in order if label in used})
    plates, face = found
    for plate in plates:
        _leader(pen, plate, line)
    for plate in plates:
        _write(pen, plate, face)
    return drawn


def line_width(size: tuple[int, int]) -> int:
    """Pixels, for a picture of a size."""
    return max(2, round(math.hypot(*size) / 420))


def letter_size(size: tuple[int, int]) -> int:
    """Pixels, for a picture of a size with few labels."""
    return max(12, round(math.hypot(*size) / 62))


def _rect(thing: Box | Point, line: int) -> Rect:
    """What is drawn of a thing: its box, or the circle around its point."""
    from ernie_cli.tasks.ground import Box

    if isinstance(thing, Box):
        return thing.box
    (x, y), radius = thing.point, 2.5 * line
    return x - radius, y - radius, x + radius, y + radius


def _outline(pen: ImageDraw.ImageDraw, thing: Box | Point, rect: Rect, color: Color, line: int) -> None:
    """The line around a box, or a dot; light or dark beside it, so that it stands out on its own colour too."""
    from ernie_cli.tasks.ground import Box

    halo = max(1, line // 3)
    left, top, right, bottom = (round(number) for number in rect)
    if not isinstance(thing, Box):
        pen.ellipse((left, top, right, bottom), fill=color, outline=_ink(color), width=halo)
        return
    # Around the box and not over it, since a small thing would be hidden; but never out of the picture.
    width, height = pen.im.size
    for reach, ink, thick in ((line + 2 * halo, _ink(color), line + 2 * halo), (line + halo, color, line)):
        near, inset = (left - reach, top - reach), line + 2 * halo - reach
        # The far edges are exclusive: the last pixel inside is one before.
        far = right - 1 + reach, bottom - 1 + reach
        x, y = max(near[0], inset), max(near[1], inset)
        pen.rectangle(
            (x, y, max(x, min(far[0], width - 1 - inset)), max(y, min(far[1], height - 1 - inset))),
            outline=ink,
            width=thick,
        )


def _ink(color: Color) -> Color:
    """Black or white, whichever is read better on a colour (ITU-R BT.601 luma)."""
    red, green, blue = color
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)


# ------------------------------------------------------------------------------------------------ where labels stand


def _layout(
    things: Sequence[Box | Point], rects: Sequence[Rect], colors: Sequence[Color], size: tuple[int, int], line: int
) -> tuple[list[_Plate], FreeTypeFont] | None:
    """Every label in its place, in the largest letters that leave room for all; None if none do."""
    texts = [_short(thing.label) for thing in things]
    letters, most = letter_size(size), PLATES
    while True:
        face = font(letters, "".join(texts))
        plates = [_plate_size(text, face) for text in texts]
        covered = sum(width * height for width, height in plates) / (size[0] * size[1])
        if letters == SMALLEST:
            most = MOST_PLATES
        if covered <= most:
            placed = _place_all(rects, plates, size, line)
            if None not in placed:
                places = [rect for rect in placed if rect is not None]
                return [_Plate(*one) for one in zip(places, texts, rects, colors, strict=True)], face
        if letters == SMALLEST:
            return None
        letters = max(SMALLEST, min(letters - 1, round(letters * 0.88)))


def _place_all(
    rects: Sequence[Rect], plates: Sequence[tuple[int, int]], size: tuple[int, int], line: int
) -> list[Rect | None]:
    """A place for each plate that is free of the others, small boxes first, since they have the least choice."""
    placed: list[Rect | None] = [None] * len(rects)
    taken: list[Rect] = []
    for at in sorted(range(len(rects)), key=lambda at: _area(rects[at])):
        best: tuple[float, Rect] | None = None
        for wanted, cost in _candidates(rects[at], plates[at], size, line):
            if best is not None and cost >= best[0]:
                break
            place = _inside(wanted, size)
            if place is None or any(_area(_shared(place, other)) > 0 for other in taken):
                continue
            # A plate should hide as little as can be of each other thing.
            shares = (_area(_shared(place, box)) / max(_area(box), 1) for other, box in enumerate(rects) if other != at)
            whole = cost + 2 * sum(shares)
            if best is None or whole < best[0]:
                best = whole, place
        if best is not None:
            placed[at] = best[1]
            taken.append(best[1])
    return placed


def _candidates(box: Rect, plate: tuple[int, int], size: tuple[int, int], line: int) -> Iterator[tuple[Rect, float]]:
    """Places for a plate with what each costs, cheapest first: at the box's corners, then around it in rings."""
    left, top, right, bottom = box
    width, height = plate
    above, below, gap = top - height - line, bottom + line, 2 * line
    spots = [(left, above), (left, below), (right - width, above), (right - width, below)]
    sides = [(right + gap, top), (left - gap - width, top), (right + gap, bottom - height)]
    inside = [(left + line, top + line), (right - line - width, bottom - line - height)]
    roomy = width + 2 * line < (right - left) * 0.8 and height + 2 * line < (bottom - top) * 0.5
    for at, (x, y) in enumerate([*spots, *sides, *(inside if roomy else [])]):
        yield (x, y, x + width, y + height), 0.05 * at
    middle = (left + right) / 2, (top + bottom) / 2
    reach = (right - left) / 2 + width / 2, (bottom - top) / 2 + height / 2
    for ring in range(1, 40):
        if ring * height > math.hypot(*size) / 3:
            return
        for step in range(16):
            angle = math.tau * step / 16
            x = middle[0] + math.cos(angle) * (reach[0] + ring * height) - width / 2
            y = middle[1] + math.sin(angle) * (reach[1] + ring * height) - height / 2
            yield (x, y, x + width, y + height), 1.0 + 0.5 * ring


def _inside(rect: Rect, size: tuple[int, int]) -> Rect | None:
    """The rectangle pushed into the picture; None if it does not fit, or would have to go far."""
    left, top, right, bottom = rect
    width, height = right - left, bottom - top
    x, y = min(max(left, 0), size[0] - width), min(max(top, 0), size[1] - height)
    if x < 0 or y < 0 or abs(y - top) > height * 0.1 or abs(x - left) > width:
        return None
    x, y = math.floor(x), math.floor(y)
    return x, y, x + width, y + height


def _shared(one: Rect, other: Rect) -> Rect:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _area(rect: Rect) -> float:
    return max(0.0, rect[2] - rect[0]) * max(0.0, rect[3] - rect[1])


# ------------------------------------------------------------------------------------------------ labels themselves


def _leader(pen: ImageDraw.ImageDraw, plate: _Plate, line: int) -> None:
    """A line from a plate that stands apart to the nearest point of its box."""
    x, y = (plate.rect[0] + plate.rect[2]) / 2, (plate.rect[1] + plate.rect[3]) / 2
    left, top, right, bottom = plate.box
    near = min(max(x, left), right), min(max(y, top), bottom)
    gap = math.hypot(
        max(plate.rect[0] - right, left - plate.rect[2], 0), max(plate.rect[1] - bottom, top - plate.rect[3], 0)
    )
    if gap > 2 * line:
        pen.line((x, y, *near), fill=_ink(plate.color), width=max(1, line // 2) + 2)
        pen.line((x, y, *near), fill=plate.color, width=max(1, line // 2))


def _write(pen: ImageDraw.ImageDraw, plate: _Plate, face: FreeTypeFont) -> None:
    left, top, right, bottom = plate.rect
    ink = _ink(plate.color)
    pen.rectangle((left, top, right - 1, bottom - 1), fill=plate.color)
    pen.text(((left + right) / 2, (top + bottom) / 2), plate.text, font=face, fill=ink, anchor="mm")


def _with_legend(image: Image.Image, colors: dict[str, Color]) -> Image.Image:
    """The picture with a strip below it in which each label stands on its colour; no pixel of it moves."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    texts = {_short(label): color for label, color in colors.items()}
    face = font(letter_size(image.size), "".join(texts))
    gap, places, x, y = face.size // 2, [], 0.0, float(image.height)
    for text, color in texts.items():
        width, height = _plate_size(text, face)
        if x and x + 2 * gap + width > image.width:
            x, y = 0.0, y + gap + height
        rect = (x + gap, y + gap, x + gap + width, y + gap + height)
        places.append(_Plate(rect, text, rect, color))
        x = rect[2]
    width = max(image.width, *(math.ceil(plate.rect[2] + gap) for plate in places))
    whole = Pillow.new("RGB", (width, math.ceil(places[-1].rect[3] + gap)), "white")
    whole.paste(image)
    pen = ImageDraw.Draw(whole)
    for plate in places:
        _write(pen, plate, face)
    return whole


def _plate_size(text: str, face: FreeTypeFont) -> tuple[int, int]:
    return math.ceil(face.getlength(text) + 0.6 * face.size), math.ceil(1.3 * face.size)


def _short(label: str) -> str:
    text = " ".join(label.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"


# Fonts of Chinese, Japanese and Korean letters as systems have them; Pillow looks for them by name.
_WIDE_FONTS = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "PingFang.ttc", "msyh.ttc", "Arial Unicode.ttf")


def font(size: int, text: str = "") -> FreeTypeFont:
    """Roboto, or one of the system's fonts where the text has letters that Roboto lacks."""
    from PIL import ImageFont

    from ernie_cli.media.clock import find_font

    if any("\u2e80" <= char <= "\uffdc" for char in text):
        for name in _WIDE_FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.truetype(str(find_font()), size)
