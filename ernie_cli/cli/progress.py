"""How far something is, on stderr: files by their bytes, and the pages of documents.

On a terminal a bar, redrawn in place and gone in the end; elsewhere a line for each file or page that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class Progress:
    """Files that pass, a line for each once it has."""

    def __init__(self, note: Callable[[str], None], files: int) -> None:
        self._note, self._files = note, files
        self._begun = self._size = 0
        self._name = ""

    def begin(self, name: str, size: int) -> None:
        """The next file, of `size` bytes."""
        self._begun, self._name, self._size = self._begun + 1, name, size

    def advance(self, size: int) -> None:
        """So many bytes more of it; fewer than none if some have to come again."""

    def end(self) -> None:
        """All of it."""
        from rich.filesize import decimal

        self._note(f"[{self._begun}/{self._files}] {self._name}, {decimal(self._size)}")

    def close(self) -> None:
        """Nothing more comes."""


class ByteBar(Progress):
    """One bar on stderr over all files, with the name of the present one."""

    def __init__(self, size: int, console: Console) -> None:
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars
        from rich.table import Column

        name = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=3))
        bar = BarColumn(bar_width=None, table_column=Column(ratio=2, min_width=6))
        columns = (name, bar, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._bars = Bars(*columns, console=console, transient=True, expand=True)
        self._task = self._bars.add_task("", total=size)
        self._before = self._size = 0
        self._bars.start()

    def begin(self, name: str, size: int) -> None:
        self._size = size
        self._bars.update(self._task, description=name)

    def advance(self, size: int) -> None:
        self._bars.advance(self._task, size)

    def end(self) -> None:
        # What came out of the cache was never counted, and what came twice was counted twice.
        self._before += self._size
        self._bars.update(self._task, completed=self._before)

    def close(self) -> None:
        self._bars.stop()


class Pages:
    """Pages that pass, a line for each once it has."""

    def __init__(self, note: Callable[[str], None], pages: int) -> None:
        self._note, self._pages = note, pages
        self._done = 0

    def begin(self, name: str) -> None:
        """The next page."""

    def end(self, name: str) -> None:
        """All of it."""
        self._done += 1
        if self._pages > 1:
            self._note(f"[{self._done}/{self._pages}] {name}")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Something else may be printed for a while."""
        yield

    def close(self) -> None:
        """Nothing more comes."""


class PageBar(Pages):
    """One bar on stderr over all pages, with the name of the present one."""

    def __init__(self, pages: int, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.table import Column

        name = TextColumn(
            "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=3)
        )
        bar = BarColumn(bar_width=None, table_column=Column(ratio=2, min_width=6))
        columns = (name, bar, MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        # Left to itself, rich would send what is printed to stdout the same way as the bar: to stderr.
        self._bars = Progress(
            *columns, console=console, transient=True, expand=True, redirect_stdout=False, redirect_stderr=False
        )
        self._task = self._bars.add_task("", total=pages)
        self._bars.start()

    def begin(self, name: str) -> None:
        self._bars.update(self._task, description=name)

    def end(self, name: str) -> None:
        self._bars.advance(self._task)

    @contextmanager
    def aside(self) -> Iterator[None]:
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()

    def close(self) -> None:
        self._bars.stop()
