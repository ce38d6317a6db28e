"""A picture as what a terminal shows: escape sequences of kitty, iTerm2 or sixel, or half blocks of text.

Strings in cells and pixels; which protocol a terminal speaks, and writing to it, is not known here.
"""
# PIL, numpy and rich are imported where they are used, so that `ernie --help` stays fast.

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image
    from rich.text import Text

CHUNK = 4096  # bytes, the most that kitty takes at once
LARGEST = 1600  # pixels of the longer side that are sent


def cells_of(size: tuple[int, int], columns: int, rows: int) -> tuple[int, int]:
    """The columns and rows that a picture takes within so many; a cell is taken to be twice as high as wide."""
    width, height = size
    wide = max(1, min(columns, math.floor(rows * 2 * width / height)))
    return wide, max(1, min(rows, round(wide * height / width / 2)))


def kitty(image: Image.Image, cells: tuple[int, int]) -> str:
    """kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/): PNG, placed at the cursor."""
    data = base64.standard_b64encode(_png(image)).decode()
    chunks = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    first = f"a=T,f=100,q=2,c={cells[0]},r={cells[1]},"
    parts = (
        f"\x1b_G{first if at == 0 else ''}m={int(at < len(chunks) - 1)};{chunk}\x1b\\"
        for at, chunk in enumerate(chunks)
    )
    return "".join(parts) + "\n"


def iterm2(image: Image.Image, cells: tuple[int, int]) -> str:
    """iTerm2's inline images (https://iterm2.com/documentation-images.html)."""
    png = _png(image)
    place = f"inline=1;size={len(png)};width={cells[0]};height={cells[1]};preserveAspectRatio=1"
    return f"\x1b]1337;File={place}:{base64.standard_b64encode(png).decode()}\a\n"


def sixel(image: Image.Image, pixels: tuple[int, int]) -> str:
    """Sixel graphics (DEC STD 070) of at most 256 colours, at `pixels` (width, height)."""
    import numpy as np

    small = image.resize(pixels).quantize(256)
    codes = np.asarray(small)  # (height, width) of palette numbers
    palette = (small.getpalette() or [])[: 3 * 256]
    used = [int(code) for code in np.unique(codes)]
    colors = "".join(
        f"#{code};2;{';'.join(str(round(value / 2.55)) for value in palette[3 * code : 3 * code + 3])}" for code in used
    )
    bands = "-".join(_band(codes[top : top + 6]) for top in range(0, codes.shape[0], 6))
    return f'\x1bPq"1;1;{pixels[0]};{pixels[1]}{colors}{bands}\x1b\\\n'


def _band(codes: object) -> str:
    """Six rows of pixels: for each colour the columns it fills, repeats counted."""
    import numpy as np

    rows = np.asarray(codes)
    weights = (1 << np.arange(rows.shape[0]))[:, None]
    lines = []
    for code in np.unique(rows):
        bits = ((rows == code) * weights).sum(axis=0)  # (width,)
        ends = np.flatnonzero(np.diff(bits, append=-1)) + 1
        runs = zip(np.diff(ends, prepend=0), bits[ends - 1], strict=True)
        drawn = "".join(
            f"!{length}{chr(63 + value)}" if length > 3 else chr(63 + value) * length for length, value in runs
        )
        lines.append(f"#{code}{drawn}")
    return "$".join(lines)


def half_blocks(image: Image.Image, cells: tuple[int, int]) -> Text:
    """Two pixels in each cell: the upper half block's colour and its background. rich fits them to the terminal."""
    import numpy as np
    from rich.style import Style
    from rich.text import Text

    columns, rows = cells
    pixels = np.asarray(image.convert("RGB").resize((columns, 2 * rows)))  # (2 * rows, columns, 3)
    text = Text(no_wrap=True, end="")
    for top, bottom in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        for upper, lower in zip(top, bottom, strict=True):
            text.append("▀", Style(color="rgb({},{},{})".format(*upper), bgcolor="rgb({},{},{})".format(*lower)))
        text.append("\n")
    return text


def _png(image: Image.Image) -> bytes:
    small = image.copy()
    small.thumbnail((LARGEST, LARGEST))
    stream = io.BytesIO()
    small.save(stream, "PNG")
    return stream.getvalue()
