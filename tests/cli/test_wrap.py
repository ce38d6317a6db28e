from __future__ import annotations

import io
import re
import sys
from random import Random
from textwrap import wrap

import pytest
from rich.cells import cell_len

from ernie_cli.cli.output import Output
from ernie_cli.cli.wrap import Wrap

TEXT = "From the top: 1 yellow ring: no, 2 white triangle: yes, 3 unmistakable rhombicosidodecahedron. Wanted: 2."


def _streamed(text: str, width: int, random: Random) -> str:
    wrapped, out = Wrap(), ""
    while text:
        size = random.randint(1, 9)
        out += wrapped.feed(text[:size], width)
        text = text[size:]
    return out + wrapped.end(width)


@pytest.mark.parametrize("width", [24, 25, 31, 40, 80, 200])
def test_text_in_pieces_is_broken_like_text_that_is_whole(width):
    for seed in range(20):
        assert _streamed(TEXT, width, Random(seed)) == "\n".join(wrap(TEXT, width))


def test_nothing_is_lost_and_lines_of_its_own_stay():
    text = "One line.\n\n  - an indented one\n" + TEXT
    for width in (24, 60):
        shown = _streamed(text, width, Random(width))
        assert shown.split() == text.split()
        assert shown.startswith("One line.\n\n  - an")
        assert max(map(len, shown.splitlines())) <= width


def test_what_is_longer_than_a_line_is_left_to_the_terminal():
    assert _streamed("a " + "b" * 30 + " c", 20, Random(1)) == "a\n" + "b" * 30 + " c"


def test_chinese_is_broken_between_any_two_characters():
    shown = _streamed("图片中有三个形状，红色的圆在左边。", 10, Random(3))
    assert shown.replace("\n", "") == "图片中有三个形状，红色的圆在左边。"
    assert [cell_len(line) for line in shown.splitlines()][:-1] == [10] * (len(shown.splitlines()) - 1)


def test_a_word_is_shown_as_soon_as_it_is_whole():
    wrapped = Wrap()
    assert wrapped.feed("It is ro", 80) == "It is"
    assert wrapped.feed("und", 80) == ""
    assert wrapped.feed(". And", 80) == " round."


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [_Terminal, io.StringIO])
def test_notes_are_broken_between_words_on_a_terminal_and_stay_one_line_elsewhere(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setenv("COLUMNS", "40")
    Output().note(TEXT)
    shown = re.sub(r"\x1b\[[\d;]*m", "", sys.stderr.getvalue()).splitlines()
    assert [line.rstrip() for line in shown] == (wrap(TEXT, 40) if stream is _Terminal else [TEXT])
