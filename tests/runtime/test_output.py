"""The output grammar: thought, answer, tool calls; in any pieces; never half a tag or half a character."""

from __future__ import annotations

from random import Random

import pytest

from ernie_cli.messages import Answer, Note, Thinking, ToolCall
from ernie_cli.runtime.output import OutputGrammar, Piece

CALL = '<tool_call>\n{"name": "image_zoom_in_tool", "arguments": {"bbox_2d": [1, 2, 3, 4]}}\n</tool_call>\n'


def read(text: str, cuts: list[int], *, thinking: bool = True) -> list[Piece]:
    grammar = OutputGrammar(thinking=thinking)
    data = text.encode()
    pieces: list[Piece] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        pieces += grammar.feed(data[start:end])
    return [*pieces, *grammar.finish()]


def joined(pieces: list[Piece]) -> tuple[str, str]:
    thought = "".join(piece.text for piece in pieces if isinstance(piece, Thinking))
    return thought, "".join(piece.text for piece in pieces if isinstance(piece, Answer))


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("It is red.\n</think>\n\nred", "It is red.", "red"),
        ("It is red.</think>red\n\n", "It is red.", "red"),
        ("Cut off in the thought", "Cut off in the thought", ""),
        ("\n</think>\n\nno thought", "", "no thought"),
        ("a < b and </thin air\n</think>\n\n1 < 2", "a < b and </thin air", "1 < 2"),
        ("t\n</think>\n\n<response>\nwrapped\n</response>", "t", "wrapped"),
        ("t\n</think>\n\nline one\n\nline two", "t", "line one\n\nline two"),
        ("日本\n</think>\n\n赤い円 🙂", "日本", "赤い円 🙂"),
        ("t\n</think>\n\nends in a <", "t", "ends in a <"),
        ("t</think>Write `<response>x</response>` or `<think>`.", "t", "Write `<response>x</response>` or `<think>`."),
    ],
)
def test_every_way_of_cutting_gives_the_same(text: str, thought: str, answer: str) -> None:
    size = len(text.encode())
    assert joined(read(text, [])) == (thought, answer)
    assert joined(read(text, list(range(1, size)))) == (thought, answer)
    random = Random(7)
    for _ in range(50):
        cuts = sorted(random.sample(range(1, size), random.randint(1, min(6, size - 1))))
        assert joined(read(text, cuts)) == (thought, answer)


def test_no_piece_shows_part_of_a_tag_or_of_a_character() -> None:
    text = "日本 think\n</think>\n\n<response>円 x</response>"
    for piece in read(text, list(range(1, len(text.encode())))):
        assert isinstance(piece, Thinking | Answer)
        assert not {"<", "\ufffd", "/"} & set(piece.text)


def test_text_is_let_through_as_it_comes() -> None:
    grammar = OutputGrammar()
    assert list(grammar.feed(b"It is")) == [Thinking("It is")]
    assert list(grammar.feed(b" red.\n</th")) == [Thinking(" red.")]
    assert list(grammar.feed(b"ink>\n\nblue")) == [Answer("blue")]


def test_tool_calls_are_read_and_text_before_them_is_answer() -> None:
    pieces = read(f"Look closer.\n</think>\n\nOne moment.\n{CALL}", [])
    assert pieces == [
        Thinking("Look closer."),
        Answer("One moment."),
        ToolCall("image_zoom_in_tool", {"bbox_2d": [1, 2, 3, 4]}),
    ]


@pytest.mark.parametrize("bad", ["<tool_call>{nope}</tool_call>", "<tool_call>[1]</tool_call>", "<tool_call>{"])
def test_a_broken_tool_call_is_told_of(bad: str) -> None:
    (note,) = read(f"t</think>{bad}", [])[1:]
    assert isinstance(note, Note)


def test_without_thinking_all_is_answer() -> None:
    assert joined(read("plain answer", [], thinking=False)) == ("", "plain answer")


def test_an_incomplete_character_at_the_end_is_replaced() -> None:
    grammar = OutputGrammar(thinking=False)
    pieces = [*grammar.feed("é".encode()[:1]), *grammar.finish()]
    assert pieces == [Answer("\ufffd")]
