"""The shapes that leave the program as JSON. `ernie schema NAME` prints their JSON Schemas."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ernie_cli.messages import Finish, FinishReason
from ernie_cli.tasks.ground import Box, Point
from ernie_cli.times import stamp


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


class Preview(Printed):
    """`--dry-run --format json` of every command that asks the model: what would be sent."""

    model: str
    prompt: str = Field(description="With each picture's tokens counted instead of written out.")


class PictureInfo(InputInfo):
    """A picture, a page of a document (from 1) or a frame of a clip (in seconds) that was looked at."""

    page: int | None = None
    time_s: float | None = None


class GroundResult(Envelope):
    """`ernie ground --format json`: boxes or, with `--points`, points; the other is null."""

    command: Literal["ground"] = "ground"
    input: PictureInfo
    query: str
    boxes: tuple[Box, ...] | None = None
    points: tuple[Point, ...] | None = None
    complete: bool = Field(default=True, description="False if the answer was cut off: there may be more.")
    dropped: int = Field(default=0, description="Things of the answer without area, repeated, or unreadable.")
    tiles: int = Field(default=1, description="How many parts of the picture were looked at.")
    notes: tuple[str, ...] = ()


class PageInfo(Result):
    """A page of a document. One that could not be read has an `error`, and nothing else."""

    page: int | None = Field(description="From 1; null for a picture, which has no pages.")
    width: int = Field(description="Of the picture that was made of the page, in pixels.")
    height: int
    markdown: str | None = None
    data: Any = Field(default=None, description="With --schema and --per-page.")
    text_layer: bool = Field(default=False, description="Whether the document's own text was shown to the model.")
    complete: bool = Field(default=True, description="False if the answer was cut off.")
    problems: tuple[str, ...] = Field(default=(), description="What is doubtful about it, a sentence each.")
    error: str | None = None


class DocumentInfo(Result):
    """A document, and how many of its pages were to be read."""

    path: str
    pages: int


class DocResult(Envelope):
    """`ernie doc --format json`."""

    command: Literal["doc"] = "doc"
    input: DocumentInfo
    pages: tuple[PageInfo, ...]
    question: str | None = None
    answer: str | None = Field(default=None, description="To the question.")
    data: Any = Field(default=None, description="With --schema: the fields of the whole document.")
    problems: tuple[str, ...] = Field(
        default=(), description="What is doubtful about the answer or the data, a sentence each."
    )
    notes: tuple[str, ...] = ()
    thinking: str = ""


class AxisInfo(Result):
    """What a column of a chart counts, and in what, as far as its name says so."""

    name: str
    unit: str | None


class ChartInfo(Result):
    """A chart as a table; `rows` are (rows, columns), a cell that is not known is null."""

    type: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    axes: tuple[AxisInfo, ...] = Field(description="One for each column.")


class ChartResult(Envelope):
    """`ernie chart --format json`."""

    command: Literal["chart"] = "chart"
    input: PictureInfo
    chart: ChartInfo | None = Field(description="The first chart; null if there is none, or a question was asked.")
    charts: tuple[ChartInfo, ...] = Field(description="All charts of the picture.")
    question: str | None = None
    answer: str | None = Field(default=None, description="To the question.")
    notes: tuple[str, ...] = ()
    thinking: str = ""


class ClipInfo(Result):
    """A clip that was looked at; its size in pixels as a person sees it."""

    path: str
    duration_s: float
    width: int
    height: int
    frames: int


class SegmentInfo(Result):
    """When something happens, in seconds from the clip's first frame, and the same as a clock."""

    start_s: float
    end_s: float
    start: str = Field(description="HH:MM:SS.sss")
    end: str = Field(description="HH:MM:SS.sss")
    label: str
    resolution_s: float = Field(description="The edges are known to this many seconds.")


class VideoResult(Envelope):
    """`ernie video --format json`."""

    command: Literal["video"] = "video"
    input: ClipInfo
    query: str = Field(description="The question, or what was to be found.")
    answer: str | None = Field(default=None, description="Without --find.")
    segments: tuple[SegmentInfo, ...] = ()
    resolution_s: float | None = Field(
        default=None, description="The coarsest of the segments'; with none, of the look."
    )
    complete: bool = Field(default=True, description="False if it was interrupted, or an answer was cut off.")
    notes: tuple[str, ...] = ()
    thinking: str = ""


class CutInfo(Result):
    """The first frame of a new shot."""

    time_s: float
    time: str = Field(description="HH:MM:SS.sss")


class CutsResult(Printed):
    """`ernie video --cuts --format json`: no model is asked."""

    command: Literal["video --cuts"] = "video --cuts"
    input: ClipInfo
    cuts: tuple[CutInfo, ...]
    segments: tuple[SegmentInfo, ...] = Field(description="The shots between the cuts.")
    notes: tuple[str, ...] = ()


def segment_info(start_s: float, end_s: float, label: str, resolution_s: float) -> SegmentInfo:
    """A segment with its times written out, all to the millisecond."""
    return SegmentInfo(
        start_s=round(start_s, 3),
        end_s=round(end_s, 3),
        start=stamp(start_s),
        end=stamp(end_s),
        label=label,
        resolution_s=round(resolution_s, 4),
    )


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


class QuantizeResult(Printed):
    """`ernie models quantize --format json`."""

    command: Literal["models quantize"] = "models quantize"
    name: str
    precision: Literal["int8", "nf4"]
    path: str
    bytes: int = Field(description="Those of the weights written.")
    source_bytes: int = Field(description="Those of the weights read.")


class CheckInfo(Result):
    """One thing that `ernie doctor` looked at."""

    name: str
    state: Literal["ok", "missing", "broken"] = Field(description="missing: the rest works without it.")
    found: str
    fix: str = Field(default="", description="What to do, unless it is ok.")


class WayInfo(Result):
    """The full model at one precision: what it takes, and whether this machine can run it."""

    precision: Literal["bf16", "int8", "nf4"]
    weights_bytes: int
    needed_bytes: int = Field(description="Weights, KV cache, vision and workspace for a page and 8,192 tokens.")
    fits: bool
    where: str | None
    context: int = Field(description="The most tokens of prompt and answer; 0 if it does not fit.")


class DoctorResult(Printed):
    """`ernie doctor --format json`."""

    command: Literal["doctor"] = "doctor"
    checks: tuple[CheckInfo, ...]
    model: str = Field(description="The model that `ways` are about.")
    ways: tuple[WayInfo, ...]


def envelope_of(finish: Finish) -> dict[str, object]:
    """The fields that every result takes from how an answer finished."""
    usage, timing = finish.usage, finish.timing
    return {
        "model": finish.model,
        "finish": finish.reason,
        "usage": UsageInfo(**vars(usage)),
        "timing": TimingInfo(**vars(timing)),
    }
