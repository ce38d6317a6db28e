"""One run of `ernie doc`: each document page by page, or all of its pages before the model at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_cli.cli.asking import Asker, opened, preview
from ernie_cli.cli.files import check_writable, write_whole
from ernie_cli.cli.options import Common
from ernie_cli.cli.output import Output
from ernie_cli.cli.page_files import PageFolder, as_markdown, file_mark, fingerprint, folder_name, mark
from ernie_cli.cli.tally import Tally
from ernie_cli.errors import AnswerError, ErnieError, InputError, UsageError
from ernie_cli.tasks.pages import Sheet
from ernie_cli.tasks.results import PageInfo
from ernie_cli.tasks.sourced import with_sources

if TYPE_CHECKING:
    from ernie_cli.cli.progress import Pages
    from ernie_cli.media import Document, Limits, LoadedPicture, Source
    from ernie_cli.tasks.results import DocResult


LEGIBLE = 10.0  # pixels of a line: in less, letters are four pixels wide


@dataclass(frozen=True)
class Wanted:
    """What is to be had of the documents. `text_layer` is auto, never or only."""

    question: str | None
    schema: dict[str, Any] | None
    per_page: bool
    source: bool
    text_layer: str
    output: Path | None
    in_folder: bool
    resume: bool

    @property
    def page_by_page(self) -> bool:
        """Whether each page is a work of its own."""
        return self.question is None and (self.schema is None or self.per_page)

    @property
    def folder(self) -> Path | None:
        """The folder for a file a page, if that is what is wanted."""
        return self.output if self.in_folder else None

    def check(self) -> None:
        """Raises UsageError for what does not go together, and InputError for a file that cannot be written."""
        if self.schema is None and (self.per_page or self.source):
            raise UsageError("--per-page and --source are about data.", "Say which with --schema.")
        if self.per_page and self.question is not None:
            raise UsageError("--per-page takes no question.", "Put what to read into the schema.")
        if self.resume and self.output is None:
            raise UsageError("--resume needs the folder to go on with.", "Name it with --output.")
        if self.folder is not None and not self.page_by_page:
            raise UsageError(f"{self.folder} is a folder, and there is one answer.", "Name a file, as in: -o a.json")
        if self.source and self.schema is not None:
            with_sources(self.schema, 1)
        if self.folder is None:
            check_writable(self.output)


class DocRun:
    """Documents one after the other, with one model for all."""

    def __init__(self, wanted: Wanted, common: Common, output: Output) -> None:
        check_writable(common.thinking_file)
        self.wanted, self.common, self.output = wanted, common, output
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._folders: set[str] = set()
        self._small: set[str] = set()
        self._several = False
        self._limits: Limits
        self._tally: Tally
        self._asker: Asker

    def over(self, names: Sequence[str], password: str | None, *, fail_empty: bool) -> None:
        """All documents that the names mean; ends the command as `Tally` says."""
        from ernie_cli.cli.engine import options_of, page_limits, pick_engine
        from ernie_cli.media import resolve

        sources = resolve(names, stdin=sys.stdin.buffer)
        engine = pick_engine(self.common, self.output)
        self._asker = Asker(engine, options_of(self.common), self.output)
        self._limits = page_limits(engine, self.common)
        self._tally = Tally(self.output, len(sources))
        self._several = len(sources) > 1
        try:
            for source in sources:
                with (
                    self._tally.one(source.name),
                    opened(source, self._limits, password, self.output) as document,
                ):
                    self._document(source, document)
        finally:
            self._end()
        self._tally.end(fail_empty=fail_empty and not self.common.dry_run)

    def _document(self, source: Source, document: Document) -> None:
        self._asker.again()
        if self.common.dry_run:
            self._preview(document)
        elif self.wanted.page_by_page:
            self._all_pages(source, document)
        else:
            from ernie_cli.cli.whole_document import WholeDocument

            WholeDocument(self).answer(document)

    def _preview(self, document: Document) -> None:
        from ernie_cli.tasks import pages

        picture = document.page(document.numbers[0])
        wanted = pages.request(self.wanted.question, self.wanted.schema)
        asked = pages.about_pages([self.sheet(picture)], wanted)
        asker = self._asker
        preview("doc", asker.engine, asked, asker.options, self.output, as_json=self.common.as_json)

    # ------------------------------------------------------------------------------------------- page by page

    def _all_pages(self, source: Source, document: Document) -> None:
        folder = self._folder(source) if self.wanted.folder is not None else None
        self._tally.has(len(document.numbers))
        done: list[PageInfo] = []
        if self._several and folder is None:
            self._begin(document)
        with self.output.pages(len(document.numbers)) as bar:
            for number in document.numbers:
                name = self.name_of(document, number)
                bar.begin(name)
                kept = folder.done(number) if folder else None
                page = kept or self._page(document, number, name)
                if folder and not kept:
                    folder.keep(page)
                done.append(page)
                self._count(page, name)
                with bar.aside():
                    self._show(page, document, folder)
                bar.end(name)
        self._finished(document, done, folder)

    def _folder(self, source: Source) -> PageFolder:
        assert self.wanted.folder is not None
        about = {
            "document": fingerprint(source, self._limits),
            "model": self._asker.engine.model,
            "schema": self.wanted.schema,
            "text_layer": self.wanted.text_layer,
            "source": self.wanted.source,
            "format": "json" if self._as_data else "markdown",
            "max_pixels": self._limits.page_pixels,
            "max_tokens": self._asker.engine.max_tokens(self._asker.options),
        }
        place = self.wanted.folder / folder_name(source.name, self._folders)
        return PageFolder(place, about, as_json=self._as_data, resume=self.wanted.resume)

    @property
    def _as_data(self) -> bool:
        return self.common.as_json or self.wanted.schema is not None

    def _page(self, document: Document, number: int | None, name: str) -> PageInfo:
        """A page as it was read, or with the error that kept it from being so."""
        page = _unread(number)
        with self._tally.one(name, part=True):
            try:
                page, sheet = self._seen(document, number)
                return self._data(page, sheet) if self.wanted.schema is not None else self._markdown(page, sheet)
            except ErnieError as error:
                page = page.model_copy(update={"error": error.message, "complete": False})
                raise
        return page

    def _markdown(self, page: PageInfo, sheet: Sheet) -> PageInfo:
        from ernie_cli.tasks import doc, pages

        reply = self._asker.ask(pages.about_page(sheet))
        self._thoughts.append(reply.thinking)
        cut = reply.finish.reason == "length"
        try:
            reading = doc.read(reply.answer)
        except AnswerError:
            if not cut:
                raise
            return page.model_copy(update={"markdown": "", "complete": False, "problems": reply.notes})
        text = reading.items[0].markdown if reading.items else ""
        complete = reading.complete and not cut
        return page.model_copy(update={"markdown": text, "complete": complete, "problems": reading.notes + reply.notes})

    def _data(self, page: PageInfo, sheet: Sheet) -> PageInfo:
        from ernie_cli.tasks import pages
        from ernie_cli.tasks.sourced import stamped
        from ernie_cli.tasks.sums import sum_problems

        schema = self.wanted.schema
        assert schema is not None
        reply, data = self._asker.fitting(pages.about_page(sheet, schema), schema)
        self._thoughts.append(reply.thinking)
        problems = (*reply.notes, *sum_problems(data))
        if self.wanted.source:
            data = stamped(data, schema, page.page or 1)
        complete = reply.finish.reason != "length"
        return page.model_copy(update={"data": data, "complete": complete, "problems": problems})

    def _count(self, page: PageInfo, name: str) -> None:
        if page.error is None and not page.complete:
            self._tally.cut_off(f"{name}: the answer was cut off.")
        self._tally.found += bool(page.markdown) or page.data is not None

    # ------------------------------------------------------------------------------------------- for both ways

    def sheet(self, picture: LoadedPicture) -> Sheet:
        """The page as it is sent. Raises InputError with `--text-layer only` where there is no text."""
        from ernie_cli.messages import Picture

        layer = "" if self.wanted.text_layer == "never" else picture.text or ""
        name = "The picture" if picture.page is None else f"Page {picture.page}"
        if self.wanted.text_layer != "only":
            return Sheet(name, Picture(picture.image, printed=True), layer)
        if not layer:
            raise InputError(
                f"{name} of {picture.name} has no text layer.", "Use --text-layer auto: it shows the page."
            )
        return Sheet(name, None, layer)

    def _seen(self, document: Document, number: int | None) -> tuple[PageInfo, Sheet]:
        """A page that can be drawn, and as it is sent. Raises InputError."""
        picture = document.page(number)
        for note in picture.notes:
            self.output.note(note)
        sheet = self.sheet(picture)
        self._tell_small(picture, sheet)
        width, height = picture.image.size
        return PageInfo(page=number, width=width, height=height, text_layer=bool(sheet.text)), sheet

    def _tell_small(self, picture: LoadedPicture, sheet: Sheet) -> None:
        """Says, once for a document, that its print is too small to be read well as it is shown."""
        line = picture.line_px
        if sheet.picture is None or line is None or line >= LEGIBLE or picture.name in self._small:
            return
        self._small.add(picture.name)
        seen = f"a line of page {picture.page} is {line:.0f} pixels high as {self._asker.engine.model} sees it"
        self.output.note(
            f"{picture.name}: {seen}, and may be misread. Its text without the picture: --text-layer only."
        )

    @staticmethod
    def name_of(document: Document, number: int | None) -> str:
        """What to call a page in messages."""
        return document.name if number is None else f"{document.name}#{number}"

    @property
    def asker(self) -> Asker:
        """Who is asked."""
        return self._asker

    @property
    def tally(self) -> Tally:
        """What became of the inputs."""
        return self._tally

    def pages(self, document: Document, bar: Pages) -> Iterator[tuple[PageInfo, Sheet | None]]:
        """The pages as they are sent; what is wrong with one that cannot be is told, and stands in its `error`."""
        self._tally.has(len(document.numbers))
        for number in document.numbers:
            name = self.name_of(document, number)
            bar.begin(name)
            page, sheet = _unread(number), None
            with self._tally.one(name, part=True):
                try:
                    page, sheet = self._seen(document, number)
                except InputError as error:
                    page = page.model_copy(update={"error": error.message})
                    raise
            yield page, sheet
            bar.end(name)

    # ------------------------------------------------------------------------------------------- what comes of it

    @property
    def _rendered(self) -> bool:
        return self.output.stdout_is_terminal and self.wanted.output is None

    def _begin(self, document: Document) -> None:
        """The name of one of several documents, before its pages: their marks do not tell it."""
        if not self._as_data and not self._rendered:
            self.give(file_mark(document.name) + "\n", markdown=True)

    def _show(self, page: PageInfo, document: Document, folder: PageFolder | None) -> None:
        for problem in page.problems:
            self.output.note(f"{self.name_of(document, page.page)}: {problem}")
        if folder is not None or self.common.as_json:
            return
        if self.wanted.schema is not None:
            if page.data is not None:
                self.give(json.dumps(page.data, ensure_ascii=False))
            return
        if self._rendered and self._tally.parts > 1:
            self.output.note(self.name_of(document, page.page))  # rendered Markdown shows no marks
        marked = page.page is not None or page.error is not None
        self.give(as_markdown(page, marked=marked) + ("\n" if marked or self._several else ""), markdown=True)

    def give(self, text: str, *, markdown: bool = False) -> None:
        """Text for stdout, or for the file."""
        if self.wanted.output is not None:
            self._texts.append(text)
        elif markdown:
            self.output.markdown(text)
        else:
            self.output.text(text)

    def give_result(self, result: DocResult) -> None:
        """A JSON object for stdout, or for the file."""
        if self.wanted.output is not None:
            self._texts.append(result.model_dump_json())
        else:
            self.output.result(result)

    def think(self, thought: str) -> None:
        """A thought for `--thinking-file`."""
        self._thoughts.append(thought)

    def result(self, document: Document, pages: Sequence[PageInfo], **more: Any) -> DocResult:
        """The JSON object of a document."""
        from ernie_cli.tasks.results import DocResult, DocumentInfo, envelope_of

        cut = any(not page.complete and page.error is None for page in pages)
        finish = self._asker.gathered.finish(self._asker.engine.model, cut=cut)
        return DocResult(
            **envelope_of(finish),  # type: ignore[arg-type]
            input=DocumentInfo(path=document.name, pages=len(document.numbers)),
            pages=tuple(pages),
            thinking="\n\n".join(filter(None, self._asker.gathered.thoughts)),
            **more,
        )

    def _finished(self, document: Document, pages: Sequence[PageInfo], folder: PageFolder | None) -> None:
        result = self.result(document, pages)
        if folder is None:
            if self.common.as_json:
                self.give_result(result)
            return
        joined = "\n\n".join(as_markdown(page) if page.error is None else mark(page) for page in pages)
        place = folder.whole(result.model_dump_json(indent=2) if self._as_data else joined)
        self.output.note(f"Written to {place}.")

    def _end(self) -> None:
        """The files; what was finished before an interruption is in them."""
        if self.wanted.output is not None and self._texts:
            write_whole(self.wanted.output, "\n".join(self._texts).rstrip("\n") + "\n")
            self.output.note(f"Written to {self.wanted.output}.")
        if self.common.thinking_file is not None and self._thoughts:
            write_whole(self.common.thinking_file, "\n\n".join(self._thoughts) + "\n")


def _unread(number: int | None) -> PageInfo:
    return PageInfo(page=number, width=0, height=0, complete=False)
