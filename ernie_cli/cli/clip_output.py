"""What `ernie video` gives back: what was asked for, results as JSON objects, and where each kind of output goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_cli.cli import segment_files as files
from ernie_cli.cli.files import write_whole
from ernie_cli.cli.options import Common
from ernie_cli.cli.output import Output, Reply
from ernie_cli.cli.segment_files import VideoFormat
from ernie_cli.cli.shots import clip_info, cut_rows, segment_rows, write_sample

if TYPE_CHECKING:
    from ernie_cli.cli.finding import ClipAsker
    from ernie_cli.media.clips import Clip, Sample
    from ernie_cli.tasks.results import CutsResult, Printed, SegmentInfo, VideoResult
    from ernie_cli.tasks.search import Search


@dataclass
class Wanted:
    """What was asked for, in so far as it is not shared with other commands."""

    events: list[str]
    cuts: bool
    question: str | None
    resolution_s: float
    once: bool
    format: VideoFormat
    cut: Path | None
    exact: bool
    sheet: Path | None
    frames: Path | None
    fps: float | None
    max_frames: int | None

    @property
    def needs_model(self) -> bool:
        """Whether a model has to look, or only this program."""
        return bool(self.events) or self.question is not None


@dataclass
class ClipOutput:
    """Gives back what was found in one clip after the other; what goes into a file, `write` does at the end."""

    wanted: Wanted
    common: Common
    output: Output
    several: bool = False  # whether answers and rows have to say which clip they are about
    _texts: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)
    _stems: set[str] = field(default_factory=set)
    _begun: bool = False
    _headed: bool = False  # whether the names of the columns were printed

    @property
    def live(self) -> bool:
        """Whether an answer is shown as it comes."""
        return self.wanted.format is VideoFormat.text and self.common.output is None and not self.several

    def named(self, clip: Clip, text: str) -> str:
        """A text that says which of several clips it is about."""
        return f"{clip.name}: {text}" if self.several else text

    def notes(self, clip: Clip, notes: Sequence[str]) -> None:
        """What the user should know, a line each."""
        for note in notes:
            self.output.note(note if clip.name in note else self.named(clip, note))

    def looked(self, clip: Clip, frames: int, more: str) -> None:
        """For those who want to know: how it was looked at."""
        self.output.detail(f"{frames} frames read through {clip.reader or 'Pillow'}; {more}.")

    def print(self, what: Printed | str) -> None:
        """An answer or an object."""
        self._begun = True
        if self.common.output is not None:
            self._texts.append((what if isinstance(what, str) else what.model_dump_json()) + "\n")
        elif isinstance(what, str):
            self.output.text(what)
        else:
            self.output.result(what)

    def segments(self, clip: Clip, result: VideoResult | CutsResult) -> None:
        """What was found, in the format and as all the files asked for; text first, since the rest may fail."""
        wanted, found = self.wanted, result.segments
        if wanted.format is VideoFormat.json:
            self.print(result)
        elif wanted.format is VideoFormat.text:
            self._lines(result)
        else:
            self._formatted(clip, found)
        stem = files.stem_of(clip, self._stems)
        if wanted.cut:
            files.cut_pieces(clip, found, wanted.cut, stem, self.output, exact=wanted.exact)
        if wanted.sheet:
            files.write_sheet(clip, found, wanted.sheet, self.output, shots=wanted.cuts)
        if wanted.frames:
            files.write_frames(clip, found, wanted.frames, stem, self.output)

    def sample(self, clip: Clip, sample: Sample) -> None:
        """The very frames that a question is about, as files and as a sheet, if they were asked for."""
        if self.wanted.frames or self.wanted.sheet:
            write_sample(files.stem_of(clip, self._stems), sample, self.wanted.frames, self.wanted.sheet, self.output)

    def thought(self, thinking: str) -> None:
        """The thought about one clip, for --thinking-file."""
        self._thoughts.append(thinking)

    def write(self) -> None:
        """The file of --output, whole, also if nothing was found; and that of --thinking-file."""
        if self.common.output is not None and self._begun:
            write_whole(self.common.output, "".join(self._texts))
            self.output.note(f"Written to {self.common.output}.")
        if self.common.thinking_file is not None and self._thoughts:
            write_whole(self.common.thinking_file, "\n\n".join(filter(None, self._thoughts)) + "\n")

    def _formatted(self, clip: Clip, found: Sequence[SegmentInfo]) -> None:
        text = files.render(self.wanted.format, clip, found, self.output, first=not self._begun)
        self._begun = True
        if self.common.output is not None:
            self._texts.append(text)
        elif text:
            self.output.text(text.rstrip("\n"))

    def _lines(self, result: VideoResult | CutsResult) -> None:
        """A line for each segment, or for each cut; in a file as on a pipe, but for the header."""
        self._begun = True
        columns, rows = segment_rows(result.segments) if result.command == "video" else cut_rows(result)
        if self.several:
            columns, rows = ("clip", *columns), [(result.input.path, *row) for row in rows]
        if self.common.output is not None:
            self._texts += ["\t".join(row) + "\n" for row in rows]
        elif rows:
            self.output.table([""] * len(columns) if self._headed else columns, rows)
            self._headed = True


# ------------------------------------------------------------------------------------------------ results


def answer_result(clip: Clip, question: str, reply: Reply) -> VideoResult:
    """A question's answer."""
    from ernie_cli.tasks.results import VideoResult, envelope_of

    return VideoResult(
        **envelope_of(reply.finish),  # type: ignore[arg-type]
        input=clip_info(clip),
        query=question,
        answer=reply.answer,
        complete=reply.finish.reason != "length",
        notes=tuple(clip.notes),
        thinking=reply.thinking,
    )


def search_result(clip: Clip, asker: ClipAsker, search: Search, *, stopped: bool) -> VideoResult:
    """What a search found, all of it or until it was stopped."""
    from ernie_cli.tasks.results import VideoResult, envelope_of, segment_info

    complete = search.complete and not stopped
    coarsest = max((one.resolution_s for one in search.found), default=asker.coarsest_s)
    return VideoResult(
        **envelope_of(asker.gathered.finish(asker.engine.model, cut=not complete)),  # type: ignore[arg-type]
        input=clip_info(clip),
        query="; ".join(search.events),
        segments=tuple(segment_info(one.start_s, one.end_s, one.event, one.resolution_s) for one in search.found),
        resolution_s=None if coarsest is None else round(coarsest, 4),
        complete=complete,
        notes=(*clip.notes, *asker.notes),
        thinking="\n\n".join(filter(None, asker.gathered.thoughts)),
    )
