"""Values that travel through the house: what is asked (messages) and what comes back (events).

Everything here is a plain immutable value. Nothing in this module opens a file, knows a model or prints; a picture is
already decoded and upright, a video already sampled, when it becomes a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ernie_cli.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "budget", "loop"]


@dataclass(frozen=True)
class Text:
    """Words of a message. Raises UsageError for bytes that a shell handed on and that are no UTF-8."""

    text: str

    def __post_init__(self) -> None:
        try:
            self.text.encode()
        except UnicodeEncodeError as broken:
            hint = "Check the encoding of the terminal or script."
            raise UsageError(f"{self.text!a:.80} is not UTF-8 text.", hint) from broken


@dataclass(frozen=True)
class Picture:
    """A picture as a person sees it: upright, RGB, at its own size in pixels.

    What is `printed` on a page or a chart is to be read: a model may be shown it at another size than other pictures.
    """

    image: Image
    printed: bool = False


@dataclass(frozen=True)
class Video:
    """Frames of a clip, upright RGB and all of one size, with the time of each in seconds from the clip's start."""

    frames: Sequence[Image]
    times: Sequence[float]


@dataclass(frozen=True)
class ToolCall:
    """A call the model wants made, with its arguments as decoded JSON. It is an event, and part of the turn after."""

    name: str
    arguments: dict[str, Any]


Part: TypeAlias = Text | Picture | Video | ToolCall


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; a `tool` turn holds what a call gave. An earlier thought is never part of one."""

    role: Role
    parts: tuple[Part, ...]


def user(*parts: Part | str) -> Message:
    """A user's turn; bare strings become `Text`."""
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer. `prompt_tokens` counts everything sent, `image_tokens` the part of it that is pictures."""

    prompt_tokens: int = 0
    image_tokens: int = 0
    reasoning_tokens: int = 0
    answer_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.image_tokens + other.image_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.answer_tokens + other.answer_tokens,
        )


@dataclass(frozen=True)
class Timing:
    """Seconds: loading the model, from the request to the first token, and all of it."""

    load_s: float = 0.0
    first_token_s: float = 0.0
    total_s: float = 0.0


@dataclass(frozen=True)
class Thinking:
    """A piece of the thought."""

    text: str


@dataclass(frozen=True)
class Answer:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something the user should know about how the answer came about, in one sentence; a `detail`, if they asked.

    One `of_answer` is about what was answered, not about the model or the machine: it belongs to the result.
    """

    text: str
    detail: bool = False
    of_answer: bool = False


@dataclass(frozen=True)
class Finish:
    """Always the last event of an answer."""

    reason: FinishReason
    model: str
    usage: Usage = field(default_factory=Usage)
    timing: Timing = field(default_factory=Timing)


Event: TypeAlias = Thinking | Answer | ToolCall | Note | Finish
