"""The standard streams, where whoever started us has closed one or does not read it to its end."""

from __future__ import annotations

import os
import sys
from typing import IO, Any, cast


class _Outlasting:
    """A stream of which nothing is heard any more once its reader has gone: what is told there is not the result."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            return self._leave(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._leave("")

    def _leave(self, text: str) -> int:
        # What is still in the buffer would fail again, at the latest when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return len(text)


def mend() -> None:
    """Makes notes and thoughts that nobody reads, and a closed stdout, no reason to fail."""
    # A stream that was closed before we began (`>&-`) is None, and must not be what fails.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = cast("Any", _Outlasting(sys.stderr or open(os.devnull, "w")))  # noqa: SIM115
