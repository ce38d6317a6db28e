"""The typefaces of pages, charts and clocks, where their files lie, and blocks of text printed in them.

The list is the same on every machine; a family whose files are not found (Liberation comes from Debian, the others
from the wheels of matplotlib and font-roboto) is printed in DejaVu Sans, so every machine can draw every seed. Pixels
are the same wherever the same fonts are found.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from data import Letter

# Family -> files of the regular and the bold face.
FAMILIES = {
    "DejaVu Sans": ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    "DejaVu Serif": ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    "DejaVu Sans Mono": ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
    "Roboto": ("Roboto-Regular.ttf", "Roboto-Bold.ttf"),
    "Liberation Sans": ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    "Liberation Serif": ("LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf"),
    "Liberation Mono": ("LiberationMono-Regular.ttf", "LiberationMono-Bold.ttf"),
    "Liberation Sans Narrow": ("LiberationSansNarrow-Regular.ttf", "LiberationSansNarrow-Bold.ttf"),
}
CLOCK_FONT = "Roboto-Regular.ttf"


@lru_cache
def folders() -> tuple[Path, ...]:
    """Where font files are looked for: the wheels first, so that a family is the same file on every machine."""
    inside = {"matplotlib": "mpl-data/fonts/ttf", "font_roboto": "files"}
    specs = {package: find_spec(package) for package in inside}
    wheels = [Path(spec.origin).parent / inside[name] for name, spec in specs.items() if spec and spec.origin]
    return (*wheels, Path("/usr/share/fonts/truetype/liberation"))


@lru_cache
def font_file(name: str) -> Path:
    """The path of a font file; DejaVu Sans, regular or bold, takes the place of one that is not here."""
    for folder in folders():
        if (folder / name).exists():
            return folder / name
    if name.startswith("DejaVuSans"):
        raise FileNotFoundError(f"no {name} in {', '.join(map(str, folders()))}; matplotlib's wheel carries it")
    return font_file("DejaVuSans-Bold.ttf" if "Bold" in name else "DejaVuSans.ttf")


@lru_cache(maxsize=512)
def face(family: str, size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """A family's face at a size in pixels."""
    return ImageFont.truetype(font_file(FAMILIES[family][bold]), size)


@dataclass(frozen=True)
class Block:
    """Rows of one kind: heading, lines, fields, bullets, numbers, prices (left and right), table (its header first)."""

    kind: str
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        return "".join(text for text, _ in self.pieces())

    def pieces(self) -> list[tuple[str, bool]]:
        """Its Markdown in pieces, and whether each is printed: marks of points and numbers are."""
        pieces: list[tuple[str, bool]] = []
        for number, row in enumerate(self.rows):
            between, end = " ", ""
            if self.kind == "table":
                pieces.append(("| ", False))
                between, end = " | ", " |"
            elif self.kind == "heading":
                pieces.append(("# ", False))
            elif self.kind in ("bullets", "numbers"):
                pieces += [("-" if self.kind == "bullets" else f"{number + 1}.", True), (" ", False)]
            for cell in row:
                pieces += [(cell, True), (between, False)]
            pieces[-1] = (end, False)
            if self.kind == "table" and number == 0:
                pieces.append(("\n|" + "---|" * len(row), False))
            pieces.append(("\n", False))
        return pieces[:-1]


@dataclass(frozen=True)
class Style:
    """How a page is set; lengths in pixels."""

    family: str
    size: int
    bold: bool
    margin: int
    pitch: int  # from line to line
    gap: int  # between blocks
    heading: int  # size
    centered: bool  # headings
    aligned: bool  # the values of fields, one below the other
    strong: bool  # labels and table headers in bold
    rules: int  # 0 none, 1 below the header and above the total, 2 a whole grid
    bullet: str


def draw_style(random: Random, size: int) -> Style:
    return Style(
        family=random.choice(list(FAMILIES)),
        size=size,
        bold=random.random() < 0.1,
        margin=random.randint(4, 14),
        pitch=round(size * random.uniform(1.22, 1.5)),
        gap=round(size * random.uniform(0.7, 1.1)),
        heading=round(size * random.uniform(1.15, 1.4)),
        centered=random.random() < 0.3,
        aligned=random.random() < 0.35,
        strong=random.random() < 0.35,
        rules=random.choice([0, 1, 1, 2]),
        bullet=random.choice("••-*"),
    )


Run = tuple[float, float, str, ImageFont.FreeTypeFont]  # left, top, text, face
Line = tuple[float, float, float, float]


def _table(block: Block, style: Style, top: float, body: ImageFont.FreeTypeFont) -> tuple[list[Run], list[Line]]:
    """Words to the left, numbers to the right of their column; columns as wide as they must be."""
    head = face(style.family, style.size, style.strong or style.bold)
    pad = style.size * 0.45
    columns = list(zip(*block.rows, strict=True))
    spans = [max(head.getlength(cells[0]), *map(body.getlength, cells[1:])) + 2 * pad for cells in columns]
    lefts = [style.margin + sum(spans[:i]) for i in range(len(spans) + 1)]
    runs: list[Run] = []
    for i, row in enumerate(block.rows):
        type_ = body if i else head
        for j, text in enumerate(row):
            room = spans[j] - 2 * pad - type_.getlength(text)
            runs.append((lefts[j] + pad + (room if j else 0), top + i * style.pitch, text, type_))
    rise = (style.pitch - style.size) * 0.45
    levels = [top + i * style.pitch - rise for i in range(len(block.rows) + 1)]
    across = levels if style.rules == 2 else levels[1:2] * style.rules
    lines: list[Line] = [(lefts[0], y, lefts[-1], y) for y in across]
    if style.rules == 2:
        lines += [(x, levels[0], x, levels[-1]) for x in lefts]
    return runs, lines


