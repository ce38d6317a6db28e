"""From the shared options to an engine and its options; the model that is used by default is chosen here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ernie_cli.cli.options import Common
from ernie_cli.cli.output import Output
from ernie_cli.errors import UsageError

if TYPE_CHECKING:
    from ernie_cli.engines import Options
    from ernie_cli.engines.local import LocalEngine


def pick_engine(common: Common, output: Output) -> LocalEngine:
    """The engine that answers; says so when it is the built-in model because none was named. Raises ModelError."""
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.runtime.checkpoint import NANO, find

    if common.model == "":
        raise UsageError("The name of the model is empty.", "Leave --model (and ERNIE_MODEL) out for the built-in one.")
    if common.model is None:
        output.note(f"Using the built-in {NANO}; it knows little of the world (see --model).")
    return LocalEngine(find(common.model or NANO), common.device)


def options_of(common: Common, schema: dict[str, Any] | None = None) -> Options:
    """The part of the shared options that is the engine's, and the schema its answer has to fit."""
    from ernie_cli.engines import Options

    return Options(
        thinking=common.think,
        think_budget=common.think_budget,
        max_tokens=common.max_tokens,
        temperature=common.temperature,
        top_p=common.top_p,
        top_k=common.top_k,
        repetition_penalty=common.repetition_penalty,
        seed=common.seed,
        max_pixels=common.max_pixels,
        schema=schema,
    )
