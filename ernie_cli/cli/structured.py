"""`--schema` on any command: reading the option, and an answer that fits it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_cli.cli.output import Output, Reply
from ernie_cli.errors import AnswerError, UsageError

if TYPE_CHECKING:
    from ernie_cli.engines import Engine, Options
    from ernie_cli.messages import Message


def schema_option(argument: str) -> dict[str, Any]:
    """The schema given inline, in the short form, or as the name of a `.json` file. Raises UsageError."""
    from ernie_cli.tasks.structured import schema_of

    if argument.lstrip().startswith("{") or not (argument.endswith(".json") or os.path.isfile(argument)):
        return schema_of(argument)
    try:
        return schema_of(Path(argument).read_text(encoding="utf-8"))
    except (OSError, ValueError) as failed:
        raise UsageError(f"The schema {argument} cannot be read: {failed}.", "Check the file's name.") from failed


def fitting_reply(
    engine: Engine, asked: Sequence[Message], options: Options, output: Output, *, show_answer: bool
) -> tuple[Reply, Any]:
    """A reply that fits `options.schema`, and its data (None if it was cut off).

    An engine that masks is right by construction; another one is asked once more, and nothing of its answer is shown
    before it fits. Raises AnswerError if it then still does not.
    """
    from ernie_cli.tasks import structured

    assert options.schema is not None
    reply = output.play(engine.stream(asked, options), show_answer=show_answer and engine.can_mask, markdown=False)
    try:
        data = structured.read(reply.answer, options.schema)
    except AnswerError as error:
        if reply.finish.reason == "length":
            return reply, None
        if engine.can_mask:
            raise
        output.note(f"{error.message} Asking once more.")
        again = structured.repair(asked, reply.answer, error)
        reply = output.play(engine.stream(again, options), show_answer=False)
        data = structured.read(reply.answer, options.schema)
    if show_answer and not engine.can_mask:
        output.text(reply.answer)
    return reply, data
