"""The engine that runs a checkpoint on this machine. The model is loaded when it is first asked something."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ernie_cli.engines import Options
from ernie_cli.errors import ModelError
from ernie_cli.messages import Event, Message
from ernie_cli.runtime.checkpoint import Checkpoint

if TYPE_CHECKING:
    from llguidance import LLTokenizer

    from ernie_cli.runtime.constraint import JsonConstraint
    from ernie_cli.runtime.inputs import ModelInputs
    from ernie_cli.runtime.model import Model
    from ernie_cli.runtime.sampling import Sampling

# Baidu's samples for this model, where a checkpoint states nothing itself.
DEFAULT_TEMPERATURE = 0.2
DEFAULT_TOP_P = 0.8
DEFAULT_MAX_TOKENS = 16_384


class LocalEngine:
    """Runs `checkpoint` on `device` (`auto`, `cpu`, `cuda`, `cuda:1`, `mps`)."""

    can_mask = True

    def __init__(self, checkpoint: Checkpoint, device: str = "auto") -> None:
        self.checkpoint, self._device = checkpoint, device
        self._load_s = 0.0

    @property
    def model(self) -> str:
        return self.checkpoint.name

    def prepare(self, messages: Sequence[Message], options: Options) -> ModelInputs:
        """What would be sent to the model, without loading its weights."""
        from ernie_cli.runtime.inputs import prepare

        return prepare(messages, self.checkpoint, thinking=options.thinking, max_pixels=options.max_pixels)

    def describe(self, messages: Sequence[Message], options: Options) -> str:
        """The prompt as text, each picture's tokens counted instead of written out; no weights are loaded."""
        from ernie_cli.runtime.inputs import outline

        return outline(self.prepare(messages, options), self.checkpoint)

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Event]:
        """The events of one answer. Raises ModelError if the checkpoint cannot be loaded."""
        from ernie_cli.runtime.generate import Limits, generate

        inputs = self.prepare(messages, options)
        constraint = None if options.schema is None else self._constraint(options.schema)
        model = self._loaded
        stated = self.checkpoint.generation
        limits = Limits(options.max_tokens or stated.get("max_new_tokens") or DEFAULT_MAX_TOKENS, options.think_budget)
        sampling = _sampling(options, stated)
        load_s, self._load_s = self._load_s, 0.0
        import torch

        try:
            yield from generate(model, inputs, sampling, limits, constraint=constraint, load_s=load_s)
        except torch.OutOfMemoryError as full:
            raise ModelError(
                f"{self.model} ran out of memory on {model.device}.",
                "Use smaller pictures (--max-pixels), fewer of them, or --device cpu.",
            ) from full

    def _constraint(self, schema: dict[str, Any]) -> JsonConstraint:
        from ernie_cli.runtime.constraint import JsonConstraint

        return JsonConstraint(self._vocabulary, self.checkpoint.tokenizer, schema)

    @cached_property
    def _vocabulary(self) -> LLTokenizer:
        from ernie_cli.runtime.constraint import compile_vocabulary

        return compile_vocabulary(self.checkpoint.tokenizer, self.checkpoint.stop_ids)

    @cached_property
    def _loaded(self) -> Model:
        from ernie_cli.runtime.model import load

        begun = time.monotonic()
        model = load(self.checkpoint, self._device)
        self._load_s = round(time.monotonic() - begun, 3)
        return model


def _sampling(options: Options, stated: dict[str, Any]) -> Sampling:
    """What was asked for, else what the checkpoint states, else Baidu's usual values."""
    from ernie_cli.runtime.sampling import Sampling

    def pick(name: str, usual: float) -> Any:
        asked = getattr(options, name)
        return stated.get(name, usual) if asked is None else asked

    greedy = stated.get("do_sample") is False and options.temperature is None
    return Sampling(
        temperature=0.0 if greedy else pick("temperature", DEFAULT_TEMPERATURE),
        top_p=pick("top_p", DEFAULT_TOP_P),
        top_k=int(pick("top_k", 0)),
        repetition_penalty=pick("repetition_penalty", 1.0),
        seed=options.seed,
    )