def _rows(block: Block, style: Style, top: float, width: int, body: ImageFont.FreeTypeFont) -> list[Run]:
    left, right = style.margin, width - style.margin
    label = face(style.family, style.size, style.strong or style.bold)
    column = max(label.getlength(row[0] + " ") for row in block.rows)
    runs: list[Run] = []
    for i, row in enumerate(block.rows):
        y = top + i * style.pitch
        if block.kind == "heading":
            title = face(style.family, style.heading, True)
            runs.append(((width - title.getlength(row[0])) / 2 if style.centered else left, y, row[0], title))
        elif block.kind == "fields":
            across = column if style.aligned else label.getlength(row[0] + " ")
            runs += [(left, y, row[0], label), (left + across, y, row[1], body)]
        elif block.kind == "prices":
            runs += [(left, y, row[0], body), (right - body.getlength(row[1]), y, row[1], body)]
        elif block.kind in ("bullets", "numbers"):
            mark = style.bullet if block.kind == "bullets" else f"{i + 1}."
            runs += [(left, y, mark, body), (left + body.getlength(mark + " ") + style.size * 0.2, y, row[0], body)]
        else:
            runs.append((left, y, row[0], body))
    return runs


def print_page(
    random: Random, blocks: list[Block], style: Style, width: int, height: int
) -> tuple[Image.Image, list[Letter]] | None:
    """The page (width x height pixels) and where its letters are, or None where the blocks do not fit."""
    body = face(style.family, style.size, style.bold)
    runs: list[Run] = []
    lines: list[Line] = []
    top: float = style.margin
    for block in blocks:
        if block.kind == "table":
            more, rules = _table(block, style, top, body)
            lines += rules
        else:
            more = _rows(block, style, top, width, body)
        if block.kind == "prices" and style.rules:
            y = more[-1][1] - (style.pitch - style.size) * 0.4
            lines.append((style.margin, y, width - style.margin, y))
            # A name that runs into its price would be unreadable.
            if any(a[0] + body.getlength(a[2]) > b[0] - style.size for a, b in zip(more[::2], more[1::2], strict=True)):
                return None
        runs += more
        top += style.pitch * len(block.rows) + (style.heading - style.size) * (block.kind == "heading") + style.gap
    spare = height - style.margin - (top - style.gap)
    wide = max([x + type_.getlength(text) for x, _, text, type_ in runs] + [x for _, _, x, _ in lines])
    if spare < 0 or wide > width - min(style.margin, 6):
        return None
    down = random.uniform(0, spare) if random.random() < 0.4 else 0
    runs = [(round(x), round(y + down), text, type_) for x, y, text, type_ in runs]
    page = _print(random, runs, [(a, b + down, c, d + down) for a, b, c, d in lines], width, height)
    return page, _letters(runs, width, height)


X_HEIGHT = 0.5  # of the size of the print, about the same in all of the families


def _letters(runs: list[Run], width: int, height: int) -> list[Letter]:
    """The characters of runs, without the blanks. Runs at one height are a line, from the left, with gaps between."""
    lines = sorted({y for _, y, _, _ in runs})
    ends = dict.fromkeys(lines, -1)  # of each line so far, in columns
    middles: dict[float, float] = {}  # of lines: the first run's is that of all
    letters = []
    for x, y, text, type_ in runs:
        begin, ends[y] = ends[y] + 1, ends[y] + 1 + len(text)
        middle = middles.setdefault(y, y + type_.getmetrics()[0] - type_.size * X_HEIGHT / 2)
        widths = [type_.getlength(text[:i]) for i in range(len(text) + 1)]
        letters += [
            Letter(one, (x + (widths[i] + widths[i + 1]) / 2) / width, middle / height, lines.index(y), begin + i)
            for i, one in enumerate(text)
            if one != " "
        ]
    return letters


def _print(random: Random, runs: list[Run], lines: list[Line], width: int, height: int) -> Image.Image:
    light = random.choice([255, 255, random.randint(215, 250)])
    tint = 0 if light == 255 else 15
    paper = [light - random.randint(0, tint) for _ in range(3)]
    ink = [random.randint(0, 70)] * 3 if random.random() < 0.7 else [random.randint(0, 110) for _ in range(3)]
    if random.random() < 0.06:
        paper, ink = [255 - v for v in paper], [255 - v for v in ink]
    page = Image.new("RGB", (width, height), tuple(paper))
    pen = ImageDraw.Draw(page)
    for line in lines:
        pen.line([round(v) for v in line], fill=tuple((a + b) // 2 for a, b in zip(paper, ink, strict=True)))
    for x, y, text, type_ in runs:
        pen.text((x, y), text, font=type_, fill=tuple(ink))
    if random.random() < 0.15:
        page = page.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.55)))
    if random.random() < 0.25:
        noise = np.random.default_rng(random.getrandbits(32))
        grain = noise.standard_normal((height, width, 1), dtype=np.float32) * np.float32(random.uniform(2, 9))
        page = Image.fromarray((np.asarray(page) + grain).clip(0, 255).astype(np.uint8))
    return page
