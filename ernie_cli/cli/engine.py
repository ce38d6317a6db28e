"""From the shared options to an engine and its options; the model that is used by default is chosen here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_cli.cli.options import Common
from ernie_cli.cli.output import Output
from ernie_cli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from ernie_cli.engines import Engine, Options
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.media import Limits
    from ernie_cli.runtime.checkpoint import Checkpoint


def pick_engine(common: Common, output: Output) -> LocalEngine:
    """The engine that answers; says so when it is the built-in model because none was named. Raises ModelError."""
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.runtime.checkpoint import find

    if common.model == "":
        raise UsageError("The name of the model is empty.", "Leave --model (and ERNIE_MODEL) out for the built-in one.")
    checkpoint = find(common.model) if common.model else _default(common, output)
    return LocalEngine(checkpoint, common.device, common.precision.value)


def _default(common: Common, output: Output) -> Checkpoint:
    """The full model if it is on this machine and fits, else the built-in one; a note says which, and why."""
    from ernie_cli.runtime.checkpoint import FULL, NANO, Checkpoint, find
    from ernie_cli.runtime.snapshots import snapshots

    why = "it knows little of the world (see --model)"
    for snapshot in snapshots():
        if snapshot.repo != FULL or snapshot.missing:
            continue
        from ernie_cli.runtime.loading import USUAL, choose_for, machine_for

        full = Checkpoint(snapshot.folder, snapshot.repo)
        try:
            choose_for(full, machine_for(common.device), common.precision.value, USUAL)
        except ModelError as small:
            why = f"{FULL} does not fit: {small.message}"
            break
        output.note(f"Using {FULL}.")
        return full
    output.note(f"Using the built-in {NANO}; {why.rstrip('.')}.")
    return find(NANO)


@dataclass(frozen=True)
class FrameRules:
    """How a model wants a clip's frames: frames a second, least and most, the size it makes of them, and its folder."""

    fps: float = 2.0
    least: int = 16
    most: int = 180
    fit: Callable[[int, int], tuple[int, int]] | None = None
    folder: Path | None = None


def frame_rules(engine: Engine | None, common: Common) -> FrameRules:
    """The rules of the engine's checkpoint; Baidu's where it has none of its own, or there is no engine."""
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.runtime.vision import FRAME_BUDGET, fit

    checkpoint = engine.checkpoint if isinstance(engine, LocalEngine) else None
    budget = (checkpoint.budgets.frame if checkpoint else FRAME_BUDGET).capped(common.max_pixels)

    def fitted(height: int, width: int) -> tuple[int, int]:
        return fit(height, width, budget)

    if checkpoint is None:
        return FrameRules(fit=fitted)
    return FrameRules(*checkpoint.frame_sampling, fitted, checkpoint.folder)


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


@dataclass(frozen=True)
class Room:
    """How much a model takes at once: `tokens` of prompt and answer, and what a picture or a text takes of them."""

    tokens: int = 131_072
    of_picture: Callable[[int, int], int] = lambda width, height: -(-width * height // 784)
    of_text: Callable[[str], int] = len


def room_of(engine: Engine, common: Common) -> Room:
    """The room of the engine's checkpoint; the 28B's where it has none, with text counted by its characters."""
    from ernie_cli.engines.local import LocalEngine

    if not isinstance(engine, LocalEngine):
        return Room()
    from ernie_cli.runtime.tokenizer import Literal
    from ernie_cli.runtime.vision import FACTOR, fit

    checkpoint = engine.checkpoint
    budget = checkpoint.budgets.capped(common.max_pixels).printed
    return Room(
        checkpoint.config.text_config.max_position_embeddings,
        lambda width, height: prod(fit(height, width, budget)) // FACTOR**2,
        lambda text: len(checkpoint.tokenizer.encode([Literal(text)])),
    )


def page_limits(engine: Engine, common: Common, *, printed: bool = True) -> Limits:
    """Pages are drawn with as many pixels as the model takes, and no more: of print, or of any picture."""
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.media import Limits

    if not isinstance(engine, LocalEngine):
        return Limits() if common.max_pixels is None else Limits(page_pixels=common.max_pixels)
    budgets = engine.checkpoint.budgets.capped(common.max_pixels)
    return Limits(page_pixels=(budgets.printed if printed else budgets.picture).most)
