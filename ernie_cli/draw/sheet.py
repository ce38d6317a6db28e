"""A contact sheet: small pictures in rows, each with its time, and a line of words above each row."""
# PIL is imported where it is used, so that `ernie --help` stays fast.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFont import FreeTypeFont

CELL = 320  # pixels, the longer side of a picture
GAP, TIME_SIZE, LABEL_SIZE = 12, 15, 18
PAPER, INK, PALE = (250, 250, 248), (25, 25, 30), (95, 95, 105)


@dataclass(frozen=True)
class Row:
    """Pictures side by side with what stands below each, and what stands above them all ("" for nothing)."""

    label: str
    cells: Sequence[tuple[str, Image.Image]]


def draw_sheet(rows: Sequence[Row]) -> Image.Image:
    """The sheet as an RGB picture; pictures are brought down to `CELL` pixels, never up."""
    from PIL import Image, ImageDraw

    width, height = _cell(rows)
    small, large = _face(TIME_SIZE), _face(LABEL_SIZE)
    columns = max(len(row.cells) for row in rows)
    heads = [LABEL_SIZE + GAP if row.label else 0 for row in rows]
    below = height + TIME_SIZE + 2 * GAP
    page = Image.new(
        "RGB", (GAP + columns * (width + GAP), GAP + sum(heads) + len(rows) * below), PAPER
    )  # fmt: skip
    pen, top = ImageDraw.Draw(page), GAP
    for row, head in zip(rows, heads, strict=True):
        if row.label:
            pen.text((GAP, top), _fitting(row.label, large, page.width - 2 * GAP), font=large, fill=INK)
        top += head
        for column, (time, image) in enumerate(row.cells):
            left = GAP + column * (width + GAP)
            page.paste(_small(image), (left, top))
            pen.text((left, top + height + 4), time, font=small, fill=PALE)
        top += below
    return page


def _cell(rows: Sequence[Row]) -> tuple[int, int]:
    sizes = [_small(image).size for row in rows for _, image in row.cells]
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def _small(image: Image.Image) -> Image.Image:
    from PIL.Image import Resampling

    share = CELL / max(image.size)
    if share >= 1:
        return image
    return image.resize((max(round(image.width * share), 1), max(round(image.height * share), 1)), Resampling.LANCZOS)


def _face(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(_roboto()), size)


def _roboto() -> object:
    from ernie_cli.media.clock import find_font

    return find_font()


def _fitting(text: str, face: FreeTypeFont, width: int) -> str:
    """The text, shortened until it fits."""
    text = " ".join(text.split())
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"
