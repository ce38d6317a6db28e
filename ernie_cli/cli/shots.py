"""What `ernie video` does without a model: shots and cuts, rows to print, sampled frames as files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_cli.cli import segment_files as files
from ernie_cli.cli.files import make_folder, save_picture
from ernie_cli.times import stamp

if TYPE_CHECKING:
    from ernie_cli.cli.output import Output
    from ernie_cli.media.clips import Clip, Sample
    from ernie_cli.tasks.results import ClipInfo, CutsResult, SegmentInfo

PER_ROW = 6


def clip_info(clip: Clip) -> ClipInfo:
    """A clip as results speak of it."""
    from ernie_cli.tasks.results import ClipInfo

    return ClipInfo(
        path=clip.name,
        duration_s=round(clip.duration_s, 3),
        width=clip.size[0],
        height=clip.size[1],
        frames=len(clip.times),
    )


def short_name(clip: Clip) -> str:
    """A name for a line that has no room to spare."""
    name = Path(clip.name).name
    return name if len(name) <= 24 else f"{name[:23]}…"


def watched_cuts(clip: Clip, output: Output) -> list[float]:
    """The cuts, with a line that says how far it is."""
    from ernie_cli.media.cuts import find_cuts

    with output.ticker() as ticker:
        return find_cuts(
            clip,
            clip.span,
            lambda place: ticker.tell(f"{short_name(clip)}: cuts, frame {place + 1} of {len(clip.times)}"),
        )


def cuts_result(clip: Clip, output: Output) -> CutsResult:
    """The cuts of a clip, and the shots between them."""
    from ernie_cli.tasks.results import CutInfo, CutsResult, segment_info

    cuts = watched_cuts(clip, output)
    edges = [clip.span.start_s, *cuts, clip.span.end_s]
    shots = [
        segment_info(start, end, f"shot {number}", clip.interval_s)
        for number, (start, end) in enumerate(pairwise(edges), 1)
    ]
    return CutsResult(
        input=clip_info(clip),
        cuts=tuple(CutInfo(time_s=round(time, 3), time=stamp(time)) for time in cuts),
        segments=tuple(shots),
        notes=tuple(clip.notes),
    )


def cut_rows(result: CutsResult) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Column names and a row for each cut."""
    return ("cut",), [(cut.time,) for cut in result.cuts]


def segment_rows(segments: Sequence[SegmentInfo]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Column names and a row for each segment."""
    rows = [(one.start, one.end, f"{one.resolution_s:.2g} s", one.label) for one in segments]
    return ("start", "end", "known to", "label"), list(rows)


def write_sample(stem: str, sample: Sample, folder: Path | None, sheet: Path | None, output: Output) -> None:
    """Sampled frames as PNG files, whose names begin with the `stem`, and as a contact sheet."""
    from ernie_cli.draw.sheet import Row, draw_sheet

    if folder is not None:
        make_folder(folder)
        for time, frame in zip(sample.times, sample.frames, strict=True):
            save_picture(frame, files.frame_path(folder, stem, time))
        output.note(f"{len(sample.frames)} frames written to {folder}.")
    if sheet is not None:
        cells = [(stamp(time), frame) for time, frame in zip(sample.times, sample.frames, strict=True)]
        rows = [Row("", cells[at : at + PER_ROW]) for at in range(0, len(cells), PER_ROW)]
        save_picture(draw_sheet(rows), sheet)
        output.note(f"Written to {sheet}.")
