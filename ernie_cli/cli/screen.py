"""Which kind of pictures the terminal of stderr can show, and a picture in that kind.

The terminal is asked: kitty's query, then the one for its attributes that every terminal answers (VT100's DA1), so that
silence about the first is an answer too. Only iTerm2, which answers neither, is known by its variables.
"""
# termios is missing on Windows, PIL and rich are heavy: all are imported where they are used.

from __future__ import annotations

import os
import re
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console
    from rich.text import Text

Kind: TypeAlias = Literal["kitty", "iterm2", "sixel", "blocks"]
WAIT_S = 0.3
LEAST_ROWS = 8
CELL = 10, 20  # pixels, where the terminal does not say
_KITTY_QUERY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_ATTRIBUTES_QUERY = "\x1b[c"
_ATTRIBUTES = re.compile(r"\x1b\[\?([\d;]*)c")


def drawn_for(image: Image, console: Console) -> str | Text:
    """The picture as the terminal can show it, in its width and most of its height."""
    from ernie_cli.draw import terminal

    cells = terminal.cells_of(image.size, console.width, max(console.height - 4, LEAST_ROWS))
    kind = kind_of(dict(os.environ), _asked())
    if kind == "kitty":
        return terminal.kitty(image, cells)
    if kind == "iterm2":
        return terminal.iterm2(image, cells)
    if kind == "sixel":
        wide, high = _cell_size()
        share = min(1.0, cells[0] * wide / image.width, cells[1] * high / image.height)
        return terminal.sixel(image, (max(1, int(image.width * share)), max(1, int(image.height * share))))
    return terminal.half_blocks(image, cells)


def kind_of(variables: dict[str, str], said: str) -> Kind:
    """The best kind of a terminal with these variables that `said` this when asked."""
    if "_Gi=31;OK" in said:
        return "kitty"
    if "iTerm" in variables.get("TERM_PROGRAM", "") + variables.get("LC_TERMINAL", "") and "TMUX" not in variables:
        return "iterm2"
    attributes = _ATTRIBUTES.search(said)
    return "sixel" if attributes and "4" in attributes[1].split(";") else "blocks"


@cache
def _asked() -> str:
    """What the terminal says of itself; "" if it cannot be asked, or says nothing in time.

    It is asked once: the next picture need not wait for it, and keys that were typed meanwhile are not taken.
    """
    try:
        import termios
        import tty
    except ImportError:
        return ""
    try:
        with open("/dev/tty", "rb+", buffering=0) as terminal:
            number = terminal.fileno()
            # A job in the background would be stopped for asking.
            if os.tcgetpgrp(number) != os.getpgrp():
                return ""
            before = termios.tcgetattr(number)
            try:
                tty.setcbreak(number, termios.TCSAFLUSH)
                terminal.write((_KITTY_QUERY + _ATTRIBUTES_QUERY).encode())
                return _said(number)
            finally:
                termios.tcsetattr(number, termios.TCSAFLUSH, before)
    except (OSError, termios.error):
        return ""


def _said(number: int) -> str:
    import select

    said, end = "", time.monotonic() + WAIT_S
    while not _ATTRIBUTES.search(said) and (left := end - time.monotonic()) > 0:
        if select.select([number], [], [], left)[0]:
            said += os.read(number, 1024).decode("ascii", "replace")
    return said


def _cell_size() -> tuple[float, float]:
    """Width and height of a cell in pixels."""
    try:
        import array
        import fcntl
        import termios

        sizes = array.array("H", [0, 0, 0, 0])  # rows, columns, width and height in pixels
        fcntl.ioctl(sys.stderr.fileno(), termios.TIOCGWINSZ, sizes)
        rows, columns, width, height = sizes
    except (ImportError, OSError):
        return CELL
    return (width / columns, height / rows) if width and height and rows and columns else CELL
