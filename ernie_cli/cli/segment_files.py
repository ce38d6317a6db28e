"""Where `ernie video` puts what it found: text in many formats, pieces of the clip, a contact sheet, frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_cli.cli.files import free_name, make_folder, save_picture
from ernie_cli.cli.output import Output
from ernie_cli.times import stamp

if TYPE_CHECKING:
    from PIL import Image

    from ernie_cli.media.clips import Clip
    from ernie_cli.tasks.results import SegmentInfo

MOST_ROWS = 100


class VideoFormat(str, Enum):
    """How segments are printed."""

    text = "text"
    json = "json"
    csv = "csv"
    vtt = "vtt"
    srt = "srt"
    edl = "edl"
    chapters = "chapters"
    ffmetadata = "ffmetadata"


# What holds one clip's segments only.
OF_ONE_CLIP = frozenset(set(VideoFormat) - {VideoFormat.text, VideoFormat.json, VideoFormat.csv})


def render(format: VideoFormat, clip: Clip, segments: Sequence[SegmentInfo], output: Output, *, first: bool) -> str:
    """Segments as a file of one of the formats; `first` tells whether a table's header is still to come."""
    from ernie_cli.formats import chapters, edl, segment_table, subtitles

    least_s = clip.interval_s
    if format is VideoFormat.csv:
        return segment_table.to_csv(((clip.name, segment) for segment in segments), header=first)
    if format is VideoFormat.vtt:
        return subtitles.to_vtt(segments, least_s)
    if format is VideoFormat.srt:
        return subtitles.to_srt(segments, least_s)
    if format is VideoFormat.edl:
        return edl.to_edl(segments, clip.rate, Path(clip.name).name)
    if format is VideoFormat.ffmetadata:
        return chapters.to_ffmetadata(segments, least_s)
    for doubt in chapters.youtube_doubts(segments):
        output.note(doubt)
    return chapters.to_youtube(segments)


# ------------------------------------------------------------------------------------------------ pieces


def cut_pieces(
    clip: Clip, segments: Sequence[SegmentInfo], folder: Path, stem: str, output: Output, *, exact: bool
) -> None:
    """A file in the folder for each segment, whole or not at all; its name begins with the `stem`."""
    from ernie_cli.media import cutting
    from ernie_cli.media.sampling import Span

    make_folder(folder)
    with output.ticker() as ticker:
        for number, segment in enumerate(segments, 1):
            ticker.tell(f"Cutting piece {number} of {len(segments)}")
            name = f"{stem}-{number:02}-{_slug(segment.label)}{cutting.suffix(clip.name, exact)}"
            path, temporary = folder / name, folder / f".{name}"
            try:
                piece = cutting.cut(clip, Span(segment.start_s, segment.end_s), temporary, exact=exact)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            early = segment.start_s - piece.span.start_s
            if early > clip.interval_s / 2:
                output.note(f"{path} begins {early:.2f} s early, at a key frame; --exact begins on the frame.")
            else:
                output.note(f"Written to {path}.")


# ------------------------------------------------------------------------------------------------ pictures


def write_sheet(clip: Clip, segments: Sequence[SegmentInfo], path: Path, output: Output, *, shots: bool) -> None:
    """A contact sheet: a row for each segment with its first, middle and last frame; of shots only the middle."""
    from ernie_cli.draw.sheet import Row, draw_sheet

    shown = list(segments[:MOST_ROWS])
    if len(segments) > len(shown):
        output.note(f"The sheet shows the first {MOST_ROWS} of {len(segments)} segments.")
    wanted = [[_middle(one)] if shots else [one.start_s, _middle(one), one.end_s] for one in shown]
    images = _frames(clip, [time for times in wanted for time in times], small=True)
    rows = []
    for segment, times in zip(shown, wanted, strict=True):
        cells = dict.fromkeys(_nearest(images, time) for time in times)
        label = f"{segment.start} – {segment.end}   {segment.label}"
        rows.append(Row(label, [(stamp(time), images[time]) for time in cells]))
    if shots:
        cells_of_all = [
            (f"{row.cells[0][0]}   {one.label}", row.cells[0][1]) for row, one in zip(rows, shown, strict=True)
        ]
        rows = [Row("", cells_of_all[at : at + 4]) for at in range(0, len(cells_of_all), 4)]
    if not rows:
        output.note(f"Nothing to show: {path} was not written.")
        return
    save_picture(draw_sheet(rows), path)
    output.note(f"Written to {path}.")


def write_frames(clip: Clip, segments: Sequence[SegmentInfo], folder: Path, stem: str, output: Output) -> None:
    """The first, middle and last frame of each segment, as PNG files named by the `stem` and their time."""
    make_folder(folder)
    times = [time for one in segments for time in (one.start_s, _middle(one), one.end_s)]
    count = 0
    from ernie_cli.media.clips import frame_near

    for time, image in frame_near(clip, times):
        save_picture(image, frame_path(folder, stem, time))
        count += 1
    output.note(f"{count} frames written to {folder}.")


def frame_path(folder: Path, stem: str, time: float) -> Path:
    """Where a frame goes: the time in its name has no colons, which some systems refuse."""
    return folder / f"{stem}_{stamp(time).replace(':', '-')}.png"


def _frames(clip: Clip, times: Sequence[float], *, small: bool) -> dict[float, Image.Image]:
    from ernie_cli.draw.sheet import CELL
    from ernie_cli.media.clips import frame_near

    found = {}
    for time, image in frame_near(clip, times):
        if small:
            image.thumbnail((2 * CELL, 2 * CELL))
        found[time] = image
    return found


def _nearest(images: dict[float, Image.Image], time: float) -> float:
    return min(images, key=lambda shown: abs(shown - time))


def _middle(segment: SegmentInfo) -> float:
    return (segment.start_s + segment.end_s) / 2


def stem_of(clip: Clip, taken: set[str]) -> str:
    """How the names of a clip's files begin: as its own, and differently from those of all others of the run."""
    return free_name(_slug(Path(clip.name.split(" and ")[0]).stem) or "clip", taken)


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:60] or "piece"
