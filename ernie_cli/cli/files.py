"""Files that a command writes: whole or not at all, and refused before any work is done for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from ernie_cli.errors import InputError


def check_writable(*paths: Path | None) -> None:
    """Raises InputError for a file that could not be written, before any work is done for it."""
    for path in paths:
        if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
            raise _not_writable(path, "no such folder, or no permission")


def check_folder(*folders: Path | None) -> None:
    """Raises InputError for a folder that could not be made or written into, before any work is done for it."""
    for folder in folders:
        if folder is None:
            continue
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not there.is_dir():
            raise _not_writable(folder, f"{there} is no folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise _not_writable(folder, "no permission")


def free_name(plain: str, taken: set[str]) -> str:
    """A name, or the first of `plain-2`, `plain-3`, ... that is not taken; it is from now on."""
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}-{number}"
    taken.add(name)
    return name


def write_whole(path: Path, data: str | bytes) -> None:
    """Writes a file whole or not at all: under a temporary name beside it, then renamed. Raises InputError.

    A device or pipe, such as /dev/null, is written to as it is.
    """
    import tempfile

    content = data.encode() if isinstance(data, str) else data
    temporary: Path | None = None
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        # A temporary file is the owner's alone; the result should have the mode any new file gets.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as failed:
        raise _not_writable(path, failed.strerror or str(failed)) from failed
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def save_picture(image: Image, path: Path) -> None:
    """Writes a picture whole; the format is the name's. Raises InputError."""
    import io

    from PIL import Image as Pillow

    from ernie_cli.errors import InputError

    format = Pillow.registered_extensions().get(path.suffix.lower(), "")
    if format not in {"PNG", "JPEG", "WEBP"}:
        raise InputError(f"{path} names no picture format.", "End the name with .png, .jpg or .webp.")
    stream = io.BytesIO()
    try:
        image.save(stream, format)
    except (OSError, ValueError) as failed:  # JPEG and WebP have a largest side
        raise InputError(f"{path} cannot be written as {format}: {failed}.", "End the name with .png.") from failed
    write_whole(path, stream.getvalue())


def make_folder(folder: Path) -> None:
    """The folder, with those above it. Raises InputError."""
    from ernie_cli.errors import InputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise InputError(f"The folder {folder} cannot be made: {failed.strerror}.", "Choose another place.") from failed


def _not_writable(path: Path, why: str) -> InputError:
    from ernie_cli.errors import InputError

    return InputError(f"{path} cannot be written: {why}.", "Choose another place for it.")
