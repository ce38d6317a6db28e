"""The shapes that leave the program as JSON. `ernie schema NAME` prints their JSON Schemas."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ernie_cli.messages import Finish, FinishReason


class Result(BaseModel):
    """A shape of output: immutable, and with no field that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InputInfo(Result):
    """A picture that was asked about, and its size in pixels as a person sees it."""

    path: str
    width: int
    height: int


class UsageInfo(Result):
    """Tokens. `image_tokens` are part of `prompt_tokens`."""

    prompt_tokens: int
    image_tokens: int
    reasoning_tokens: int
    answer_tokens: int


class TimingInfo(Result):
    """Seconds: loading the model (0 if it was warm), from the request to the first token, and in all."""

    load_s: float
    first_token_s: float
    total_s: float


class Envelope(Result):
    """What every command's JSON object has."""

    version: Literal[1] = 1
    command: str
    model: str = Field(description="The checkpoint that answered.")
    finish: FinishReason = Field(description="stop: ended by itself; length: cut off; budget, loop: ended for it.")
    usage: UsageInfo
    timing: TimingInfo


class AskResult(Envelope):
    """`ernie ask --format json`."""

    command: Literal["ask"] = "ask"
    inputs: tuple[InputInfo, ...]
    question: str
    answer: str
    thinking: str
    data: Any = Field(default=None, description="With --schema: the answer as JSON that fits it.")


def envelope_of(finish: Finish) -> dict[str, object]:
    """The fields that every result takes from how an answer finished."""
    usage, timing = finish.usage, finish.timing
    return {
        "model": finish.model,
        "finish": finish.reason,
        "usage": UsageInfo(**vars(usage)),
        "timing": TimingInfo(**vars(timing)),
    }
