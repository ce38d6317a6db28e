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
    """Seconds: loading the model (0 if it was warm); then to the first token, and to the last."""

    load_s: float
    first_token_s: float
    total_s: float


class Printed(Result):
    """What every command's JSON object begins with."""

    version: Literal[1] = 1
    command: str


class Envelope(Printed):
    """What the JSON object of every command that asks the model has."""

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


class AskPreview(Result):
    """`ernie ask --dry-run --format json`: what would be sent."""

    version: Literal[1] = 1
    command: Literal["ask"] = "ask"
    model: str
    prompt: str


class PullResult(Printed):
    """`ernie pull --format json`: what a checkpoint's folder now holds; with --dry-run, what it would."""

    command: Literal["pull"] = "pull"
    repo: str
    revision: str = Field(description="The commit.")
    path: str
    files: int
    bytes: int


class ModelInfo(Result):
    """A checkpoint on this machine."""

    name: str
    layout: Literal["hub", "native"]
    precision: str
    bytes: int = Field(description="Those of its folder.")
    revision: str | None = Field(description="The commit, if it lies in the Hugging Face cache.")
    branches: tuple[str, ...] = Field(description="The branches and tags that mean its revision.")
    whole: bool
    path: str


class ModelsResult(Printed):
    """`ernie models list --format json`."""

    command: Literal["models list"] = "models list"
    models: tuple[ModelInfo, ...]


class ShowResult(ModelInfo, Printed):
    """`ernie models show --format json`; null is what `config.json` does not state."""

    command: Literal["models show"] = "models show"
    layers: int | None
    hidden_size: int | None
    experts: tuple[int, ...] = Field(description="For text, then for vision.")
    active_experts: int | None
    shared_experts: int
    vision_layers: int | None
    vision_hidden_size: int | None
    context: int | None
    vocabulary: int | None
    tokenizer: str | None
    chat_template: bool


class ProblemInfo(Result):
    """Something wrong with one file of a checkpoint: what, and what to do."""

    file: str
    what: str
    hint: str


class VerifyResult(Printed):
    """`ernie models verify --format json`."""

    command: Literal["models verify"] = "models verify"
    name: str
    path: str
    deep: bool
    problems: tuple[ProblemInfo, ...]


def envelope_of(finish: Finish) -> dict[str, object]:
    """The fields that every result takes from how an answer finished."""
    usage, timing = finish.usage, finish.timing
    return {
        "model": finish.model,
        "finish": finish.reason,
        "usage": UsageInfo(**vars(usage)),
        "timing": TimingInfo(**vars(timing)),
    }
