"""From the INPUT arguments of a command to upright RGB pictures.

This room knows paths, globs, URLs, standard input, and picture formats. It knows no model, no torch and no command,
and prints nothing. Whatever a user, a server or a file does wrong leaves it as an `InputError`; a picture that leaves
it is RGB, upright, whole, and within the limits. What reads another kind of input stands beside `pictures.py` and takes
the same `Source`, whose `part` is its own to understand; `open_document` is where it joins in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from ernie_cli.media.documents import Document, LockedError, open_document
from ernie_cli.media.limits import Limits
from ernie_cli.media.pictures import LoadedPicture, open_picture
from ernie_cli.media.sources import Source, resolve

__all__ = [
    "Document",
    "Limits",
    "LoadedPicture",
    "LockedError",
    "Source",
    "load",
    "open_document",
    "open_picture",
    "pictures_of",
    "resolve",
]

_DEFAULT_LIMITS = Limits()


def load(arguments: Sequence[str], *, stdin: BinaryIO, limits: Limits = _DEFAULT_LIMITS) -> Iterator[LoadedPicture]:
    """The pictures that INPUT arguments name, decoded one at a time as they are asked for.

    All names are looked up first, so that a mistyped one is an `InputError` before any work is done.
    """
    sources = resolve(arguments, stdin=stdin, limits=limits)
    return (picture for source in sources for picture in pictures_of(source, limits))


def pictures_of(source: Source, limits: Limits = _DEFAULT_LIMITS) -> Iterator[LoadedPicture]:
    """The pictures of one source, one at a time as they are asked for. Raises `InputError`."""
    with open_document(source, limits) as document:
        for number in document.numbers:
            yield document.page(number)
