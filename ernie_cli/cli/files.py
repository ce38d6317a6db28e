"""Files that a command writes: whole or not at all, and refused before any work is done for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ernie_cli.errors import InputError


def check_writable(*paths: Path | None) -> None:
    """Raises InputError for a file that could not be written, before any work is done for it."""
    for path in paths:
        if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
            raise _not_writable(path, "no such folder, or no permission")


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


def _not_writable(path: Path, why: str) -> InputError:
    from ernie_cli.errors import InputError

    return InputError(f"{path} cannot be written: {why}.", "Choose another place for it.")
