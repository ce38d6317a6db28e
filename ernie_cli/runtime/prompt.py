"""A conversation as the text the model was trained on, with a slot where each picture or video stands.

The format is that of a logged prompt of ERNIE-4.5-VL-28B-A3B-Thinking and of Baidu's published chat template:

    <|begin_of_sentence|>{system}\\nUser:  Picture 1:<|IMAGE_START|>...<|IMAGE_END|>{text}\\nAssistant: \\n<think>\\n

Pictures and videos are numbered apart, over the whole conversation. This module knows no token ids and no pixels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ernie_cli.messages import Message, Picture, Text, ToolCall, Video
from ernie_cli.runtime.tokenizer import Literal, Markup

DEFAULT_SYSTEM = (
    "You are a multimodal AI assistant called ERNIE developed by Baidu based on the PaddlePaddle framework."
)
BEGIN = "<|begin_of_sentence|>"
END_OF_TURN = "<|end_of_sentence|>"
END_OF_TEXT = "</s>"
IMAGE_START, IMAGE_END = "<|IMAGE_START|>", "<|IMAGE_END|>"
VIDEO_START, VIDEO_END = "<|VIDEO_START|>", "<|VIDEO_END|>"
IMAGE_PATCH = "<|IMAGE_PLACEHOLDER|>"
THINK, END_THINK = "<think>", "</think>"

CONTROL = (
    *(BEGIN, END_OF_TURN, "<s>", END_OF_TEXT, IMAGE_START, IMAGE_END, VIDEO_START, VIDEO_END, IMAGE_PATCH),
    *("<|VIDEO_PLACEHOLDER|>", "<|image@placeholder|>", "<|video@placeholder|>", THINK, END_THINK),
    *("<tool_call>", "</tool_call>", "<tool_list>", "</tool_list>", "<tool_output>", "</tool_output>"),
)


@dataclass(frozen=True)
class Slot:
    """Where the tokens of a picture or video go."""

    part: Picture | Video


Piece: TypeAlias = Markup | Literal | Slot


def render(messages: Sequence[Message], *, tools: Sequence[dict[str, Any]] = (), thinking: bool = True) -> list[Piece]:
    """The whole prompt, ending where the model goes on: inside an open thought, or after a closed empty one.

    `tools` are OpenAI function objects, written out as Baidu's trainer writes them.
    """
    turns = list(messages)
    system: list[Piece] = [Literal(DEFAULT_SYSTEM)]
    if turns and turns[0].role == "system":
        system = [Literal(part.text) for part in turns.pop(0).parts if isinstance(part, Text)]
    pieces: list[Piece] = [Markup(BEGIN), *system, Markup("\n")]
    if tools:
        listed = ", ".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
        pieces += [Markup("<tool_list>\n"), Literal(f"[{listed}]"), Markup("\n</tool_list>\n")]
    numbers = {Picture: 0, Video: 0}
    for turn in turns:
        content = _content(turn, numbers)
        if turn.role == "assistant":
            pieces += [Markup("\nAssistant: "), *content, Markup(END_OF_TURN)]
        elif turn.role == "tool":
            pieces += [Markup("User: <tool_output>\n"), *content, Markup("\n</tool_output>\n")]
        else:
            pieces += [Markup("User: "), *content]
    pieces.append(Markup(f"\nAssistant: \n{THINK}\n" if thinking else f"\nAssistant: \n{THINK}\n\n{END_THINK}\n\n"))
    return pieces


def opens_thought(pieces: Sequence[Piece]) -> bool:
    """Whether a prompt ends inside an open thought, so that what the model writes first is thought."""
    last = pieces[-1]
    return isinstance(last, Markup) and last.text.rstrip().endswith(THINK)


def call_json(call: ToolCall) -> str:
    """A tool call as the model writes it, between `<tool_call>` and `</tool_call>`."""
    return json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)


def _content(turn: Message, numbers: dict[type, int]) -> list[Piece]:
    pieces: list[Piece] = []
    for part in turn.parts:
        if isinstance(part, Text):
            pieces.append(Literal(part.text))
        elif isinstance(part, ToolCall):
            pieces += [Markup("<tool_call>\n"), Literal(call_json(part)), Markup("\n</tool_call>\n")]
        else:
            numbers[type(part)] += 1
            pieces += _medium(part, numbers[type(part)])
    return pieces


def _medium(part: Picture | Video, number: int) -> list[Piece]:
    if isinstance(part, Picture):
        return [Markup(f" Picture {number}:{IMAGE_START}"), Slot(part), Markup(IMAGE_END)]
    return [Markup(f" Video {number}:{VIDEO_START}"), Slot(part), Markup(VIDEO_END)]
