"""One run of `ernie ground`: each picture is looked at in turn, and what is found goes out before the next one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ernie_cli.cli.asking import opened, preview
from ernie_cli.cli.box_files import BoxFiles
from ernie_cli.cli.files import write_whole
from ernie_cli.cli.looks import Looker, Sight
from ernie_cli.cli.tally import Tally
from ernie_cli.errors import UsageError
from ernie_cli.tasks.ground import Box, Point
from ernie_cli.tasks.reading import AGAIN_HINT

if TYPE_CHECKING:
    from ernie_cli.cli.ground import GroundFormat
    from ernie_cli.cli.options import Common
    from ernie_cli.cli.output import Output
    from ernie_cli.media import Limits, LoadedPicture, Source
    from ernie_cli.tasks.ground import Scale
    from ernie_cli.tasks.results import GroundResult


class Wanted(NamedTuple):
    """What a person asked for. `tile` is a side in pixels, 0 for auto; `scale` None means each picture's pixels."""

    query: str
    labels: list[str]
    points: bool
    tile: int | None
    scale: Scale | None
    format: GroundFormat
    output: Path | None
    with_pictures: bool
    draw: Path | None
    crop: Path | None
    show: bool
    password: str | None


class GroundRun:
    """Pictures one after the other, with one model for all."""

    def __init__(self, wanted: Wanted, common: Common, output: Output) -> None:
        self.wanted, self.common, self.output = wanted, common, output
        self._thoughts: list[str] = []

    def over(self, names: Sequence[str], *, fail_empty: bool) -> None:
        """All the pictures that the names mean; ends the command as `Tally` says."""
        from ernie_cli.cli.engine import options_of, page_limits, pick_engine
        from ernie_cli.media import resolve

        sources = resolve(names, stdin=sys.stdin.buffer)
        if len(sources) > 1 and self.wanted.draw is not None and self.wanted.draw.suffix:
            what = f"--draw {self.wanted.draw} is one picture, and here are {len(sources)} inputs."
            raise UsageError(what, "Name a folder, as in: --draw found/")
        engine = pick_engine(self.common, self.output)
        wanted = self.wanted
        looker = Looker(
            engine,
            options_of(self.common),
            self.output,
            query=wanted.query,
            labels=wanted.labels,
            points=wanted.points,
            scale=wanted.scale,
        )
        limits, tally = page_limits(engine, self.common, printed=False), Tally(self.output, len(sources))
        # A document is drawn as large as the model sees at once; in tiles it sees more.
        pages = limits if wanted.tile is None else limits.__class__()
        files = BoxFiles(wanted, self.output)
        files.several = len(sources) > 1
        try:
            for source in sources:
                with tally.one(source.name):
                    self._source(source, pages, limits.page_pixels, looker, files, tally)
        finally:
            if not self.common.dry_run:
                files.close()
                self._write_thoughts()
        tally.end(fail_empty=fail_empty and not self.common.dry_run)

    def _source(self, source: Source, limits: Limits, most: int, looker: Looker, files: BoxFiles, tally: Tally) -> None:
        with opened(source, limits, self.wanted.password, self.output) as document:
            tally.has(len(document.numbers))
            files.several = files.several or len(document.numbers) > 1
            for number in document.numbers:
                name = document.name if number is None else f"{document.name}#{number}"
                with tally.one(name, part=True):
                    picture = document.page(number)
                    for note in picture.notes:
                        self.output.note(note)
                    if self.common.dry_run:
                        asked, as_json = looker.messages(picture.image), self.wanted.format.value in ("json", "jsonl")
                        preview("ground", looker.engine, asked, looker.options, self.output, as_json=as_json)
                    else:
                        self._picture(picture, name, looker, most, files, tally)

    def _picture(
        self, picture: LoadedPicture, name: str, looker: Looker, most: int, files: BoxFiles, tally: Tally
    ) -> None:
        sight = looker.find(picture.image, self.wanted.tile, most)
        self._thoughts += filter(None, sight.gathered.thoughts)
        if sight.things is None:
            # Boxes that were never named are not "no boxes": nothing is printed that could be taken for it.
            for note in sight.notes:
                self.output.note(f"{name}: {note}")
            _tell_incomplete(name, sight, tally)
            return
        result = self._result(sight, picture, looker)
        files.add(result, picture)
        for note in result.notes:
            self.output.note(f"{name}: {note}")
        if not sight.complete:
            _tell_incomplete(name, sight, tally)
        elif not sight.things:
            self.output.note(f"{name}: nothing was found.")
        tally.found += len(sight.things)

    def _result(self, sight: Sight, picture: LoadedPicture, looker: Looker) -> GroundResult:
        from ernie_cli.tasks.results import GroundResult, PictureInfo, envelope_of

        things, notes = sight.things or (), list(sight.notes)
        if sight.dropped:
            said = "1 thing was" if sight.dropped == 1 else f"{sight.dropped} things were"
            notes.append(f"{said} without area, repeated or unreadable, and left out.")
        width, height = picture.image.size
        seen = PictureInfo(path=picture.name, width=width, height=height, page=picture.page, time_s=picture.time_s)
        return GroundResult(
            **envelope_of(sight.gathered.finish(looker.engine.model, cut=False)),  # type: ignore[arg-type]
            input=seen,
            query=self.wanted.query,
            boxes=None if self.wanted.points else tuple(thing for thing in things if isinstance(thing, Box)),
            points=tuple(thing for thing in things if isinstance(thing, Point)) if self.wanted.points else None,
            complete=sight.complete,
            dropped=sight.dropped,
            tiles=sight.tiles,
            notes=tuple(notes),
        )

    def _write_thoughts(self) -> None:
        if self.common.thinking_file and self._thoughts:
            write_whole(self.common.thinking_file, "\n\n".join(self._thoughts) + "\n")


def _tell_incomplete(name: str, sight: Sight, tally: Tally) -> None:
    """That there may be more than was found, and what may bring it."""
    what = "the answer was cut off" if sight.tiles == 1 else "not every part of it was answered"
    what += "; nothing could be read." if sight.things is None else "; there may be more."
    at_limit = any(finish.reason == "length" for finish in sight.gathered.finishes)
    tally.cut_off(f"{name}: {what}", *([] if at_limit else [AGAIN_HINT]))
