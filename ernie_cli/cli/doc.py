"""`ernie doc`: documents as Markdown, as data, or to be asked about."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ernie_cli.cli.options import OUTPUT, Common, PasswordOption, option


class TextLayer(str, Enum):
    """Whether the text that a document brings along is shown to the model: with the picture, not, or alone."""

    auto = "auto"
    never = "never"
    only = "only"


def doc(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT... [QUESTION]", help="PDFs (a.pdf#3-5), TIFFs or pictures; a question, last."),
    ],
    *,
    schema: Annotated[
        str | None,
        typer.Option(help="Give data of this shape: a JSON Schema, its .json file, or 'name, total number'."),
    ] = None,
    per_page: Annotated[bool, typer.Option("--per-page", help="Data for each page, not for the document.")] = False,
    source: Annotated[bool, typer.Option("--source", help="Let the data say on which page it stands.")] = False,
    text_layer: Annotated[
        TextLayer, typer.Option(help="Text of the PDF itself: auto: shown beside the picture; only: instead of it.")
    ] = TextLayer.auto,
    password: PasswordOption = None,
    output: Annotated[
        str | None,
        option(OUTPUT, "A file; or a folder, ending in /, for a file a page.", "--output", "-o", variable=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder of --output.")] = False,
    fail_empty: Annotated[bool, typer.Option("--fail-empty", help="Exit with 7 if nothing was on any page.")] = False,
    common: Common,
) -> None:
    """Turn pages into Markdown or data, or ask about all of them.

    [bold]ernie doc report.pdf#3-5 > report.md[/bold]

    [bold]ernie doc scan.tiff photo.heic -o pages/ --resume[/bold]

    [bold]ernie doc invoice.pdf --schema 'invoice_no, total number, items\\[name, price number]'[/bold]

    [bold]ernie doc contract.pdf "When does it end?" --json | jq -r .answer[/bold]
    """
    from ernie_cli.cli.asking import split_question
    from ernie_cli.cli.doc_run import DocRun, Wanted
    from ernie_cli.cli.output import Output, Style
    from ernie_cli.cli.structured import schema_option

    names, question = split_question(inputs)
    shape = None if schema is None else schema_option(schema)
    # A `Path` would forget the slash at its end.
    place = None if output is None else Path(output)
    folder = place is not None and (resume or place.is_dir() or str(output).endswith(("/", os.sep)))
    wanted = Wanted(question, shape, per_page, source, text_layer.value, place, folder, resume)
    wanted.check()
    shown = Output(Style(common.show_thinking.value, common.verbose, common.quiet))
    DocRun(wanted, common, shown).over(names, password, fail_empty=fail_empty)
