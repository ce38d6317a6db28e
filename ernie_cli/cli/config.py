"""The config file: defaults for the shared options, as TOML in the user's config folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import typer

from ernie_cli.errors import UsageError


def config_path() -> Path:
    """`ERNIE_CONFIG`, or `config.toml` in the platform's config folder for `ernie`."""
    if given := os.environ.get("ERNIE_CONFIG"):
        return Path(given)
    return Path(typer.get_app_dir("ernie")) / "config.toml"


def read_config(known: frozenset[str]) -> dict[str, Any]:
    """The settings of the config file, if there is one. Raises UsageError for broken TOML or an unknown name."""
    path = config_path()
    if not path.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as broken:
        raise UsageError(f"The config file {path} cannot be read: {broken}.", "Mend or remove it.") from broken
    settings = {name.replace("-", "_"): value for name, value in settings.items()}
    if unknown := sorted(set(settings) - known):
        raise UsageError(
            f"The config file {path} sets {', '.join(unknown)}, which is no option.",
            f"Known names: {', '.join(sorted(known))}.",
        )
    return settings
