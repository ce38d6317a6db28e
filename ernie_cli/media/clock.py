"""The clock that the model reads in a clip's frames: drawn as Baidu's processor draws it, and fast.

Roboto of a tenth of the shorter side at the top left, black with a white stroke of a tenth of its size, reading
`time: HH:MM:SS.ss` (transformers: `Ernie4_5_VLMoeVideoProcessor._render_image_with_timestamp`). The pixels are those of
`ImageDraw.text`, from glyphs that are stroked once for each size.
"""
# PIL is imported where it is used, so that `ernie --help` stays fast.

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ernie_cli.errors import ErnieError
from ernie_cli.times import clock

if TYPE_CHECKING:
    from PIL import Image, ImageFont

FONT = "Roboto-Regular.ttf"
STEADY = len("time: 00:00:")
SHARE = 0.1  # of the shorter side for the size, and of the size for the stroke


_SHAPE = "time: 00:00:00.00"


class _Glyph(NamedTuple):
    """A character's mask, and where its corner lies from the pen, in pixels."""

    mask: Image.Image
    x: int
    y: int


@lru_cache(maxsize=8)
def find_font(folder: Path | None = None) -> Path:
    """Roboto as the checkpoint in `folder` carries it, else that of the package font-roboto."""
    if folder is not None and (folder / FONT).is_file():
        return folder / FONT
    spec = find_spec("font_roboto")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(place) / "files" / FONT).is_file():
            return path
    raise ErnieError("The font of the clock in frames is not there.", "Install it with: pip install font-roboto")


def draw_clock(frame: Image.Image, time_s: float, font: Path | None = None) -> None:
    """Writes the time, in seconds, into an RGB frame; into one too small for letters, nothing."""
    size = int(min(frame.size) * SHARE)
    if size < 1:
        return
    text, path = f"time: {clock(time_s)}", str(font or find_font())
    stroke = int(size * SHARE)
    margin = stroke + 2
    for color, width in (("white", stroke), ("black", 0)) if stroke else (("black", 0),):
        frame.paste(color, (-margin, -margin), _line(text, size, path, width, margin))


def _line(text: str, size: int, font: str, stroke: int, margin: int) -> Image.Image:
    """A mask of the text, its pen beginning `margin` pixels from the left and from the top."""
    line = _beginning(text[:STEADY], size, font, stroke, margin).copy()
    _write(line, text, range(STEADY, len(text)), size, font, stroke, margin)
    return line


@lru_cache(maxsize=16)
def _beginning(text: str, size: int, font: str, stroke: int, margin: int) -> Image.Image:
    """What stays the same for a minute, with room for what follows."""
    from PIL import Image

    # No taller and wider than it must be: blending it into every frame is what takes the time.
    last = [_glyph(character, size, font, stroke) for character in "0123456789"]
    tall = [_glyph(character, size, font, stroke) for character in "tim0123456789"]
    width = _pens(_SHAPE, size, font)[-1] + max(glyph.x + glyph.mask.width for glyph in last)
    line = Image.new("L", (margin + width, margin + max(glyph.y + glyph.mask.height for glyph in tall)))
    _write(line, text, range(len(text)), size, font, stroke, margin)
    return line


def _write(line: Image.Image, text: str, which: range, size: int, font: str, stroke: int, margin: int) -> None:
    pens = _pens(_SHAPE, size, font)
    for at in which:
        glyph = _glyph(text[at], size, font, stroke)
        # Where strokes of neighbours overlap, one lies over the other.
        line.paste(255, (margin + pens[at] + glyph.x, margin + glyph.y), glyph.mask)


@lru_cache(maxsize=64)
def _pens(text: str, size: int, font: str) -> tuple[int, ...]:
    """Where each character begins, in pixels. All digits of Roboto are equally wide, and kern alike."""
    face = _face(size, font)
    return tuple(int(face.getlength(text[: end + 1]) - face.getlength(text[end]) + 0.5) for end in range(len(text)))


@lru_cache(maxsize=512)
def _glyph(character: str, size: int, font: str, stroke: int) -> _Glyph:
    from PIL import Image

    drawn, offset = _face(size, font).getmask2(character, "L", stroke_width=stroke, stroke_filled=True, anchor="la")
    mask = Image.new("L", drawn.size)
    mask.im.paste(drawn, (0, 0, *drawn.size))
    return _Glyph(mask, int(offset[0]), int(offset[1]))


@lru_cache(maxsize=16)
def _face(size: int, font: str) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(font, size)
