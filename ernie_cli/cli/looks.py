"""What `ernie ground` asks the model about one picture: one look at all of it, or one at each of its tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ernie_cli.cli.output import Output, Reply, ShowThinking
from ernie_cli.cli.structured import readable_reply
from ernie_cli.errors import AnswerError
from ernie_cli.tasks import ground as task
from ernie_cli.tasks import tiles as tiling
from ernie_cli.tasks.ground import Box, Point
from ernie_cli.tasks.reading import Reading, check_nothing

if TYPE_CHECKING:
    from PIL.Image import Image

    from ernie_cli.cli.gathered import Gathered
    from ernie_cli.engines import Engine, Options
    from ernie_cli.messages import Message
    from ernie_cli.tasks.ground import Scale


@dataclass
class Sight:
    """What was found in a picture; None of `things` if nothing was, and some of it was not answered to the end."""

    things: Sequence[Box | Point] | None
    complete: bool
    dropped: int
    tiles: int
    gathered: Gathered
    notes: list[str] = field(default_factory=list)


class Looker:
    """Asks an engine where `labels` are (or, without any, what `query` says). `scale` None is each picture's pixels."""

    def __init__(
        self,
        engine: Engine,
        options: Options,
        output: Output,
        *,
        query: str,
        labels: Sequence[str] = (),
        points: bool = False,
        scale: Scale | None = task.GRID,
    ) -> None:
        self.engine, self.options, self.output = engine, options, output
        self.query, self.labels, self.points, self.scale = query, labels, points, scale

    def messages(self, image: Image) -> list[Message]:
        """The conversation to send."""
        from ernie_cli.messages import Picture, user

        text = task.request(self.labels or self.query, points=self.points, scale=self._scale(image))
        return [user(Picture(image), text)]

    def find(self, image: Image, tile: int | None, limit: int) -> Sight:
        """Everything in a picture; `tile` as `Wanted` has it, `limit` the pixels a model sees at once.

        Raises AnswerError if no answer could be read.
        """
        side = tile or (None if tile is None else tiling.auto_side(image.size, limit))
        if side is None:
            return self._whole(image)
        tiles = tiling.tiles_of(image.size, side)
        return self._whole(image) if len(tiles) == 1 else self._tiled(image, tiles, side)

    def _whole(self, image: Image) -> Sight:
        gathered = _gathered()
        reply, reading = self._look(image, self.output)
        gathered.add(reply)
        if reading is None:
            return Sight(None, False, 0, 1, gathered)
        complete = reading.complete and reply.finish.reason != "length"
        return Sight(reading.items, complete, reading.dropped, 1, gathered, list(reading.notes))

    def _tiled(self, image: Image, tiles: Sequence[tiling.Tile], side: int) -> Sight:
        """A look at each tile and, for boxes larger than a tile's overlap, one at the whole picture."""
        gathered, readings = _gathered(), []
        silent = Output(self.output.style._replace(show_thinking=self._thought(), quiet=True))
        unreadable: list[AnswerError] = []
        told: list[str] = []
        cut = 0
        # At a glance a point cannot be told from one seen better in a tile.
        looks = [*tiles] if self.points else [*tiles, tiling.Tile(0, 0, *image.size)]
        with self.output.ticker() as ticker:
            for number, tile in enumerate(looks, 1):
                ticker.tell(f"Looking at part {number} of {len(looks)}")
                try:
                    reply, reading = self._look(image.crop(tile.corners), silent)
                except AnswerError as error:
                    unreadable.append(error)
                    continue
                gathered.add(reply)
                told += [f"Part {number} of {len(looks)}: {note}" for note in reply.notes]
                cut += reading is None or not reading.complete or reply.finish.reason == "length"
                if reading is not None:
                    readings.append((tile, reading))
        if unreadable and not readings:
            raise unreadable[-1]
        notes = told + [note for _, reading in readings for note in reading.notes]
        notes += [f"{cut} of {len(looks)} answers about its parts were cut off."] * bool(cut)
        notes += [f"{len(unreadable)} of {len(looks)} answers about its parts could not be read."] * bool(unreadable)
        things, merged = self._merged(readings, image.size, side)
        notes += [f"{merged} seen across seams were merged."] * bool(merged)
        dropped = sum(reading.dropped for _, reading in readings)
        complete = not (cut or unreadable)
        # Where a part was not answered, that the others are empty does not make the picture so.
        found = things if things or complete else None
        return Sight(found, complete, dropped, len(looks), gathered, list(dict.fromkeys(notes)))

    def _merged(
        self, readings: Sequence[tuple[tiling.Tile, Reading[Box] | Reading[Point]]], size: tuple[int, int], side: int
    ) -> tuple[Sequence[Box | Point], int]:
        seen = [(tile, thing) for tile, reading in readings for thing in reading.items]
        if self.points:
            return tiling.merge_points([(tile, thing) for tile, thing in seen if isinstance(thing, Point)], size)
        return tiling.merge([(tile, thing) for tile, thing in seen if isinstance(thing, Box)], size, side)

    # ------------------------------------------------------------------------------------------------ one answer

    def _look(self, image: Image, output: Output) -> tuple[Reply, Reading[Box] | Reading[Point] | None]:
        from dataclasses import replace

        schema = task.schema(points=self.points, labels=self.labels, scale=self._scale(image))
        options = replace(self.options, schema=schema)
        asked = self.messages(image)
        return readable_reply(self.engine, asked, options, output, lambda reply: self._read(reply, image.size))

    def _read(self, reply: Reply, size: tuple[int, int]) -> Reading[Box] | Reading[Point]:
        """The things of an answer. Raises AnswerError, also where "nothing" cannot be believed."""
        read = task.read_points if self.points else task.read
        scale = size if self.scale is None else self.scale
        reading = read(reply.answer, size, label=self.query, labels=self.labels, scale=scale)
        check_nothing(reading, reply.answer, reply.finish.reason)
        return reading

    def _scale(self, image: Image) -> Scale:
        return image.size if self.scale is None else self.scale

    def _thought(self) -> ShowThinking:
        return "always" if self.output.style.show_thinking == "always" else "never"


def _gathered() -> Gathered:
    from ernie_cli.cli.gathered import Gathered

    return Gathered()
