"""The pages of a PDF, through PDFium: drawn as a viewer would show them, and the text that stands on them.

Forms are drawn with what was filled in, pages turned and cropped as the file says. PDFium is not thread-safe, so
everything here happens under one lock. A page holds the memory of what is drawn of it only while it is drawn; pictures
in it that claim too many pixels are refused before they are decoded.
"""
# pypdfium2 is imported where it is used, so that `ernie --help` stays fast.

from __future__ import annotations

import math
import re
import statistics
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from ernie_cli.errors import InputError
from ernie_cli.media.documents import Document, LockedError, page_numbers
from ernie_cli.media.limits import Limits
from ernie_cli.media.pictures import LoadedPicture

if TYPE_CHECKING:
    from ernie_cli.media.sources import Source

POINTS_PER_INCH = 72
MOST_DPI = 200  # beyond it print does not get easier to read, only larger
MOST_SIDE = 30_000  # pixels; longer ones only a page has that is a thin line
MOST_TEXT = 40_000  # characters of a page
MEASURED = 1_000  # of these, by which the height of its lines is told
MOST_OBJECTS = 100_000  # of a page, that are looked at for pictures

_ANEW = "Open it elsewhere, and save it anew."

_lock = threading.RLock()


class Pdf(Document):
    """An opened PDF."""

    def __init__(self, pdf: Any, source: Source, limits: Limits) -> None:
        super().__init__(source.name, page_numbers(source.part, len(pdf), source.name))
        self._pdf, self._limits = pdf, limits

    @classmethod
    @contextmanager
    def opened(cls, stream: BinaryIO, source: Source, limits: Limits, password: str | None) -> Iterator[Pdf]:
        """Raises `LockedError` for a wrong password, or none, and `InputError` for what is damaged or empty."""
        with _lock:
            pdf = _open(stream, source.name, password)
        try:
            with _lock:
                pdf.init_forms()
                document = cls(pdf, source, limits)
            yield document
        finally:
            with _lock:
                pdf.close()

    def page(self, number: int | None) -> LoadedPicture:
        import pypdfium2

        assert number is not None
        what = f"Page {number} of {self.name}"
        with _lock:
            try:
                with closing(self._pdf[number - 1]) as page:
                    _check_pictures(page, what, self._limits)
                    width, height = page.get_size()
                    scale = scale_of(width, height, self._limits.page_pixels)
                    image = page.render(scale=scale).to_pil()
                    # A bitmap of PDFium's would take its memory along.
                    image = image.convert("RGB").copy()
                text, line = self._text(number)
                return LoadedPicture(image, self.name, page=number, text=text, line_px=line and line * scale)
            except (pypdfium2.PdfiumError, ValueError, MemoryError) as error:
                reason = " ".join(str(error).split()).rstrip(".") or "it takes too much memory"
                raise InputError(f"{what} cannot be drawn: {reason}.", _ANEW) from error

    def _text(self, number: int) -> tuple[str, float | None]:
        """The text layer, with what was filled into forms; empty where there is none, or where it is no text.

        And how high a line of it is, in points, if there is any.
        """
        import pypdfium2

        try:
            with closing(self._pdf[number - 1]) as page:
                if page.formenv is not None:
                    page.flatten()
            with closing(self._pdf[number - 1]) as page, closing(page.get_textpage()) as layer:
                count = min(max(layer.count_chars(), 0), MOST_TEXT)
                text = plain_text(layer.get_text_range(0, count, errors="replace")) if count else ""
                return text, _line_height(layer, count) if text else None
        except pypdfium2.PdfiumError:  # the picture says it too
            return "", None


def _open(stream: BinaryIO, name: str, password: str | None) -> Any:
    import pypdfium2
    import pypdfium2.raw as pdfium

    with suppress(pypdfium2.PdfiumError):
        # For a document without pages PDFium sets no error code, and the last one would be taken for its own.
        pypdfium2.PdfDocument(b"no document")
    try:
        return pypdfium2.PdfDocument(stream, password=password)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            what = "needs a password" if password is None else "has another password than the one given"
            hint = "Give it with --password, or in ERNIE_PASSWORD."
            raise LockedError(f"{name} {what}.", hint) from error
        if error.err_code == pdfium.FPDF_ERR_SECURITY:
            hint = "Open it in the program it was made for, and print it to a PDF."
            raise InputError(f"{name} is protected in a way that is not known here.", hint) from error
        what = "has no pages, or is damaged beyond what can be mended"
        raise InputError(f"{name} {what}.", f"Fetch it again. {_ANEW}") from error


def scale_of(width: float, height: float, most_pixels: int) -> float:
    """Pixels a point, for a page of `width` x `height` points: 200 dpi, or what the pixels allow. Raises ValueError."""
    area, longest = width * height, max(width, height)
    if not (math.isfinite(area) and area > 0):
        raise ValueError("it has no area")
    return min(MOST_DPI / POINTS_PER_INCH, math.sqrt(most_pixels / area), MOST_SIDE / longest)


def _line_height(layer: Any, count: int) -> float | None:
    """How high lines of print mostly are, in points, however they are turned: by the boxes of its first characters."""
    boxes = [layer.get_charbox(place, loose=True) for place in range(min(count, MEASURED))]
    heights = [max(right - left, top - bottom) for left, bottom, right, top in boxes]
    return statistics.median(known) if (known := [height for height in heights if height > 0]) else None


def _check_pictures(page: Any, what: str, limits: Limits) -> None:
    """Raises `InputError` for a picture too large to decode; its size is told without decoding it."""
    import pypdfium2.raw as pdfium

    for seen, found in enumerate(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE])):
        if seen >= MOST_OBJECTS:
            return
        width, height = found.get_px_size()
        if width * height > limits.pixels:
            most = f"{limits.pixels / 1e6:.3g} megapixels"
            hint = "Scale it down first, for example by printing it to another PDF."
            raise InputError(f"{what} holds a picture of more than {most}, the most that is read.", hint)


def plain_text(layer: str) -> str:
    """What PDFium reads of a page, with the line ends of this system, and nothing that cannot be printed.

    Empty if hardly anything of it is text: fonts without a table of their characters read as private or unknown ones.
    """
    text = re.sub(r"[\ufffe\x02]\r?\n?", "", layer).replace("\r\n", "\n").replace("\r", "\n")
    known = "".join(char for char in text if char in "\n\t" or char.isprintable())
    unknown = len(text) - len(known) + sum("\ue000" <= char <= "\uf8ff" or char == "\ufffd" for char in text)
    return "" if unknown * 4 > len(text) else "\n".join(line.rstrip() for line in known.splitlines()).strip()
