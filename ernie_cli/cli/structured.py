"""`--schema` on any command: reading the option, and an answer that fits it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ernie_cli.cli.output import Output, Reply
from ernie_cli.errors import AnswerError, UsageError

if TYPE_CHECKING:
    from ernie_cli.engines import Engine, Options
    from ernie_cli.messages import Message

T = TypeVar("T")


def schema_option(argument: str) -> dict[str, Any]:
    """The schema given inline, in the short form, or as the name of a `.json` file. Raises UsageError."""
    from ernie_cli.tasks.structured import schema_of

    if argument.lstrip().startswith("{") or not (argument.endswith(".json") or os.path.isfile(argument)):
        return schema_of(argument)
    try:
        return schema_of(Path(argument).read_text(encoding="utf-8"))
    except (OSError, ValueError) as failed:
        raise UsageError(f"The schema {argument} cannot be read: {failed}.", "Check the file's name.") from failed


def readable_reply(
    engine: Engine,
    asked: Sequence[Message],
    options: Options,
    output: Output,
    read: Callable[[Reply], T],
    *,
    show_answer: bool = False,
) -> tuple[Reply, T | None]:
    """A reply, and what `read` makes of it; None if it was cut off before anything could be read.

    An engine that masks is right by construction; another one is asked once more, told what was wrong. Nothing of its
    answer is shown before it can be read. Raises AnswerError if it then still cannot, with the answer on stderr.
    """
    from ernie_cli.tasks import structured

    live = show_answer and engine.can_mask
    reply = output.play(engine.stream(asked, options), show_answer=live, markdown=False)
    try:
        found = read(reply)
    except AnswerError as error:
        if reply.finish.reason == "length":
            return reply, None
        if engine.can_mask:
            if not live:
                output.raw(reply.answer)
            raise
        output.note(f"{error.message} Asking once more.")
        reply = output.play(engine.stream(structured.repair(asked, reply.answer, error), options), show_answer=False)
        try:
            found = read(reply)
        except AnswerError:
            if reply.finish.reason == "length":
                return reply, None
            output.raw(reply.answer)
            raise
    if show_answer and not live:
        output.text(reply.answer)
    return reply, found


def fitting_reply(
    engine: Engine, asked: Sequence[Message], options: Options, output: Output, *, show_answer: bool
) -> tuple[Reply, Any]:
    """A reply that fits `options.schema`, and its data (None if it was cut off). Raises AnswerError."""
    from ernie_cli.tasks import structured

    schema = options.schema
    assert schema is not None
    return readable_reply(
        engine, asked, options, output, lambda reply: structured.read(reply.answer, schema), show_answer=show_answer
    )
