"""A conversation as the text the model was trained on, with a slot where each picture or video stands.

The format is that of a logged prompt of ERNIE-4.5-VL-28B-A3B-Thinking and of Baidu's published chat template:

    <|begin_of_sentence|>{system}\\nUser:  Picture 1:<|IMAGE_START|>...<|IMAGE_END|>{text}\\nAssistant: \\n<think>\\n

Pictures and videos are numbered apart, over the whole conversation. This module knows no token ids and no pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ernie_cli.messages import Message, Picture, Text, Video
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


def render(messages: Sequence[Message], *, thinking: bool = True) -> list[Piece]:
    """The whole prompt, ending where the model goes on: inside an open thought, or after a closed empty one."""
    turns = list(messages)
    system: list[Piece] = [Literal(DEFAULT_SYSTEM)]
    if turns and turns[0].role == "system":
        system = [Literal(part.text) for part in turns.pop(0).parts if isinstance(part, Text)]
    pieces: list[Piece] = [Markup(BEGIN), *system, Markup("\n")]
    numbers = {Picture: 0, Video: 0}
    for turn in turns:
        if turn.role == "assistant":
            pieces += [Markup("\nAssistant: "), *_content(turn, numbers), Markup(END_OF_TURN)]
        else:
            pieces += [Markup("User: "), *_content(turn, numbers)]
    pieces.append(Markup(f"\nAssistant: \n{THINK}\n" if thinking else f"\nAssistant: \n{THINK}\n\n{END_THINK}\n\n"))
    return pieces


def _content(turn: Message, numbers: dict[type, int]) -> list[Piece]:
    pieces: list[Piece] = []
    for part in turn.parts:
        if isinstance(part, Text):
            pieces.append(Literal(part.text))
            continue
        numbers[type(part)] += 1
        name, start, end = (
            ("Picture", IMAGE_START, IMAGE_END) if isinstance(part, Picture) else ("Video", VIDEO_START, VIDEO_END)
        )
        pieces += [Markup(f" {name} {numbers[type(part)]}:{start}"), Slot(part), Markup(end)]
    return pieces
