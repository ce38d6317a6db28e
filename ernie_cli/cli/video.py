"""`ernie video`: a question about a clip, or the moments in it, and what other tools make of them."""

# No `from __future__ import annotations` here: Typer wants them as objects, and reading them back from strings is slow.
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ernie_cli.cli.options import OUTPUT, Common, option
from ernie_cli.cli.segment_files import VideoFormat
from ernie_cli.errors import UsageError

if TYPE_CHECKING:
    from ernie_cli.cli.clip_output import Wanted

CLIP, FINDING, GOING_ON = "The clip", "Finding", "Going on from there"
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
HINT = 'Put a question last, or search: ernie video clip.mp4 --find "the red ball appears"'


def video(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="CLIP... [QUESTION]", help="Clips, and what to ask (last) unless --find is given."),
    ],
    *,
    find: Annotated[
        list[str] | None, option(FINDING, "Find when this happens; may be repeated.", "--find", variable=False)
    ] = None,
    cuts: Annotated[bool, option(FINDING, "List the hard cuts; needs no model.", "--cuts", variable=False)] = False,
    resolution: Annotated[
        float,
        option(FINDING, "Look closer until times are known to N seconds; 0: to the frame.", variable=False, min=0),
    ] = 0.5,
    once: Annotated[
        bool, option(FINDING, "Do not look again, in shorter parts, for what is not found.", "--once", variable=False)
    ] = False,
    fail_empty: Annotated[
        bool, option(FINDING, "Exit with 7 if nothing is found.", "--fail-empty", variable=False)
    ] = False,
    fps: Annotated[
        float | None, option(CLIP, "Frames a second to look at; of pictures, how many were taken.", variable=False)
    ] = None,
    max_frames: Annotated[int | None, option(CLIP, "Most frames in one look.", variable=False, min=1)] = None,
    format: Annotated[
        VideoFormat,
        typer.Option(
            "--format", "-f", rich_help_panel=OUTPUT, envvar="ERNIE_FORMAT", show_envvar=False, help="How to print."
        ),
    ] = VideoFormat.text,
    cut: Annotated[
        Path | None,
        option(GOING_ON, "Write what was found as clips into a folder.", "--cut", variable=False, file_okay=False),
    ] = None,
    exact: Annotated[bool, option(GOING_ON, "Cut on the frame (encodes anew).", "--exact", variable=False)] = False,
    sheet: Annotated[
        Path | None, option(GOING_ON, "Draw a contact sheet.", "--sheet", variable=False, dir_okay=False)
    ] = None,
    frames: Annotated[
        Path | None, option(GOING_ON, "Write the frames into a folder.", "--frames", variable=False, file_okay=False)
    ] = None,
    common: Common,
) -> None:
    """Ask about a clip, or find moments in it, to the frame if need be.

    [bold]ernie video clip.mp4 "What happens?"[/bold]

    [bold]ernie video clip.mp4 --find "the red ball appears" --sheet hits.png --cut pieces/[/bold]

    [bold]ernie video 'talk.mkv#t=10:00,20:00' --find "a slide with a chart" --resolution 0 -f edl -o talk.edl[/bold]

    [bold]ernie video film.mp4 --cuts --format csv[/bold]

    [bold]ernie video 'frames/*.png' --fps 2 "What changes?"[/bold]
    """
    from ernie_cli.cli.clip_output import Wanted
    from ernie_cli.cli.clip_run import ClipRun
    from ernie_cli.cli.files import check_folder, check_writable
    from ernie_cli.cli.output import Output, Style

    output = Output(Style(common.show_thinking.value, common.verbose, common.quiet))
    format = VideoFormat.json if common.json else format
    wanted = Wanted(list(find or []), cuts, None, resolution, once, format, cut, exact, sheet, frames, fps, max_frames)
    names = _names(inputs, wanted)
    check_writable(common.output, common.thinking_file, sheet)
    check_folder(cut, frames)
    ClipRun(wanted, common, output).over(names, fail_empty=fail_empty)


def _names(inputs: Sequence[str], wanted: "Wanted") -> list[str]:
    """The names of the clips; what is left is the question. Raises UsageError for what makes no sense together."""
    names = list(inputs)
    if not (wanted.events or wanted.cuts):
        from ernie_cli.cli.asking import split_question

        if len(names) > 1 and not names[-1].strip():
            raise UsageError("The question is empty.", HINT)
        names, wanted.question = split_question(names)
        if wanted.question is None and not (wanted.frames or wanted.sheet):
            raise UsageError("There is neither a question nor anything to find.", HINT)
    if any(not event.strip() for event in wanted.events):
        raise UsageError("There is nothing to look for in an empty text.", HINT)
    if wanted.events and wanted.cuts:
        raise UsageError("--cuts and --find cannot go together.", "Run one after the other.")
    searching = wanted.events or wanted.cuts
    if not searching and (wanted.cut or wanted.format not in {VideoFormat.text, VideoFormat.json}):
        what = "--cut" if wanted.cut else f"--format {wanted.format.value}"
        raise UsageError(f"{what} needs something that was found.", "Add --find or --cuts.")
    if wanted.sheet and wanted.sheet.suffix.lower() not in PICTURES:
        raise UsageError(f"{wanted.sheet} names no picture format.", "End the name with .png, .jpg or .webp.")
    if wanted.exact and not wanted.cut:
        raise UsageError("--exact says how to --cut.", "Add --cut FOLDER.")
    return [os.path.join(name, "*") if os.path.isdir(name) else name for name in names]
