"""One line on stderr that says how far a long work is: redrawn on a terminal, now and then a note elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status

EVERY_S = 30.0


class Ticker:
    """`status` is a line that can be redrawn; without one, `note` is told at most every `EVERY_S` seconds."""

    def __init__(self, status: Status | None, note: Callable[[str], None]) -> None:
        self._status, self._note = status, note
        self._told = time.monotonic()
        if status is not None:
            status.start()

    def tell(self, text: str) -> None:
        """How far it is."""
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(text, "dim", no_wrap=True, overflow="ellipsis"))
        elif time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            self._note(text)

    def close(self) -> None:
        """Takes the line away."""
        if self._status is not None:
            self._status.stop()
