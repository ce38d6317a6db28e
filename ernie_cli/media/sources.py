"""From the INPUT arguments of a command to sources: where some bytes are, before anything is decoded.

Everything about names happens here: globs, `-`, URLs, and the part after a `#`. What the bytes are is not asked, and
files and URLs are opened only when a source is read. A name that exists as it stands always wins over reading it as a
glob or as a name with a part.
"""

from __future__ import annotations

import difflib
import errno
import glob
import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urldefrag

from ernie_cli.errors import InputError
from ernie_cli.media import fetch
from ernie_cli.media.limits import MIB, Limits

ALIKE = 0.75  # a slip or another ending; note.md is no way to write nothere.mp4 (0.67)


@dataclass(frozen=True)
class Source:
    """One input. `name` is what to call it, `part` what followed its `#` ("" for all of it).

    `origin` is a path, a URL to be fetched, or the bytes themselves.
    """

    name: str
    part: str
    origin: Path | str | bytes = field(repr=False)

    def open(self, limits: Limits) -> BinaryIO:
        """The bytes as a seekable stream, to be closed by the caller. A URL is fetched anew each time.

        Raises `InputError` if they cannot be had, or if there are none.
        """
        if isinstance(self.origin, Path):
            return _open_file(self.origin, self.name)
        data = fetch.fetch(self.origin, limits) if isinstance(self.origin, str) else self.origin
        if not data:
            raise _empty(self.name)
        return io.BytesIO(data)


def resolve(arguments: Sequence[str], *, stdin: BinaryIO, limits: Limits | None = None) -> list[Source]:
    """The sources that INPUT arguments name, in their order; a glob gives its matches in natural order.

    Raises `InputError` for a name that leads nowhere, and for `-` given twice, at a terminal, or with nothing to read.
    """
    if sum(_split(argument)[0] == "-" for argument in arguments) > 1:
        raise InputError("Standard input (-) is given twice.", "It can be read only once: give - once.")
    sources: list[Source] = []
    for argument in arguments:
        if fetch.is_url(argument):
            sources.append(_from_url(argument))
        elif _split(argument)[0] == "-":
            sources.append(_from_stdin(_split(argument)[1], stdin, limits or Limits()))
        else:
            sources.extend(_from_disk(argument, limits or Limits()))
    return sources


def _from_url(argument: str) -> Source:
    fetch.check_scheme(argument)
    try:
        url, part = urldefrag(argument)
    except ValueError as error:
        raise InputError(f"{argument} is not a valid address.", "Check how the URL is written.") from error
    return Source(fetch.display_name(url), part, url)


def _from_stdin(part: str, stdin: BinaryIO, limits: Limits) -> Source:
    if stdin.isatty():
        raise InputError(
            "Standard input (-) is a terminal.", "Pipe a file into it, as in: cat photo.jpg | ernie ask - …"
        )
    return Source("standard input", part, _read_all(stdin, "Standard input", limits))


def _from_disk(argument: str, limits: Limits) -> Iterator[Source]:
    readings = [(argument, ""), _split(argument)]
    for path, part in readings:
        if _exists(path):
            yield _from_path(path, part, limits)
            return
    for pattern, part in readings:
        matches = [match for match in glob.glob(pattern, recursive=True) if not os.path.isdir(match)]
        if matches:
            yield from (_from_path(match, part, limits) for match in sorted(matches, key=_natural))
            return
    raise _missing(argument, _split(argument)[0])


def _from_path(path: str, part: str, limits: Limits) -> Source:
    name, status = _printable(path), os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{name} is a folder.", f"Give the files in it, for example '{os.path.join(name, '*')}'.")
    if not stat.S_ISREG(status.st_mode):  # a pipe or a device, as <(...) gives them: to be read only once
        return Source(name, part, _read_once(path, name, limits))
    if status.st_size == 0:
        raise _empty(name)
    return Source(name, part, Path(path))


def _split(argument: str) -> tuple[str, str]:
    name, mark, part = argument.rpartition("#")
    return (name, part) if mark else (argument, "")


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except PermissionError as error:
        raise _unreadable(_printable(path), error) from error
    except (OSError, ValueError):  # also a name too long, or one that no file can have
        return False
    return True


def _open_file(path: Path, name: str) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(name, error) from error


def _read_once(path: str, name: str, limits: Limits) -> bytes:
    try:
        with open(path, "rb") as stream:
            return _read_all(stream, name, limits)
    except OSError as error:
        raise _unreadable(name, error) from error


def _read_all(stream: BinaryIO, name: str, limits: Limits) -> bytes:
    data = stream.read(limits.bytes + 1)
    if not data:
        raise _empty(name)
    if len(data) > limits.bytes:
        raise InputError(
            f"{name} gives more than {limits.bytes / MIB:.3g} MiB.", "Save it as a file, and give its path."
        )
    return data


def _natural(path: str) -> tuple[list[tuple[str, int]], str]:
    """A key that sorts page2 before page10."""
    return [(words, int(digits or 0)) for words, digits in re.findall(r"([^0-9]*)([0-9]*)", path)], path


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def _empty(name: str) -> InputError:
    return InputError(f"{name} is empty.", "Check what was to write it.")


def _unreadable(name: str, error: OSError) -> InputError:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return InputError(f"There is no permission to read {name}.", "Change its permissions, or copy it elsewhere.")
    return InputError(f"{name} cannot be read: {error.strerror or error}.", "Check the file and the disk it is on.")


def _missing(argument: str, path: str) -> InputError:
    name = _printable(argument)
    if not argument:
        return InputError("An input has an empty name.", "Check the variable or quotes it came from.")
    if glob.has_magic(path):
        return InputError(f"Nothing matches {name}.", "Check the pattern, and the folder it starts in.")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return InputError(
            f"{name} does not exist, nor does its folder.", "Check the path; it starts at the current folder."
        )
    return InputError(f"{name} does not exist.", _near(path, folder))


def _near(path: str, folder: str) -> str:
    try:
        close = difflib.get_close_matches(os.path.basename(path), os.listdir(folder), n=1, cutoff=ALIKE)
    except OSError:
        close = []
    if not close:
        return "Check the spelling and the current folder."
    return f"Did you mean {_printable(os.path.join(os.path.dirname(path), close[0]))}?"
