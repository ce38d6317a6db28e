"""One run of `ernie chart`: each picture is asked about, and its charts go out in the format that was chosen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_cli.cli.asking import Asker, opened, preview
from ernie_cli.cli.files import write_whole
from ernie_cli.cli.options import Common
from ernie_cli.cli.output import Output
from ernie_cli.cli.tally import Tally
from ernie_cli.errors import AnswerError, UsageError
from ernie_cli.formats.chart_table import Placed, to_csv, to_markdown, written

if TYPE_CHECKING:
    from ernie_cli.cli.output import Reply
    from ernie_cli.cli.progress import Pages
    from ernie_cli.media import Document, LoadedPicture
    from ernie_cli.messages import Message
    from ernie_cli.tasks.chart import Chart
    from ernie_cli.tasks.reading import Reading
    from ernie_cli.tasks.results import ChartResult

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".pdf": "PDF"}


class ChartRun:
    """`format` is text, csv, json or markdown; with a question, the answer is in words."""

    def __init__(self, common: Common, format: str, question: str | None, redraw: Path | None, output: Output) -> None:
        if redraw is not None and question is not None:
            raise UsageError("--redraw draws a table, and a question gives none.", "Leave one of them out.")
        if redraw is not None and redraw.suffix.lower() not in PICTURES:
            raise UsageError(f"{redraw} has not the name of a picture.", "Give it a name that ends in .png.")
        self.common, self.question, self.redraw, self.output = common, question, redraw, output
        # Aligned columns are for the eye; a file or a program gets CSV.
        aligned = output.stdout_is_terminal and common.output is None
        self.format = ("aligned" if aligned else "csv") if format == "text" else format
        self._placed: list[Placed] = []
        self._texts: list[str] = []
        self._several = False
        self._drawn = 0
        self._thoughts: list[str] = []

    def over(self, names: Sequence[str], password: str | None, *, fail_empty: bool) -> None:
        """All the pictures that the names mean; ends the command as `Tally` says."""
        from ernie_cli.cli.engine import options_of, page_limits, pick_engine
        from ernie_cli.media import resolve

        sources = resolve(names, stdin=sys.stdin.buffer)
        engine = pick_engine(self.common, self.output)
        asker = Asker(engine, options_of(self.common), self.output)
        limits = page_limits(engine, self.common)
        tally = Tally(self.output, len(sources))
        self._several = len(sources) > 1
        try:
            for source in sources:
                with tally.one(source.name), opened(source, limits, password, self.output) as document:
                    self._several = self._several or len(document.numbers) > 1
                    self._pages(document, asker, tally)
        finally:
            self._end()
        tally.end(fail_empty=fail_empty and not self.common.dry_run)

    def _pages(self, document: Document, asker: Asker, tally: Tally) -> None:
        if len(document.numbers) > 1:
            tally.has(len(document.numbers))
        with self.output.pages(len(document.numbers)) as pages:
            for number in document.numbers:
                name = document.name if number is None else f"{document.name}#{number}"
                pages.begin(name)
                with tally.one(name, part=True):
                    self._picture(document.page(number), name, asker, tally, pages)
                pages.end(name)

    def _picture(self, picture: LoadedPicture, name: str, asker: Asker, tally: Tally, pages: Pages) -> None:
        asked = self._messages(picture)
        if self.common.dry_run:
            with pages.aside():
                preview("chart", asker.engine, asked, asker.options, self.output, as_json=self.format == "json")
            return
        asker.again()
        reply, reading = self._read(asker, asked)
        result = self._result(asker, reply, reading, picture, name)
        with pages.aside():
            for note in (*picture.notes, *result.notes):
                self.output.note(f"{name}: {note}")
            if reply.finish.reason == "length":
                tally.cut_off(f"{name}: the answer was cut off.")
            if reading.nothing and self.question is None:
                self.output.note(f"{name}: no chart was found.")
            tally.found += len(result.charts) + (self.question is not None)
            self._thoughts.append(reply.thinking)
            self._deliver(result, reading, picture)

    def _messages(self, picture: LoadedPicture) -> list[Message]:
        from ernie_cli.messages import Picture
        from ernie_cli.tasks import ask, chart

        return ask.messages([Picture(picture.image, printed=True)], chart.request(self.question))

    # ------------------------------------------------------------------------------------------- asking

    def _read(self, asker: Asker, asked: Sequence[Message]) -> tuple[Reply, Reading[Chart]]:
        """The charts of the answer; asked once more where they cannot be read. Raises AnswerError."""
        from ernie_cli.tasks import chart
        from ernie_cli.tasks.reading import Reading, check_nothing

        if self.question is not None:
            reply = asker.ask(asked)
            if not reply.answer and reply.finish.reason != "length":
                raise AnswerError("The model gave no answer.", "Ask again, or with another --seed or --temperature.")
            return reply, Reading(())

        def read(reply: Reply) -> Reading[Chart]:
            found = chart.read(reply.answer)
            check_nothing(found, reply.answer, reply.finish.reason)
            return found

        reply, found = asker.readable(asked, chart.schema(), read, self.output.note)
        return reply, Reading((), complete=False) if found is None else found

    def _result(
        self, asker: Asker, reply: Reply, reading: Reading[Chart], picture: LoadedPicture, name: str
    ) -> ChartResult:
        from ernie_cli.tasks.chart import axes
        from ernie_cli.tasks.results import AxisInfo, ChartInfo, ChartResult, PictureInfo, envelope_of

        charts = tuple(
            ChartInfo(**one.model_dump(), axes=tuple(AxisInfo(**axis.model_dump()) for axis in axes(one)))
            for one in reading.items
        )
        finish = asker.gathered.finish(asker.engine.model, cut=False)
        size = {"width": picture.image.width, "height": picture.image.height}
        return ChartResult(
            **envelope_of(finish),  # type: ignore[arg-type]
            input=PictureInfo(path=picture.name, page=picture.page, **size),
            chart=charts[0] if charts else None,
            charts=charts,
            question=self.question,
            answer=None if self.question is None else reply.answer,
            notes=reading.notes + reply.notes,
            thinking=reply.thinking,
        )

    # ------------------------------------------------------------------------------------------- what comes of it

    def _deliver(self, result: ChartResult, reading: Reading[Chart], picture: LoadedPicture) -> None:
        page = result.input.page
        name = result.input.path if page is None else f"{result.input.path}#{page}"
        if self.format == "json":
            self._print(result.model_dump_json(), result)
        elif result.answer is not None:
            self._print(f"{name}: {result.answer}" if self._several else result.answer)
        else:
            placed = [Placed(name, at, chart) for at, chart in enumerate(reading.items, 1)]
            self._placed += placed
            for one in placed:
                self._show(one, len(placed))
        if self.redraw is not None:
            self._draw(picture, reading.items, self.redraw)

    def _show(self, placed: Placed, of: int) -> None:
        """A chart by itself; those that become one CSV wait for the last one."""
        if self.format == "markdown":
            table = to_markdown(placed.chart, placed.file if self._several else "")
            # Without a blank line two tables would be one.
            self._print(table if placed is self._placed[0] else f"\n{table}")
        elif self.format == "aligned":
            chart = placed.chart
            where = f"{placed.file}: " if self._several else ""
            said = f"{chart.title} ({chart.type})" if chart.title and chart.type else chart.title or chart.type
            if where or said:
                self.output.note(f"{where}{said or 'chart'}")
            self.output.table(chart.columns, [written(row) for row in chart.rows])

    def _draw(self, picture: LoadedPicture, charts: Sequence[Chart], path: Path) -> None:
        import io

        from ernie_cli.draw.chart import redraw

        self._drawn += 1
        # The first keeps the name, so that one picture gives just the file that was named.
        place = path if self._drawn == 1 else path.with_stem(f"{path.stem}-{self._drawn}")
        stream = io.BytesIO()
        redraw(picture.image, charts).save(stream, format=PICTURES[path.suffix.lower()])
        write_whole(place, stream.getvalue())
        self.output.note(f"Drawn to {place}.")

    def _print(self, text: str, result: ChartResult | None = None) -> None:
        if self.common.output is not None:
            self._texts.append(text.rstrip("\n"))
        elif result is not None:
            self.output.result(result)
        else:
            self.output.text(text.rstrip("\n"))

    def _end(self) -> None:
        """What had to wait: one CSV of all charts, and the files."""
        if self.format == "csv" and self.question is None and self._placed:
            several = self._several or len(self._placed) > 1
            self._print(to_csv(self._placed, several=several))
        if self.common.output is not None and self._texts:
            write_whole(self.common.output, "\n".join(self._texts) + "\n")
            self.output.note(f"Written to {self.common.output}.")
        if self.common.thinking_file is not None and self._thoughts:
            write_whole(self.common.thinking_file, "\n\n".join(self._thoughts) + "\n")
