"""The decode loop: tokens out of the model, events out of tokens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ernie_cli.messages import Answer, Event, Finish, FinishReason, Timing, Usage
from ernie_cli.runtime.inputs import ModelInputs
from ernie_cli.runtime.model import Model
from ernie_cli.runtime.output import CLOSE_THOUGHT, OutputGrammar
from ernie_cli.runtime.prompt import END_THINK
from ernie_cli.runtime.sampling import Sampler, Sampling
from ernie_cli.runtime.tokenizer import Markup, Tokenizer

assert CLOSE_THOUGHT == END_THINK


@dataclass(frozen=True)
class Limits:
    """Tokens: of thought and answer together, and of the thought before it is closed for the model."""

    max_tokens: int
    think_budget: int | None = None


def generate(
    model: Model, inputs: ModelInputs, sampling: Sampling, limits: Limits, *, thinking: bool, load_s: float = 0.0
) -> Iterator[Event]:
    """Events of one answer, the last being `Finish`. Times are counted from the call, in seconds."""
    begun = time.monotonic()
    tokenizer, stops = model.checkpoint.tokenizer, model.checkpoint.stop_ids
    grammar, sampler = OutputGrammar(thinking=thinking), Sampler(sampling)
    count = _Count()
    # 1. Read the whole prompt.
    decoding = model.start(inputs)
    forced: deque[int] = deque()
    reason: FinishReason = "length"
    first_s = 0.0
    while count.total < limits.max_tokens:
        # 2. Close a thought that has used up its budget, through a queue of forced tokens.
        if grammar.state == "thought" and count.thought == limits.think_budget and not count.closed:
            forced.extend(_closing(tokenizer))
            count.closed = True
        # 3. Pick the next token; a forced one goes before what the model would say.
        token = forced.popleft() if forced else sampler.pick(decoding.logits)
        first_s = first_s or time.monotonic() - begun
        if token in stops:
            reason = "budget" if count.closed else "stop"
            break
        # 4. Tell what can be told of it.
        count.add(in_thought=grammar.state == "thought")
        yield from grammar.feed(tokenizer.bytes_of(token))
        # 5. Let the model go on.
        decoding.push(token)
    yield from grammar.finish()
    usage = Usage(len(inputs.ids), inputs.image_tokens, count.thought, count.answer)
    yield Finish(
        reason, model.checkpoint.name, usage, Timing(load_s, round(first_s, 3), round(time.monotonic() - begun, 3))
    )


@dataclass
class _Count:
    thought: int = 0
    answer: int = 0
    closed: bool = False

    @property
    def total(self) -> int:
        return self.thought + self.answer

    def add(self, *, in_thought: bool) -> None:
        if in_thought:
            self.thought += 1
        else:
            self.answer += 1


def _closing(tokenizer: Tokenizer) -> list[int]:
    return tokenizer.encode([Markup(f"\n{END_THINK}\n\n")])


def text_of(events: Iterator[Event]) -> str:
    """The answer of a stream of events, as one string."""
    return "".join(event.text for event in events if isinstance(event, Answer))
