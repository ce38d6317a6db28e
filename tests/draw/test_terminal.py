"""Pictures in the terminal: sequences that are what their protocols say, decoded here by other means."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ernie_cli.cli.screen import kind_of
from ernie_cli.draw import terminal


@pytest.fixture
def quarters() -> Image.Image:
    image = Image.new("RGB", (64, 32), (200, 30, 40))
    image.paste((30, 180, 60), (32, 0, 64, 16))
    image.paste((40, 60, 200), (0, 16, 32, 32))
    return image


@pytest.mark.parametrize(
    ("size", "room", "cells"),
    [((640, 480), (80, 40), (80, 30)), ((100, 1000), (80, 20), (4, 20)), ((1000, 10), (80, 20), (80, 1))],
)
def test_a_picture_keeps_its_shape(size: tuple[int, int], room: tuple[int, int], cells: tuple[int, int]) -> None:
    assert terminal.cells_of(size, *room) == cells


def test_kitty(quarters: Image.Image) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8))
    text = terminal.kitty(noise, (20, 10))
    parts = re.findall("\x1b_G([^;]*);([^\x1b]*)\x1b\\\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in parts) + "\n" == text
    assert parts[0][0].startswith("a=T,f=100,q=2,c=20,r=10,m=1")
    assert [keys[-1] for keys, _ in parts] == ["1"] * (len(parts) - 1) + ["0"]
    assert all(len(data) <= 4096 for _, data in parts)
    png = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in parts))))
    assert png.convert("RGB").tobytes() == noise.tobytes()


def test_iterm2(quarters: Image.Image) -> None:
    text = terminal.iterm2(quarters, (20, 10))
    match = re.fullmatch("\x1b\\]1337;File=inline=1;size=(\\d+);width=20;height=10;[^:]*:(.*)\a\n", text)
    assert match
    data = base64.b64decode(match[2])
    assert len(data) == int(match[1])
    assert Image.open(io.BytesIO(data)).convert("RGB").tobytes() == quarters.tobytes()


def decoded(text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Sixel, read by the rules of its manual: repeats, colours, carriage returns and new lines."""
    match = re.fullmatch('\x1bPq"1;1;(\\d+);(\\d+)(.*)\x1b\\\\\n', text, re.DOTALL)
    assert match
    width, height = int(match[1]), int(match[2])
    pixels = np.zeros((-(-height // 6) * 6, width, 3), np.uint8)
    palette: dict[int, tuple[int, ...]] = {}
    x = y = color = 0
    for token in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)([?-~])|([?-~])|([$-])", match[3]):
        if token[1]:
            color = int(token[1])
            if token[2]:
                palette[color] = tuple(round(int(value) * 2.55) for value in token.group(2, 3, 4))
        elif token[8]:
            x, y = 0, y + 6 * (token[8] == "-")
        else:
            for _ in range(int(token[5] or 1)):
                bits, end = ord(token[6] or token[7]) - 63, x + int(token[5] or 1)
            for row in (row for row in range(6) if bits >> row & 1):
                pixels[y + row, x:end] = palette[color]
            x = end
    return pixels[:height]


def test_sixel(quarters: Image.Image) -> None:
    pixels = decoded(terminal.sixel(quarters, (64, 32)))
    assert np.abs(pixels.astype(int) - np.asarray(quarters)).max() <= 4
    odd = decoded(terminal.sixel(quarters, (33, 17)))
    assert odd.shape == (17, 33, 3)


def test_half_blocks(quarters: Image.Image) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=80)
    console.print(terminal.half_blocks(quarters, (64, 16)))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert printed.count("▀") == 64 * 16
    assert len(printed.rstrip("\n").split("\n")) == 16
    assert "38;2;200;30;40;48;2;200;30;40" in printed.split("\n")[0]
    assert "38;2;40;60;200" in printed.split("\n")[8]


@pytest.mark.parametrize(
    ("variables", "said", "kind"),
    [
        ({}, "", "blocks"),
        ({}, "\x1b_Gi=31;OK\x1b\\\x1b[?62;c", "kitty"),
        ({}, "\x1b_Gi=31;EBADF\x1b\\\x1b[?62;4;22c", "sixel"),
        ({}, "\x1b[?64;14;22c", "blocks"),
        ({"TERM_PROGRAM": "iTerm.app"}, "\x1b[?62;4c", "iterm2"),
        ({"LC_TERMINAL": "iTerm2", "TMUX": "/tmp/x"}, "\x1b[?1;2c", "blocks"),
    ],
)
def test_the_kind_of_terminal(variables: dict[str, str], said: str, kind: str) -> None:
    assert kind_of(variables, said) == kind
