"""Wires the commands together: which there are, the config file, and what an error becomes."""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import wraps
from importlib import import_module
from typing import Annotated, Any

import typer

from ernie_cli import __version__
from ernie_cli.cli.config import read_config
from ernie_cli.cli.options import Common, may_be_set, with_common
from ernie_cli.cli.streams import mend
from ernie_cli.errors import EXIT_INTERRUPTED, EXIT_OK, ErnieError

# Each is a function of its name in a module of its name; a dict `COMMANDS` there holds commands of its own.
COMMANDS = ("ask", "ground", "chart", "doc", "video", "pull", "models", "doctor", "schema")


def main() -> None:
    """The console script `ernie`."""
    mend()
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        # On some build services typer colours its help even where nobody can see colours.
        os.environ.setdefault("_TYPER_FORCE_DISABLE_TERMINAL", "1")
    named = sys.argv[1:2]
    listed = bool(set(named) & {"--help", "-h"})
    build_app(named if set(named) & set(COMMANDS) else COMMANDS, listed=listed)()


def build_app(names: Iterable[str] = COMMANDS, *, listed: bool = False) -> typer.Typer:
    """The program with the commands of these names: the one that is run is all it needs, and so it starts sooner.

    With `listed` they can only be listed: none gets its options, of which there are hundreds.
    """
    app = typer.Typer(
        name="ernie",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(guarded(root, starting=True))
    for name in names:
        _register(app, name, listed=listed)
    return app


def _register(app: typer.Typer, name: str, *, listed: bool) -> None:
    module = import_module(f"ernie_cli.cli.{name}")
    command = getattr(module, name)
    inner: dict[str, Callable[..., None]] = getattr(module, "COMMANDS", {})
    if listed:
        if inner:
            app.add_typer(typer.Typer(help=command.__doc__), name=name)
        else:
            app.command(name, help=command.__doc__)(lambda: None)
        return
    if "common" in inspect.signature(command).parameters:
        command = with_common(command)
    if not inner:
        app.command(name)(guarded(command))
        return
    group = typer.Typer(rich_markup_mode="rich")
    group.callback(invoke_without_command=True)(guarded(command))
    for inner_name, inner_command in inner.items():
        group.command(inner_name)(guarded(inner_command))
    app.add_typer(group, name=name)


def guarded(command: Callable[..., None], *, starting: bool = False) -> Callable[..., None]:
    """The command with every way it can end turned into an exit code, and never a traceback (but for ERNIE_DEBUG)."""

    @wraps(command)
    def run(*args: Any, **given: Any) -> None:
        if not starting:
            gc.enable()
        try:
            command(*args, **given)
            sys.stdout.flush()
        except ErnieError as error:
            _unless_debugging(error)
            _tell(error)
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
            _tell(ErnieError(f"Something unexpected happened ({what}).", hint))
            raise typer.Exit(ErnieError.exit_code) from unexpected

    return run


def _tell(error: ErnieError) -> None:
    from ernie_cli.cli.output import Output

    Output().error(error)


def _unless_debugging(error: BaseException) -> None:
    if os.environ.get("ERNIE_DEBUG", "") not in ("", "0"):
        raise error


def _print_version(asked: bool) -> None:
    if asked:
        from ernie_cli.cli.output import Output

        Output().text(f"ernie {__version__}")
        raise typer.Exit


def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Ask ERNIE-4.5-VL-28B-A3B-Thinking about pictures, on your own machine."""
    settings = read_config(frozenset(field.name for field in fields(Common) if may_be_set(field)))
    context.default_map = _defaults(context.command, settings)


def _defaults(command: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings for a command's own options and, by name, for those of the commands in it."""
    inner = getattr(command, "commands", {})
    return {**settings, **{name: _defaults(one, settings) for name, one in inner.items()}}
