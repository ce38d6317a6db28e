"""A question, or a schema, about all pages of a document: in one conversation if they fit, else in parts.

Of parts, each is answered by itself, and a last turn makes one answer of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ernie_cli.cli.engine import room_of
from ernie_cli.errors import AnswerError
from ernie_cli.tasks import pages as task
from ernie_cli.tasks.pages import Sheet
from ernie_cli.tasks.results import PageInfo
from ernie_cli.tasks.sourced import stamped, with_sources
from ernie_cli.tasks.sums import sum_problems

if TYPE_CHECKING:
    from ernie_cli.cli.doc_run import DocRun
    from ernie_cli.cli.output import Reply
    from ernie_cli.cli.progress import Pages
    from ernie_cli.media import Document
    from ernie_cli.messages import Message

AROUND = 256  # tokens of the words around pages
MOST_FOR_ANSWER = 16_384


class WholeDocument:
    """Asks for one answer about each document of a run."""

    def __init__(self, run: DocRun) -> None:
        self._run, self._wanted = run, run.wanted
        self._schema = run.wanted.schema
        self._room = room_of(run.asker.engine, run.common)
        most = run.common.max_tokens or MOST_FOR_ANSWER
        self._for_pages = self._room.tokens - AROUND - min(most, self._room.tokens // 4)
        self._infos: list[PageInfo] = []
        self._cut: list[str] = []  # parts whose answers were cut off
        self._told: list[tuple[str, str]] = []  # parts, and what was noted about their answers

    def answer(self, document: Document) -> None:
        """The answer about a document, and where it goes."""
        run = self._run
        # Of one page the model need not say which it is.
        known = document.numbers[0] or 1 if len(document.numbers) == 1 else None
        if self._wanted.source and self._schema is not None and known is None:
            self._schema = with_sources(self._schema, max(number or 1 for number in document.numbers))
        asked = self._asked(document)
        if asked is None:  # each page has told why
            return
        reply, data, parts = asked
        if self._cut:
            which = "" if parts == 1 else f" about {', '.join(self._cut)}"
            run.tally.cut_off(f"{document.name}: the answer{which} was cut off.")
        told = tuple(note if parts == 1 else f"About {pages}: {note}" for pages, note in self._told)
        for note in told:
            run.output.note(f"{document.name}: {note}")
        if not reply.answer and not self._cut:
            raise AnswerError("The model gave no answer.", "Ask again, or with another --seed or --temperature.")
        run.tally.found += bool(reply.answer)
        sums = tuple(sum_problems(data))
        if self._wanted.source and self._schema is not None and known is not None:
            data = stamped(data, self._schema, known)
        for problem in sums:
            run.output.note(f"{document.name}: {problem}")
        if run.common.as_json:
            notes = (f"The pages were read in {parts} parts.",) if parts > 1 else ()
            answer = None if self._wanted.question is None else reply.answer
            more = {"question": self._wanted.question, "answer": answer, "data": data}
            run.give_result(run.result(document, self._infos, **more, problems=told + sums, notes=notes))
        elif self._schema is None:
            run.give(reply.answer, markdown=True)
        else:
            run.give(reply.answer if data is None else json.dumps(data, ensure_ascii=False))

    def _asked(self, document: Document) -> tuple[Reply, Any, int] | None:
        """The last reply, its data by the schema, and in how many parts the pages were read; None without a page."""
        wanted = task.request(self._wanted.question, self._schema)
        answers: list[tuple[str, str]] = []
        with self._run.output.pages(len(document.numbers)) as bar:
            for sheets, last in task.packed(self._sheets(document, bar), self._for_pages):
                if last and not answers:
                    return *self._ask(task.about_pages(sheets, wanted), "all pages"), 1
                if not answers:
                    with bar.aside():
                        told = f"Only {len(sheets)} pages fit into one conversation: they are read in parts."
                        self._run.output.note(f"{document.name}: {told}")
                reply, _ = self._ask(task.about_pages(sheets, wanted), _name(sheets))
                answers.append((_name(sheets), reply.answer))
        if not answers:
            return None
        combining = task.combining(self._wanted.question, self._short(answers), self._schema)
        return *self._ask(combining, "all of them"), len(answers)

    def _ask(self, messages: Sequence[Message], pages: str) -> tuple[Reply, Any]:
        """An answer about some pages, and its data by the schema."""
        asker = self._run.asker
        reply, data = (asker.ask(messages), None) if self._schema is None else asker.fitting(messages, self._schema)
        self._run.think(reply.thinking)
        self._told += [(pages, note) for note in reply.notes]
        if reply.finish.reason == "length":
            self._cut.append(pages)
        return reply, data

    def _sheets(self, document: Document, bar: Pages) -> Iterator[tuple[Sheet, int]]:
        """The pages as they are sent, each with the tokens it takes."""
        for page, sheet in self._run.pages(document, bar):
            self._infos.append(page)
            if sheet is not None:
                seen = 0 if sheet.picture is None else self._room.of_picture(page.width, page.height)
                yield sheet, seen + self._room.of_text(f"{sheet.name}: {sheet.text}") + 8

    def _short(self, answers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The answers, each cut to its share of the room if all together are too long."""
        share = self._for_pages // len(answers)
        return [(name, answer if self._room.of_text(answer) <= share else answer[:share]) for name, answer in answers]


def _name(sheets: Sequence[Sheet]) -> str:
    return sheets[0].name if len(sheets) == 1 else f"{sheets[0].name} to {sheets[-1].name.removeprefix('Page ')}"
