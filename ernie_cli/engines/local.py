"""The engine that runs a checkpoint on this machine.

The model is loaded when it is first asked something: what it is asked decides whether, and how, it fits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ernie_cli.engines import Options
from ernie_cli.errors import ModelError
from ernie_cli.messages import Event, Message, Note
from ernie_cli.runtime.checkpoint import Checkpoint

if TYPE_CHECKING:
    from llguidance import LLTokenizer

    from ernie_cli.runtime.constraint import JsonConstraint
    from ernie_cli.runtime.fit import Asked
    from ernie_cli.runtime.inputs import ModelInputs
    from ernie_cli.runtime.memory import Load
    from ernie_cli.runtime.model import Model
    from ernie_cli.runtime.sampling import Sampling

# Baidu's samples for this model, where a checkpoint states nothing itself.
DEFAULT_TEMPERATURE = 0.2
DEFAULT_TOP_P = 0.8
DEFAULT_MAX_TOKENS = 16_384
PATCH_PIXELS = 14 * 14


class LocalEngine:
    """Runs `checkpoint` on `device` (`auto`, `cpu`, `cuda`, `cuda:1`, `mps`) at a precision."""

    can_mask = True

    def __init__(self, checkpoint: Checkpoint, device: str = "auto", precision: Asked = "auto") -> None:
        self.checkpoint, self._device, self._precision = checkpoint, device, precision
        self._model: Model | None = None
        self._checked: Load

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
        """The events of one answer.

        Where memory runs out in spite of the check before, it is tried once more with less, and a note says so. Raises
        ModelError if the checkpoint cannot be loaded or does not fit.
        """
        began = False
        try:
            for event in self._answer(messages, options):
                began = began or not isinstance(event, Note)
                yield event
            return
        except RuntimeError as full:
            if not is_out_of_memory(full):
                raise
            if began or self._model is None:
                raise self._full() from full
        less, note = self._less(messages, options)
        yield Note(note)
        try:
            yield from self._answer(messages, less)
        except RuntimeError as full:
            raise (self._full() if is_out_of_memory(full) else full) from full

    def _answer(self, messages: Sequence[Message], options: Options) -> Iterator[Event]:
        from ernie_cli.runtime.generate import Limits, generate

        inputs = self.prepare(messages, options)
        constraint = None if options.schema is None else self._constraint(options.schema)
        limits = Limits(self.max_tokens(options), options.think_budget)
        model, load_s, notes = self._loaded(load_of(inputs, limits.max_tokens))
        yield from notes
        sampling = _sampling(options, self.checkpoint.generation)
        yield from generate(model, inputs, sampling, limits, constraint=constraint, load_s=load_s)

    def max_tokens(self, options: Options) -> int:
        """The option, else what the checkpoint states, else `DEFAULT_MAX_TOKENS`."""
        return options.max_tokens or self.checkpoint.generation.get("max_new_tokens") or DEFAULT_MAX_TOKENS

    def _less(self, messages: Sequence[Message], options: Options) -> tuple[Options, str]:
        """Smaller pieces of the prompt, and half the pixels of the largest picture or frame; what to say of it."""
        import torch

        assert self._model is not None
        self._model.prefill //= 4
        self._model.patches //= 4
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        inputs = self.prepare(messages, options)
        pixels = max((patches.grid[1] * patches.grid[2] * PATCH_PIXELS for patches in inputs.media), default=0)
        if not pixels:
            return options, "Memory ran out; trying once more in smaller pieces."
        smaller = max(pixels // 2, 784)
        note = f"Memory ran out; trying once more in smaller pieces, with at most {smaller} pixels a picture."
        return replace(options, max_pixels=smaller), note

    def _full(self) -> ModelError:
        where = self._model.device if self._model else self._device
        return ModelError(
            f"{self.model} ran out of memory on {where}.",
            "Use smaller pictures (--max-pixels), fewer tokens (--max-tokens), --precision nf4 or --device cpu.",
        )

    def _constraint(self, schema: dict[str, Any]) -> JsonConstraint:
        from ernie_cli.runtime.constraint import JsonConstraint

        return JsonConstraint(self._vocabulary, self.checkpoint.tokenizer, schema)

    @cached_property
    def _vocabulary(self) -> LLTokenizer:
        from ernie_cli.runtime.constraint import compile_vocabulary

        return compile_vocabulary(self.checkpoint.tokenizer, self.checkpoint.stop_ids)

    def _loaded(self, work: Load) -> tuple[Model, float, list[Note]]:
        """The model, the seconds it took to load just now (0 if it was there), and what is to be said about it."""
        from ernie_cli.runtime.fit import human
        from ernie_cli.runtime.loading import check_room, load

        if self._model is not None:
            if work.exceeds(self._checked):
                check_room(self._model, work)
                self._checked = work
            return self._model, 0.0, []
        begun = time.monotonic()
        self._model = model = load(self.checkpoint, self._device, self._precision, work)
        self._checked = work
        load_s = round(time.monotonic() - begun, 3)
        assert model.choice is not None
        held = ", ".join(f"{human(size)} {dtype}" for dtype, size in model.bytes_by_dtype().items())
        return (
            model,
            load_s,
            [
                Note(f"{self.model}: {model.choice}.", detail=not model.choice.offloaded),
                Note(f"Loaded: {held}.", detail=True),
            ],
        )


def is_out_of_memory(error: RuntimeError) -> bool:
    """CUDA's has a class of its own; Apple's and the CPU's are told by their words."""
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error).lower()


def load_of(inputs: ModelInputs, max_tokens: int) -> Load:
    """What an answer of at most `max_tokens` to these inputs takes."""
    from ernie_cli.runtime.memory import Load
    from ernie_cli.runtime.model import pieces

    prompt = len(inputs.ids)
    seen = [math.prod(grid) for patches in inputs.media for _, grid in pieces(patches)]
    return Load(prompt + max_tokens, prompt, max(seen, default=0))


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
