"""From a source to the pages of a document: those of a PDF, of a TIFF, or the one that a picture is.

A page is asked for by its number and comes out as an upright RGB picture, of a PDF with the text that stands on it. One
page is in memory at a time. A document counts its pages before any is drawn, so that a range that leads nowhere is told
at once; a page that cannot be drawn is an `InputError` of its own, and the others can still be had. A moment of a clip
passes for a page too.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from ernie_cli.errors import InputError
from ernie_cli.media.kinds import SNIFF_BYTES, Kind, sniff
from ernie_cli.media.limits import Limits
from ernie_cli.media.pictures import LoadedPicture, page_frames, read_picture

if TYPE_CHECKING:
    from ernie_cli.media.sources import Source

_RANGE = re.compile(r"(\d*)\s*(-?)\s*(\d*)")


class LockedError(InputError):
    """A document that needs a password, or another one."""


class Document(ABC):
    """An opened document. `numbers` are the pages that were asked for, from 1, in the order they were named."""

    def __init__(self, name: str, numbers: tuple[int | None, ...]) -> None:
        self.name, self.numbers = name, numbers

    @abstractmethod
    def page(self, number: int | None) -> LoadedPicture:
        """One of its pages. Raises `InputError`."""


class _Still(Document):
    """A picture, or a frame of a clip: a page without a number."""

    def __init__(self, name: str, picture: LoadedPicture) -> None:
        super().__init__(name, (None,))
        self._picture = picture

    def page(self, number: int | None) -> LoadedPicture:
        return self._picture


class _Tiff(Document):
    """A TIFF of several pages."""

    def __init__(self, stream: BinaryIO, source: Source, limits: Limits, frames: list[int]) -> None:
        super().__init__(source.name, page_numbers(source.part, len(frames), source.name))
        self._stream, self._source, self._limits, self._frames = stream, source, limits, frames

    def page(self, number: int | None) -> LoadedPicture:
        assert number is not None
        picture = read_picture(self._stream, self._source, self._limits, self._frames[number - 1])
        return LoadedPicture(picture.image, picture.name, picture.notes, number)


@contextmanager
def open_document(source: Source, limits: Limits, password: str | None = None) -> Iterator[Document]:
    """The document that a source holds, told by its bytes.

    Raises `InputError`; `LockedError` if it needs a password that was not given, or another one.
    """
    if source.part[:2].lower() == "t=":
        from ernie_cli.media.clips import frame_at

        yield _Still(source.name, frame_at(source, limits))
        return
    with source.open(limits) as stream:
        if sniff(stream.read(SNIFF_BYTES)) is Kind.PDF:
            from ernie_cli.media.pdf import Pdf

            with Pdf.opened(stream, source, limits, password) as pdf:
                yield pdf
        elif len(frames := page_frames(stream, limits)) > 1 or (frames and _PAGES.fullmatch(source.part)):
            yield _Tiff(stream, source, limits, frames)
        else:
            yield _Still(source.name, read_picture(stream, source, limits))


_PAGES = re.compile(r"[\d\s,-]+")


def page_numbers(part: str, count: int, name: str) -> tuple[int, ...]:
    """The pages that `3`, `3-5`, `-5`, `3-` or a list of such names, each once, of `count` pages; all for "".

    Raises `InputError` for anything else, and for pages there are not.
    """
    numbers: list[int] = []
    for piece in part.split(",") if part else ["-"]:
        match = _RANGE.fullmatch(piece.strip())
        if match is None or not (match[1] or match[3] or not part):
            hint = f"Write pages as in {name}#3 or {name}#3-5,8."
            raise InputError(f"#{part} names no pages of {name}.", hint)
        first = int(match[1]) if match[1] else 1
        last = int(match[3]) if match[3] else count if match[2] else first
        if not 1 <= first <= last <= count:
            pages = "1 page" if count == 1 else f"{count} pages"
            wrong = f"{first}-{last}" if first != last else str(first)
            raise InputError(f"{name} has {pages}, and no #{wrong}.", f"Name pages from 1 to {count}.")
        numbers += range(first, last + 1)
    return tuple(dict.fromkeys(numbers))
