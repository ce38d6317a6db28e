"""`--schema` on any command: reading the option, and an answer that fits it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
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


def read_or_ask_again(
    ask: Callable[[Sequence[Message]], Reply],
    asked: Sequence[Message],
    read: Callable[[Reply], T],
    *,
    can_mask: bool,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[Reply, T | None]:
    """A reply, and what `read` makes of it; None if it was cut off before anything could be read.

    An engine that masks is right by construction; another one is asked once more, told what was wrong, and the reply
    then counts the tokens, times and thoughts of both. Raises AnswerError if it then still cannot be read.
    """
    from ernie_cli.tasks.structured import repair

    reply = ask(asked)
    try:
        return reply, read(reply)
    except AnswerError as error:
        if reply.finish.reason == "length":
            return reply, None
        if can_mask:
            raise
        tell(f"{error.message} Asking once more.")
        reply = _together(reply, ask(repair(asked, reply.answer, error)))
    try:
        return reply, read(reply)
    except AnswerError:
        if reply.finish.reason != "length":
            raise
        return reply, None


def _together(first: Reply, second: Reply) -> Reply:
    """The second reply, with what both of them took."""
    began, ended = first.finish, second.finish
    timing = replace(began.timing, total_s=began.timing.total_s + ended.timing.total_s)
    finish = replace(ended, usage=began.usage + ended.usage, timing=timing)
    return Reply(second.answer, "\n\n".join(filter(None, (first.thinking, second.thinking))), finish, second.notes)


def readable_reply(
    engine: Engine,
    asked: Sequence[Message],
    options: Options,
    output: Output,
    read: Callable[[Reply], T],
    *,
    show_answer: bool = False,
) -> tuple[Reply, T | None]:
    """`read_or_ask_again` with an engine. Nothing of an answer is shown before it can be read, but where it must be
    right. Raises AnswerError, with the answer on stderr.
    """
    live = show_answer and engine.can_mask
    answers: list[str] = []

    def ask(messages: Sequence[Message]) -> Reply:
        reply = output.play(engine.stream(messages, options), show_answer=live, markdown=False)
        answers.append(reply.answer)
        return reply

    try:
        reply, found = read_or_ask_again(ask, asked, read, can_mask=engine.can_mask, tell=output.note)
    except AnswerError:
        if answers and not live:
            output.raw(answers[-1])
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
