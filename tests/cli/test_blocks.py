"""Where Markdown that is still being written can be cut."""

from __future__ import annotations

import pytest

from ernie_cli.cli.blocks import finished_blocks


@pytest.mark.parametrize(
    ("text", "done", "rest"),
    [
        ("a par", "", "a par"),
        ("one\n\ntw", "one\n\n", "tw"),
        ("one\n\ntwo\n\n", "one\n\ntwo\n\n", ""),
        ("```\ncode\n\nmore", "", "```\ncode\n\nmore"),
        ("```\ncode\n\nmore\n```\n\nnext", "```\ncode\n\nmore\n```\n\n", "next"),
        ("~~~py\n```\n\n~~~\n\nx", "~~~py\n```\n\n~~~\n\n", "x"),
        ("one\n", "", "one\n"),
        ("", "", ""),
    ],
)
def test_blocks_are_cut_at_blank_lines_outside_of_fences(text: str, done: str, rest: str) -> None:
    assert finished_blocks(text) == (done, rest)
