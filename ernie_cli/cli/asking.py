"""What the commands that go over documents share: telling a question from an input, opening, and asking unseen.

All that ask the model also share here what `--dry-run` shows.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ernie_cli.cli.output import Output, Reply, ShowThinking
    from ernie_cli.engines import Engine, Options
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.media import Document, Limits, Source
    from ernie_cli.messages import Message

T = TypeVar("T")

TRIES = 3
# One word with an ending, a folder before it, or a wildcard; or several words with the ending of what can be read.
_FILE_NAME = re.compile(
    r"\S*\.[a-z]\w{0,4}(?:#\S*)?|[~./\\]\S*|[a-z+]+://\S*|data:\S*|\S*\*\S*"
    r"|[^?]*\.(?:pdf|tiff?|png|jpe?g|webp|gif|bmp|avif|hei[cf]|mp4|mov|mkv|webm|avi)(?:#[\w,.=-]*)?",
    re.IGNORECASE | re.ASCII,
)


def split_question(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The inputs, and the question behind them if there is one.

    The last of several arguments is a question unless it is there as a file, matches some, or is written like the name
    of one: a mistyped name must not become a question.
    """
    *inputs, last = arguments
    if not inputs or not last.strip() or _FILE_NAME.fullmatch(last) or names_input(last):
        return [*arguments], None
    return inputs, last


def names_input(argument: str) -> bool:
    """Whether an argument is there as a file, matches some, or is one word that is written like the name of one."""
    path = argument.rpartition("#")[0] or argument
    if argument == "-" or any(os.path.exists(name) or glob.glob(name) for name in (argument, path)):
        return True
    if re.search(r"\s", argument):
        return False
    return bool(_FILE_NAME.fullmatch(argument)) or os.path.isdir(os.path.dirname(argument) or "/no folder")


@contextmanager
def opened(source: Source, limits: Limits, password: str | None, output: Output) -> Iterator[Document]:
    """The document of a source; a password that it needs is asked for on the terminal. Raises InputError."""
    from ernie_cli.media import LockedError, open_document

    with ExitStack() as stack:
        for attempt in range(TRIES + 1):
            try:
                document = stack.enter_context(open_document(source, limits, password))
                break
            except LockedError as locked:
                given = None if attempt == TRIES else output.secret(f"{locked.message} Password:")
                if given is None:
                    raise
                password = given
        yield document


def preview(
    command: str, engine: Engine, asked: Sequence[Message], options: Options, output: Output, *, as_json: bool
) -> None:
    """What `--dry-run` shows instead of an answer: what would be sent. It goes to stdout, and never into a file."""
    from ernie_cli.tasks.results import Preview

    prompt = engine.describe(asked, options)
    if as_json:
        output.result(Preview(command=command, model=engine.model, prompt=prompt))
    else:
        output.text(prompt)


class Asker:
    """Asks an engine without showing the answer as it comes, and keeps count of what it took."""

    def __init__(self, engine: LocalEngine, options: Options, output: Output) -> None:
        from ernie_cli.cli.gathered import Gathered
        from ernie_cli.cli.output import Output

        self.engine, self.options = engine, options
        self.gathered = Gathered()
        # A progress bar has the screen.
        thought: ShowThinking = "always" if output.style.show_thinking == "always" else "never"
        self._silent = Output(output.style._replace(show_thinking=thought, quiet=True))

    def again(self) -> None:
        """From here on, count anew."""
        from ernie_cli.cli.gathered import Gathered

        self.gathered = Gathered()

    def ask(self, messages: Sequence[Message], schema: dict[str, Any] | None = None) -> Reply:
        """A reply; with a schema, one that fits it if the engine can see to that. Raises ErnieError."""
        options = replace(self.options, schema=schema)
        reply = self._silent.play(self.engine.stream(messages, options), show_answer=False)
        self.gathered.add(reply)
        return reply

    def fitting(self, messages: Sequence[Message], schema: dict[str, Any]) -> tuple[Reply, Any]:
        """A reply that fits a schema and its data, None if it was cut off. Raises AnswerError, as `readable` does."""
        from ernie_cli.tasks import structured

        return self.readable(messages, schema, lambda reply: structured.read(reply.answer, schema))

    def readable(
        self,
        messages: Sequence[Message],
        schema: dict[str, Any],
        read: Callable[[Reply], T],
        tell: Callable[[str], None] = lambda text: None,
    ) -> tuple[Reply, T | None]:
        """A reply and what `read` makes of it, None if it was cut off; `read_or_ask_again` says when it asks again."""
        from ernie_cli.cli.structured import read_or_ask_again

        def ask(asked: Sequence[Message]) -> Reply:
            return self.ask(asked, schema)

        return read_or_ask_again(ask, messages, read, can_mask=self.engine.can_mask, tell=tell)
