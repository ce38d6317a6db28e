"""`ernie schema`: the JSON Schema of a command's output."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from ernie_cli.cli.output import Output


class Name(str, Enum):
    """The commands whose JSON has a schema to print; `models` is for the list, `dry-run` for what any sends."""

    ask = "ask"
    chart = "chart"
    doc = "doc"
    ground = "ground"
    pull = "pull"
    models = "models"
    verify = "verify"
    quantize = "quantize"
    doctor = "doctor"
    video = "video"
    cuts = "cuts"
    dry_run = "dry-run"


def schema(name: Annotated[Name, typer.Argument(help="The command whose JSON is meant.")]) -> None:
    """Print the JSON Schema of a command's output.

    Example: [bold]ernie schema ask > ask.schema.json[/bold]
    """
    import json

    from ernie_cli.tasks import results

    shapes: dict[Name, type[results.Result]] = {
        Name.ask: results.AskResult,
        Name.chart: results.ChartResult,
        Name.doc: results.DocResult,
        Name.ground: results.GroundResult,
        Name.pull: results.PullResult,
        Name.models: results.ModelsResult,
        Name.verify: results.VerifyResult,
        Name.quantize: results.QuantizeResult,
        Name.doctor: results.DoctorResult,
        Name.video: results.VideoResult,
        Name.cuts: results.CutsResult,
        Name.dry_run: results.Preview,
    }
    Output().text(json.dumps(shapes[name].model_json_schema(), indent=2))
