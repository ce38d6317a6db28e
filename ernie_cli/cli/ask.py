"""`ernie ask`: a question about pictures, or about nothing at all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ernie_cli.cli.options import Common, PasswordOption
from ernie_cli.errors import EXIT_CUT_OFF, AnswerError, UsageError

# What only a run needs is imported by the run: `ernie ask --help` should not wait for it.
if TYPE_CHECKING:
    from ernie_cli.cli.output import Output, Reply
    from ernie_cli.media import LoadedPicture
    from ernie_cli.tasks.results import AskResult


def ask(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Pictures, pages (a.pdf#3-5) or frames (a.mp4#t=12): paths, globs, URLs, or - for stdin.",
        ),
    ] = None,
    *,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask, always last.")],
    schema: Annotated[
        str | None,
        typer.Option(help="Answer as JSON of this shape: a JSON Schema, its .json file, or 'name, total number'."),
    ] = None,
    password: PasswordOption = None,
    common: Common,
) -> None:
    """Ask about pictures; the answer comes on stdout, the thought on stderr.

    [bold]ernie ask photo.jpg "What is written on the sign?"[/bold]

    [bold]ernie ask before.png after.png "What changed?"[/bold]

    [bold]ernie ask receipt.jpg "What was bought?" --schema 'total number, items\\[name, price number]'[/bold]

    [bold]curl -s https://example.org/cat.jpg | ernie ask - "What breed?" --json | jq -r .answer[/bold]
    """
    from ernie_cli.cli.asking import preview
    from ernie_cli.cli.engine import options_of, pick_engine
    from ernie_cli.cli.files import check_writable
    from ernie_cli.cli.output import Output, Style
    from ernie_cli.cli.structured import fitting_reply, schema_option

    inputs = inputs or []
    _check_question(question)
    check_writable(common.output, common.thinking_file)
    output = Output(Style(common.show_thinking.value, common.verbose, common.quiet))
    pictures = _load(inputs, password, output)

    from ernie_cli.messages import Picture
    from ernie_cli.tasks import ask as task
    from ernie_cli.tasks import structured

    shape = None if schema is None else schema_option(schema)
    media = [Picture(picture.image, printed=picture.page is not None) for picture in pictures]
    asked = task.messages(media, question) if shape is None else structured.messages(media, question, shape)
    options = options_of(common, shape)
    engine = pick_engine(common, output)
    if common.dry_run:
        preview("ask", engine, asked, options, output, as_json=common.as_json)
        return
    plain, data = not common.as_json and common.output is None, None
    if shape is None:
        reply = output.play(engine.stream(asked, options), show_answer=plain)
    else:
        reply, data = fitting_reply(engine, asked, options, output, show_answer=plain)
    _deliver(reply, pictures, question, data, common, output)


def _check_question(question: str) -> None:
    if not question.strip():
        raise UsageError("The question is empty.", 'Put it last: ernie ask photo.jpg "What is this?"')
    from ernie_cli.cli.asking import names_input

    if names_input(question):
        raise UsageError(
            f"There is no question: the last argument, {question[:80]}, names an input.",
            'Put it last: ernie ask photo.jpg "What is this?"',
        )


def _load(inputs: Sequence[str], password: str | None, output: Output) -> list[LoadedPicture]:
    if not inputs:
        return []
    from ernie_cli.cli.asking import opened
    from ernie_cli.media import Limits, resolve

    limits = Limits()
    pictures: list[LoadedPicture] = []
    for source in resolve(inputs, stdin=sys.stdin.buffer):
        with opened(source, limits, password, output) as document:
            pictures += map(document.page, document.numbers)
    for picture in pictures:
        for note in picture.notes:
            output.note(note)
    return pictures


def _deliver(
    reply: Reply, pictures: Sequence[LoadedPicture], question: str, data: Any, common: Common, output: Output
) -> None:
    from ernie_cli.cli.files import write_whole

    if common.as_json or common.output:
        result = _result(reply, pictures, question, data)
        if common.output:
            text = result.model_dump_json(indent=2) if common.as_json else reply.answer
            write_whole(common.output, f"{text}\n")
            output.note(f"Written to {common.output}.")
        else:
            output.result(result)
    if common.thinking_file:
        write_whole(common.thinking_file, f"{reply.thinking}\n")
    usage, timing = reply.finish.usage, reply.finish.timing
    tokens = usage.reasoning_tokens + usage.answer_tokens
    rate = tokens / max(timing.total_s - timing.first_token_s, 1e-3)
    output.detail(
        f"{reply.finish.model}: {usage.prompt_tokens} tokens read ({usage.image_tokens} of pictures), "
        f"{usage.reasoning_tokens} thought, {usage.answer_tokens} answered; {rate:.0f} tokens/s, "
        f"first after {timing.first_token_s:.2f} s, loaded in {timing.load_s:.1f} s; finish: {reply.finish.reason}."
    )
    if reply.finish.reason == "length":
        where = "answer" if reply.answer else "thought, before any answer"
        output.note(f"Cut off in the {where}, after {tokens} tokens; --max-tokens allows more.")
        raise typer.Exit(EXIT_CUT_OFF)
    if not reply.answer:
        raise AnswerError("The model gave no answer.", "Ask again, or with another --seed or --temperature.")


def _result(reply: Reply, pictures: Sequence[LoadedPicture], question: str, data: Any) -> AskResult:
    from ernie_cli.tasks.results import AskResult, InputInfo, envelope_of

    return AskResult(
        **envelope_of(reply.finish),  # type: ignore[arg-type]
        inputs=tuple(InputInfo(path=p.name, width=p.image.width, height=p.image.height) for p in pictures),
        question=question,
        answer=reply.answer,
        thinking=reply.thinking,
        data=data,
    )
