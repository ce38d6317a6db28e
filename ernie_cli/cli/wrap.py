"""Breaks text between words while it is still coming: a terminal by itself breaks it anywhere."""

from __future__ import annotations

import re

# Chinese, Japanese and Korean characters: a line may end behind any of them.
_WIDE = r"\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef"
_PARTS = re.compile(rf"\n|[^\S\n]+|[{_WIDE}]|[^\s{_WIDE}]+")


class Wrap:
    """Takes pieces of a text and gives back what can be printed: a word is held back until its end is known."""

    def __init__(self) -> None:
        self._column = 0
        self._blank = ""  # not printed before it is known whether a word follows on this line
        self._word = ""

    def feed(self, text: str, width: int) -> str:
        """What can be printed now, on lines of `width` cells."""
        parts = _PARTS.findall(self._word + text)
        self._word = parts.pop() if parts and not parts[-1].isspace() else ""
        return "".join(self._placed(part, width) for part in parts)

    def end(self, width: int) -> str:
        """The last word."""
        word, self._word = self._word, ""
        return self._placed(word, width) if word else ""

    def _placed(self, part: str, width: int) -> str:
        from rich.cells import cell_len

        if part == "\n":
            self._column, self._blank = 0, ""
            return part
        if part.isspace():
            self._blank += part
            return ""
        blank, self._blank = self._blank, ""
        if self._column and self._column + cell_len(blank + part) > width:
            self._column, blank = 0, "\n"
        # One that is longer than a line is left to the terminal.
        self._column = (self._column + cell_len(blank.strip("\n") + part) - 1) % width + 1
        return blank + part
