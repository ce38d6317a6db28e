"""Inputs one after the other: one that fails is told and passed over, and the exit code says so in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from ernie_cli.errors import EXIT_BATCH_FAILURES, EXIT_CUT_OFF, EXIT_NOTHING_FOUND, ErnieError, ModelError, UsageError

if TYPE_CHECKING:
    from ernie_cli.cli.output import Output


class Tally:
    """What became of the inputs of one run, of which each may have parts: a document's pages.

    Where there is only one, its error ends the command as it is, and so does one of the model or of what was asked
    for before anything has come of any: it is the same for all.
    """

    def __init__(self, output: Output, inputs: int) -> None:
        self._output, self._inputs, self.parts = output, inputs, inputs
        self._done = self.failed = self.cut = self.found = 0

    def has(self, parts: int) -> None:
        """One of the inputs has so many parts."""
        self.parts += parts - 1

    @contextmanager
    def one(self, name: str, *, part: bool = False) -> Iterator[None]:
        """Around the work on one input, or a part; an error of it is printed, with its name, and goes no further."""
        try:
            yield
        except ErnieError as error:
            of_all = isinstance(error, ModelError | UsageError) and not self._done
            if of_all or (self.parts if part else self._inputs) == 1:
                raise
            self.failed += 1
            told = error.message if name in error.message else f"{name}: {error.message}"
            self._output.error(ErnieError(told, error.hint))
        else:
            self._done += 1

    def cut_off(self, what: str, hint: str = "--max-tokens allows more.") -> None:
        """Something was cut off; what there is of it was printed."""
        self.cut += 1
        self._output.note(f"{what} {hint}")

    def end(self, *, fail_empty: bool = False) -> None:
        """Ends the command with 8, 6 or, with `fail_empty` and nothing counted in `found`, 7, if one of them is due."""
        if self.failed:
            self._output.note(f"{self.failed} of {self.parts} inputs failed.")
            raise typer.Exit(EXIT_BATCH_FAILURES)
        if self.cut:
            raise typer.Exit(EXIT_CUT_OFF)
        if fail_empty and not self.found:
            raise typer.Exit(EXIT_NOTHING_FOUND)
