"""The decode loop: tokens out of the model, events out of tokens, and an answer in any case.

A thought ends by itself, or is closed for the model when its budget is used up or it goes round in circles; an answer
that goes round in circles is ended. Closing happens through a queue of forced tokens, so that the model reads what was
written for it like anything it wrote itself.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ernie_cli.messages import Event, Finish, FinishReason, Note, Timing, Usage
from ernie_cli.runtime.loops import LoopBreaker
from ernie_cli.runtime.output import OutputGrammar
from ernie_cli.runtime.prompt import END_THINK
from ernie_cli.runtime.sampling import Sampler, Sampling
from ernie_cli.runtime.tokenizer import Markup

if TYPE_CHECKING:
    from torch import Tensor

    from ernie_cli.runtime.checkpoint import Checkpoint
    from ernie_cli.runtime.constraint import JsonConstraint
    from ernie_cli.runtime.inputs import ModelInputs

BRIDGE = "\nThat is enough thought; now the answer."
JSON_RESERVE = 200  # tokens before the limit from which on a JSON answer is steered to its end, but at most a quarter


class DecodingLike(Protocol):
    """A sequence being decoded: logits (vocabulary,) that foretell the next token, and a way to take it."""

    logits: Tensor

    def push(self, token: int) -> None:
        """Takes the next token."""


class ModelLike(Protocol):
    """What the loop needs of a model."""

    @property
    def checkpoint(self) -> Checkpoint:
        """Its tokenizer, stop tokens and name."""

    def start(self, inputs: ModelInputs) -> DecodingLike:
        """Reads a prompt."""


@dataclass(frozen=True)
class Limits:
    """Tokens: of thought and answer together, and of the thought alone.

    The thought never gets more than four fifths of all (FastDeploy's rule), so that an answer has room.
    """

    max_tokens: int
    think_budget: int | None = None

    @property
    def thought(self) -> int:
        most = self.max_tokens * 4 // 5
        return most if self.think_budget is None else min(self.think_budget, most)


class Writer:
    """One answer being written: what was counted, what is forced next, and why it will have ended."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        inputs: ModelInputs,
        sampling: Sampling,
        limits: Limits,
        constraint: JsonConstraint | None = None,
    ) -> None:
        self._tokenizer, self._stops = checkpoint.tokenizer, checkpoint.stop_ids
        self._limits, self._constraint = limits, constraint
        self._grammar = OutputGrammar(thinking=inputs.opens_thought, verbatim_answer=constraint is not None)
        self._sampler = Sampler(sampling, inputs.ids)
        self._breaker = LoopBreaker()
        self._forced: deque[int] = deque()
        self._broken = False  # whether the answer repeated itself: JSON is only closed from there on
        self.thought = self.answer = 0
        self.reason: FinishReason = "stop"
        self.over = False

    @property
    def in_thought(self) -> bool:
        return self._grammar.state == "thought"

    def write(self, decoding: DecodingLike) -> Iterator[Event]:
        """One more token: forced or chosen, told of, and taken by the model."""
        if self.in_thought and not self._forced and self.thought >= self._limits.thought:
            self._close_thought("budget", with_bridge=self.thought > 0)
        if self.thought + self.answer >= self._limits.max_tokens:
            self.reason, self.over = "length", True
            return
        forced = bool(self._forced)
        token = self._forced.popleft() if forced else self._choose(decoding)
        if token in self._stops:
            self._stop()
            return
        yield from self._tell(token, forced)
        if not self.over:
            decoding.push(token)

    def finish(self) -> Iterator[Event]:
        """What was held back until nothing more came, and what is to be said of the answer."""
        yield from self._grammar.finish()
        if self._broken:
            yield Note("The answer repeated itself and was ended.", of_answer=True)

    def _choose(self, decoding: DecodingLike) -> int:
        if self.in_thought or self._constraint is None:
            return self._sampler.pick(decoding.logits)
        reserve = min(JSON_RESERVE, self._limits.max_tokens // 4)
        short = self._limits.max_tokens - self.thought - self.answer <= reserve
        allowed = self._constraint.allowed()
        if short or self._broken:
            closing = self._constraint.closing()
            if short and closing.sum() < allowed.sum():
                self.reason = "length"  # from here on it is not the model that decides
            allowed = closing
        token = self._sampler.pick(decoding.logits, allowed)
        self._constraint.push(token)
        return token

    def _tell(self, token: int, forced: bool) -> Iterator[Event]:
        was_thought = self.in_thought
        data = self._tokenizer.bytes_of(token)
        yield from self._grammar.feed(data)
        if was_thought and not forced:
            self.thought += 1
        elif not was_thought:
            self.answer += 1
        if was_thought and not self.in_thought:
            self._breaker.reset()
            if self._constraint is not None and not self._forced:
                self._forced.extend(self._tokenizer.encode([Markup("\n\n")]))
        elif not forced and self._breaker.push(token, data):
            self._break_loop()
        if self._constraint is not None and self._constraint.finished:
            self.over = True

    def _stop(self) -> None:
        """The model ended. An end inside the thought is taken for the end of the thought: there has to be an answer."""
        if self.in_thought:
            self._close_thought(self.reason, with_bridge=False)
        else:
            self.over = True

    def _break_loop(self) -> None:
        if self.in_thought:
            self._close_thought("loop", with_bridge=True)
            return
        self.reason, self._broken = "loop", True
        self.over = self._constraint is None

    def _close_thought(self, reason: FinishReason, *, with_bridge: bool) -> None:
        self.reason = reason
        bridge = BRIDGE if with_bridge else ""
        self._forced.extend(self._tokenizer.encode([Markup(f"{bridge}\n{END_THINK}\n\n")]))


def generate(
    model: ModelLike,
    inputs: ModelInputs,
    sampling: Sampling,
    limits: Limits,
    *,
    constraint: JsonConstraint | None = None,
    load_s: float = 0.0,
) -> Iterator[Event]:
    """Events of one answer, the last being `Finish`. Times are counted from the call, in seconds."""
    begun = time.monotonic()
    decoding = model.start(inputs)
    writer = Writer(model.checkpoint, inputs, sampling, limits, constraint)
    first_s = round(time.monotonic() - begun, 3)
    while not writer.over:
        yield from writer.write(decoding)
    yield from writer.finish()
    usage = Usage(len(inputs.ids), inputs.image_tokens, writer.thought, writer.answer)
    timing = Timing(load_s, first_s, round(time.monotonic() - begun, 3))
    yield Finish(writer.reason, model.checkpoint.name, usage, timing)
