"""Wires the commands together: which there are, the config file, and what an error becomes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Annotated, Any

import typer

from ernie_cli import __version__
from ernie_cli.cli import ask, models, pull, schema
from ernie_cli.cli.config import read_config
from ernie_cli.cli.options import Common, may_be_set, with_common
from ernie_cli.cli.output import Output
from ernie_cli.errors import EXIT_INTERRUPTED, EXIT_OK, ErnieError

app = typer.Typer(
    name="ernie",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: dict[str, Callable[..., None]] = {
    "ask": with_common(ask.ask),
    "pull": pull.pull,
    "models": models.models,
    "schema": schema.schema,
}
# Commands that have commands of their own.
GROUPS: dict[str, dict[str, Callable[..., None]]] = {"models": models.COMMANDS}


def main() -> None:
    """The console script `ernie`."""
    # A stream that was closed before we began (`>&-`) is None, and must not be what fails.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        # On some build services typer colours its help even where nobody can see colours.
        os.environ.setdefault("_TYPER_FORCE_DISABLE_TERMINAL", "1")
    app()


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every way it can end turned into an exit code, and never a traceback (but for ERNIE_DEBUG)."""

    @wraps(command)
    def run(*args: Any, **given: Any) -> None:
        try:
            command(*args, **given)
            sys.stdout.flush()
        except ErnieError as error:
            _unless_debugging(error)
            Output().error(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as stop:
            raise typer.Exit(EXIT_INTERRUPTED) from stop
        except BrokenPipeError as closed:
            # Whoever read our output has seen enough. Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(EXIT_OK) from closed
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as unexpected:
            _unless_debugging(unexpected)
            what = f"{type(unexpected).__name__}: {unexpected}".rstrip(": ")
            hint = "Set ERNIE_DEBUG=1 to see where, and please report it."
            Output().error(ErnieError(f"Something unexpected happened ({what}).", hint))
            raise typer.Exit(ErnieError.exit_code) from unexpected

    return run


def _unless_debugging(error: BaseException) -> None:
    if os.environ.get("ERNIE_DEBUG", "") not in ("", "0"):
        raise error


def _print_version(asked: bool) -> None:
    if asked:
        Output().text(f"ernie {__version__}")
        raise typer.Exit


@app.callback()
@guarded
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Ask ERNIE-4.5-VL-28B-A3B-Thinking about pictures, on your own machine."""
    settings = read_config(frozenset(field.name for field in fields(Common) if may_be_set(field)))
    context.default_map = dict.fromkeys(COMMANDS, settings)


def _register(name: str, command: Callable[..., None]) -> None:
    if name not in GROUPS:
        app.command(name)(guarded(command))
        return
    group = typer.Typer(rich_markup_mode="rich")
    group.callback(invoke_without_command=True)(guarded(command))
    for inner, inner_command in GROUPS[name].items():
        group.command(inner)(guarded(inner_command))
    app.add_typer(group, name=name)


for _name, _command in COMMANDS.items():
    _register(_name, _command)
