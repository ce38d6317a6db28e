"""The options that commands share, declared once.

A command that asks the model declares its own parameters and a last one, `common: Common`; `with_common` gives it all
of these options in its place, but for those that it declares itself under the same name: a `format` with more choices,
say, which then include `text` and `json`, as everybody may have set them. The other commands take the few they need by
their aliases. A flag beats its `ERNIE_*` variable, which beats the config file, which beats the default.
"""

# No `from __future__ import annotations` here: Typer wants them as objects, and reading them back from strings is slow.
import inspect
from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

FROM_FIELD = "ERNIE_*"
MODEL, ANSWER, OUTPUT = "Model", "Thinking and answering", "Output"


class ShowThinking(str, Enum):
    """When the thought is shown on stderr."""

    auto = "auto"
    always = "always"
    never = "never"


class Precision(str, Enum):
    """How exactly the weights are kept."""

    auto = "auto"
    bf16 = "bf16"
    int8 = "int8"
    nf4 = "nf4"


class Format(str, Enum):
    """How an answer is printed."""

    text = "text"
    json = "json"


FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="text or json.", envvar="ERNIE_FORMAT", show_envvar=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say what was chosen and why.", envvar="ERNIE_VERBOSE", show_envvar=False),
]
PasswordOption = Annotated[
    str | None, typer.Option("--password", help="Of a PDF.", envvar="ERNIE_PASSWORD", show_envvar=False)
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only the result and errors.", envvar="ERNIE_QUIET", show_envvar=False)
]


def option(panel: str, help: str, *names: str, variable: bool = True, **more: Any) -> Any:
    """A `typer.Option` of a panel; `with_common` names its environment variable after the field, if it has one."""
    return typer.Option(
        *names, help=help, rich_help_panel=panel, show_envvar=False, envvar=FROM_FIELD if variable else None, **more
    )


@dataclass(frozen=True)
class Common:
    """What was asked for with the shared options."""

    model: Annotated[str | None, option(MODEL, "A folder with a checkpoint, or a name.", "--model", "-m")] = None
    precision: Annotated[Precision, option(MODEL, "auto: the best that fits.")] = Precision.auto
    device: Annotated[str, option(MODEL, "auto, cpu, cuda, cuda:1 or mps.")] = "auto"
    max_pixels: Annotated[int | None, option(MODEL, "Shrink pictures to at most N pixels.", min=784)] = None
    think: Annotated[bool, option(ANSWER, "Think before answering.", "--think/--no-think")] = True
    think_budget: Annotated[int | None, option(ANSWER, "Close the thought after N tokens.", min=0)] = None
    show_thinking: Annotated[
        ShowThinking, option(ANSWER, "Show the thought on stderr; auto: if that is a terminal.")
    ] = ShowThinking.auto
    thinking_file: Annotated[
        Path | None, option(ANSWER, "Write the thought to a file.", variable=False, dir_okay=False)
    ] = None
    max_tokens: Annotated[int | None, option(ANSWER, "Most tokens of thought and answer together.", min=1)] = None
    temperature: Annotated[float | None, option(ANSWER, "0: always the likeliest token.", min=0)] = None
    top_p: Annotated[float | None, option(ANSWER, "Draw from the likeliest tokens up to P.", min=0, max=1)] = None
    top_k: Annotated[int | None, option(ANSWER, "Draw from the K likeliest tokens.", min=0)] = None
    repetition_penalty: Annotated[
        float | None, option(ANSWER, "Above 1: what was said already is less likely.", min=0.01)
    ] = None
    seed: Annotated[int | None, option(ANSWER, "The same seed draws the same text.", min=0, max=2**63 - 1)] = None
    format: Annotated[Format, option(OUTPUT, "text or json.", "--format", "-f")] = Format.text
    json: Annotated[bool, option(OUTPUT, "The same as --format json.", "--json", variable=False)] = False
    output: Annotated[
        Path | None, option(OUTPUT, "Write the answer to a file.", "--output", "-o", variable=False, dir_okay=False)
    ] = None
    dry_run: Annotated[bool, option(OUTPUT, "Show what would be sent; load no model.", "--dry-run", variable=False)] = (
        False
    )
    verbose: Annotated[bool, option(OUTPUT, "Say what was chosen and why.", "--verbose", "-v")] = False
    quiet: Annotated[bool, option(OUTPUT, "Only the answer and errors.", "--quiet", "-q")] = False

    @property
    def as_json(self) -> bool:
        """Whether JSON was asked for, in either way."""
        return self.json or self.format is Format.json


def may_be_set(field: Field[Any]) -> bool:
    """Whether an option has a variable and a place in the config file; those that belong to one run have not."""
    annotation: Any = field.type
    return annotation.__metadata__[0].envvar is not None


def _name_variable(name: str, annotation: Any) -> None:
    """Puts the name of an option's own environment variable in the place that `option` left for it."""
    info: Any = next(iter(getattr(annotation, "__metadata__", ())), None)
    if getattr(info, "envvar", None) == FROM_FIELD:
        info.envvar = f"ERNIE_{name.upper()}"


def with_common(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the shared options in place of its parameter `common`."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "common"]
    theirs = [field for field in fields(Common) if field.name not in {parameter.name for parameter in own}]
    shared = []
    for parameter in own:
        _name_variable(parameter.name, parameter.annotation)
    for field in theirs:
        annotation: Any = field.type
        _name_variable(field.name, annotation)
        shared.append(
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation)
        )

    @wraps(command)
    def run(**given: Any) -> None:
        common = Common(**{field.name: given.pop(field.name) for field in theirs})
        command(**given, common=common)

    run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *shared)}
    return run
