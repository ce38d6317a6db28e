"""`ernie ground`: where things are in pictures, as boxes or points in pixels."""

# No `from __future__ import annotations` here: Typer wants them as objects, and reading them back from strings is slow.
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ernie_cli.cli.options import OUTPUT, Common, option
from ernie_cli.errors import UsageError

if TYPE_CHECKING:
    from ernie_cli.cli.ground_run import Wanted
    from ernie_cli.tasks.ground import Scale

FINDING, SEEING = "Finding", "Seeing it"
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MIN_TILE = 56  # pixels
HINT = 'Put it last, as in: ernie ground street.jpg "red car"; or name labels: -l car -l bicycle'


class GroundFormat(str, Enum):
    """How boxes are written."""

    text = "text"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    coco = "coco"
    yolo = "yolo"
    labelme = "labelme"
    voc = "voc"


IN_FOLDERS = frozenset({GroundFormat.yolo, GroundFormat.labelme, GroundFormat.voc})
OF_BOXES_ONLY = frozenset({GroundFormat.coco, GroundFormat.yolo, GroundFormat.voc})


def ground(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT... [QUERY]",
            help="Pictures, pages (a.pdf#3-5) or frames (a.mp4#t=12), and what to find (last) unless -l is given.",
        ),
    ],
    *,
    label: Annotated[
        list[str] | None,
        option(FINDING, "Find this, and call it so; may be repeated.", "--label", "-l", variable=False),
    ] = None,
    points: Annotated[bool, option(FINDING, "Points instead of boxes.", "--points", variable=False)] = False,
    tile: Annotated[
        str | None,
        option(FINDING, "Look at overlapping tiles: auto, for what the model would shrink, or N pixels a side."),
    ] = None,
    scale: Annotated[str, option(FINDING, "What the model counts up to: a number, WIDTHxHEIGHT, or pixels.")] = "1000",
    password: Annotated[
        str | None, typer.Option(help="Of a PDF.", envvar="ERNIE_PASSWORD", show_envvar=False, rich_help_panel=FINDING)
    ] = None,
    fail_empty: Annotated[
        bool, option(FINDING, "Exit with 7 if nothing is found.", "--fail-empty", variable=False)
    ] = False,
    draw: Annotated[
        Path | None, option(SEEING, "Draw what was found into a picture; of many, into a folder.", variable=False)
    ] = None,
    crop: Annotated[
        Path | None, option(SEEING, "Cut out each box, into a folder.", variable=False, file_okay=False)
    ] = None,
    show: Annotated[bool, option(SEEING, "Show it in the terminal.", "--show", variable=False)] = False,
    format: Annotated[GroundFormat, option(OUTPUT, "How boxes are written.", "--format", "-f")] = GroundFormat.json,
    output: Annotated[
        Path | None, option(OUTPUT, "Write to a file; yolo, labelme, voc: a folder.", "--output", "-o", variable=False)
    ] = None,
    with_pictures: Annotated[
        bool,
        option(OUTPUT, "yolo, labelme, voc: the pictures too, upright.", "--with-pictures", variable=False),
    ] = False,
    common: Common,
) -> None:
    """Find things in pictures: boxes in pixels of the picture as you see it, as JSON or in other tools' formats.

    [bold]ernie ground street.jpg "red car" --draw found.png[/bold]

    [bold]ernie ground 'scenes/*.png' "circle" -f jsonl | jq -c '.boxes | length'[/bold]

    [bold]ernie ground photos/*.jpg -l car -l bicycle -f yolo -o dataset/ --with-pictures[/bold]

    [bold]ernie ground 'clip.mp4#t=12' "the ball" --points[/bold]

    [bold]ernie ground aerial.tif "ship" --tile auto --crop ships/[/bold]
    """
    from ernie_cli.cli.ground_run import GroundRun, Wanted
    from ernie_cli.cli.output import Output, Style

    out = Output(Style(common.show_thinking.value, common.verbose, common.quiet))
    names, query, labels = _asked(inputs, label)
    format = GroundFormat.json if common.json else format
    wanted = Wanted(
        query, labels, points, _tile(tile), _scale(scale), format, output, with_pictures, draw, crop, show, password
    )
    _check(wanted, common.thinking_file)
    GroundRun(wanted, common, out).over(names, fail_empty=fail_empty)


def _asked(inputs: list[str], label: list[str] | None) -> tuple[list[str], str, list[str]]:
    """The names of the inputs, the query, and the labels that things may bear (none: any). Raises UsageError."""
    from ernie_cli.cli.asking import split_question
    from ernie_cli.tasks.ground import labels_of

    if label:
        if any(not one.strip() for one in label):
            raise UsageError("A label is empty.", HINT)
        labels = list(dict.fromkeys(" ".join(one.split()) for one in label))
        return inputs, ", ".join(labels), labels
    names, query = split_question(inputs)
    if query is None:
        # An empty last argument is no file either.
        raise UsageError(f"There is nothing to find: the last argument is the input {inputs[-1]!r:.80}.", HINT)
    terms = labels_of(query)
    if not terms:
        raise UsageError("There is nothing to find in a query of commas.", HINT)
    return names, query, terms if len(terms) > 1 else []


def _tile(text: str | None) -> int | None:
    """The side of tiles in pixels, 0 for `auto`, None for no tiles. Raises UsageError."""
    if text is None or text == "auto":
        return None if text is None else 0
    if not text.isdecimal() or int(text) < MIN_TILE:
        raise UsageError(f"--tile {text} is no size.", f"Give auto, or a number of pixels from {MIN_TILE}.")
    return int(text)


def _scale(text: str) -> "Scale | None":
    from ernie_cli.tasks.ground import scale_of

    return scale_of(text)


def _check(wanted: "Wanted", thinking_file: Path | None) -> None:
    """Raises UsageError for what makes no sense together, InputError for what could not be written."""
    from ernie_cli.cli.files import check_folder, check_writable

    format, draw = wanted.format, wanted.draw
    check_folder(wanted.crop)
    if draw is not None and draw.suffix and not draw.is_dir():
        if draw.suffix.lower() not in PICTURES:
            raise UsageError(f"{draw} names no picture format.", "End the name with .png, .jpg or .webp.")
        check_writable(draw)
    else:
        check_folder(draw)
    if wanted.points and (format in OF_BOXES_ONLY or wanted.crop):
        what = "--crop" if wanted.crop else f"--format {format.value}"
        raise UsageError(f"{what} needs boxes, and --points gives none.", "Leave out --points, or use json or labelme.")
    if wanted.with_pictures and format not in IN_FOLDERS:
        raise UsageError("--with-pictures is for formats of many files.", "Add --format yolo, labelme or voc.")
    if format in IN_FOLDERS:
        if wanted.output is None:
            hint = f"Name a folder for them: --format {format.value} -o FOLDER"
            raise UsageError(f"The format {format.value} is many files.", hint)
        if wanted.output.exists() and not wanted.output.is_dir():
            raise UsageError(f"{wanted.output} is a file, and {format.value} needs a folder.", "Name a folder with -o.")
        check_folder(wanted.output)
        check_writable(thinking_file)
    else:
        if wanted.output is not None and wanted.output.is_dir():
            raise UsageError(f"{wanted.output} is a folder, and {format.value} is one file.", "Name a file with -o.")
        check_writable(wanted.output, thinking_file)
