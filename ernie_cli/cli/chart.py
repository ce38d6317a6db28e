"""`ernie chart`: charts in pictures, as tables."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ernie_cli.cli.options import OUTPUT, Common, PasswordOption, option


class ChartFormat(str, Enum):
    """How a table is printed; `text` is an aligned table on a terminal, and CSV elsewhere."""

    text = "text"
    csv = "csv"
    json = "json"
    markdown = "markdown"


def chart(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT... [QUESTION]", help="Pictures or PDFs (a.pdf#3-5), and at most one question, last."
        ),
    ],
    *,
    format: Annotated[
        ChartFormat, option(OUTPUT, "text: aligned on a terminal, else csv; or csv, json, markdown.", "--format", "-f")
    ] = ChartFormat.text,
    redraw: Annotated[
        Path | None,
        typer.Option(help="Draw what was read, beside the original, to a picture.", dir_okay=False),
    ] = None,
    password: PasswordOption = None,
    fail_empty: Annotated[bool, typer.Option("--fail-empty", help="Exit with 7 if no chart was found.")] = False,
    common: Common,
) -> None:
    """Read charts as tables: type, title, axes with their units, and rows.

    [bold]ernie chart sales.png > sales.csv[/bold]

    [bold]ernie chart sales.png --redraw check.png[/bold]

    [bold]ernie chart jan.png feb.png report.pdf#3-5 -f json | jq .chart.rows[/bold]

    [bold]ernie chart sales.png "Which quarter was best?"[/bold]
    """
    from ernie_cli.cli.asking import split_question
    from ernie_cli.cli.chart_run import ChartRun
    from ernie_cli.cli.files import check_writable
    from ernie_cli.cli.output import Output, Style

    check_writable(common.output, common.thinking_file, redraw)
    output = Output(Style(common.show_thinking.value, common.verbose, common.quiet))
    names, question = split_question(inputs)
    chosen = ChartFormat.json if common.json else format
    ChartRun(common, chosen.value, question, redraw, output).over(names, password, fail_empty=fail_empty)
