"""Control of thought and answer, with a model whose next tokens are scripted: every run ends, and with an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain, cycle, repeat
from random import Random

import numpy as np
import pytest
import torch

from ernie_cli.messages import Answer, Event, Finish, Note, Thinking
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.constraint import JsonConstraint, compile_vocabulary
from ernie_cli.runtime.generate import BRIDGE, Limits, generate
from ernie_cli.runtime.inputs import ModelInputs
from ernie_cli.runtime.prompt import END_OF_TURN, END_THINK
from ernie_cli.runtime.sampling import Sampling
from ernie_cli.runtime.tokenizer import Literal, Markup

SCHEMA = {"type": "array", "items": {"type": "string"}}
NO_INPUTS = ModelInputs(
    ids=np.arange(3),
    positions=np.zeros((3, 3), dtype=np.int64),
    is_patch=np.zeros(3, dtype=np.bool_),
    to_vision_experts=np.zeros(3, dtype=np.bool_),
    media=(),
    next_position=3,
    opens_thought=True,
)


class Scripted:
    """A model that thinks one endless stream of tokens and, once its thought is closed, answers another."""

    def __init__(self, checkpoint: Checkpoint, thought: Iterator[int], answer: Iterator[int]) -> None:
        self.checkpoint = checkpoint
        self._streams = {True: thought, False: answer}
        self._thinking = True
        self.taken: list[int] = []

    def start(self, inputs: ModelInputs) -> Scripted:
        return self

    @property
    def logits(self) -> torch.Tensor:
        logits = torch.zeros(len(self.checkpoint.tokenizer))
        logits[next(self._streams[self._thinking])] = 9.0
        return logits

    def push(self, token: int) -> None:
        self.taken.append(token)
        if token == self.checkpoint.tokenizer.id(END_THINK):
            self._thinking = False


Say = Callable[[str], list[int]]


@pytest.fixture
def say(nano: Checkpoint) -> Say:
    return lambda text: nano.tokenizer.encode([Markup(text)])


def run(model: Scripted, limits: Limits, constraint: JsonConstraint | None = None) -> tuple[str, str, Finish]:
    events: list[Event] = list(generate(model, NO_INPUTS, Sampling(), limits, constraint=constraint))
    finish = events[-1]
    assert isinstance(finish, Finish)
    thought = "".join(event.text for event in events if isinstance(event, Thinking))
    return thought, "".join(event.text for event in events if isinstance(event, Answer)), finish


def plain_tokens(nano: Checkpoint, count: int, seed: int) -> list[int]:
    """Different tokens of plain text."""
    control = set(nano.tokenizer.control.values())
    usable = [id for id in range(300, len(nano.tokenizer)) if id not in control]
    return Random(seed).sample(usable, count)


@pytest.mark.parametrize("length", range(1, 201))
def test_a_thought_in_circles_is_closed_and_an_answer_comes(nano: Checkpoint, say: Say, length: int) -> None:
    lead = plain_tokens(nano, 40, length)
    thought = iter([*lead, *plain_tokens(nano, length, 1000 + length) * 3000])
    model = Scripted(nano, thought, iter(say(f"42{END_OF_TURN}")))
    _, answer, finish = run(model, Limits(16_384))
    assert (answer, finish.reason) == ("42", "loop")
    assert finish.usage.reasoning_tokens < 2_600 + 4 * length


@pytest.mark.parametrize("length", range(1, 201))
def test_an_answer_in_circles_is_ended(nano: Checkpoint, say: Say, length: int) -> None:
    answer = cycle(plain_tokens(nano, length, length))
    model = Scripted(nano, iter(say(f"Hm.\n{END_THINK}")), answer)
    thought, text, finish = run(model, Limits(16_384))
    assert (thought, finish.reason) == ("Hm.", "loop")
    assert text
    assert finish.usage.answer_tokens < 2_600 + 4 * length


@pytest.mark.parametrize("length", [1, 2, 3, 7, 20, 60])
def test_json_in_circles_is_closed_and_can_be_parsed(nano: Checkpoint, say: Say, length: int) -> None:
    opening = say('["')
    answer = chain(opening, cycle(plain_tokens(nano, length, length)))
    model = Scripted(nano, iter(say(f"Hm.\n{END_THINK}")), answer)
    vocabulary = compile_vocabulary(nano.tokenizer, nano.stop_ids)
    constraint = JsonConstraint(vocabulary, nano.tokenizer, SCHEMA)
    *events, finish = generate(model, NO_INPUTS, Sampling(), Limits(16_384), constraint=constraint)
    assert isinstance(finish, Finish)
    assert finish.reason == "loop"
    assert isinstance(json.loads("".join(event.text for event in events if isinstance(event, Answer))), list)
    assert [event.text for event in events if isinstance(event, Note)] == ["The answer repeated itself and was ended."]


def test_json_at_the_token_limit_is_closed(nano: Checkpoint, say: Say) -> None:
    words = Random(1)
    some = plain_tokens(nano, 900, 5)
    model = Scripted(nano, iter(say(f"Hm.\n{END_THINK}")), chain(say('["'), (words.choice(some) for _ in repeat(None))))
    vocabulary = compile_vocabulary(nano.tokenizer, nano.stop_ids)
    _, text, finish = run(model, Limits(300), JsonConstraint(vocabulary, nano.tokenizer, SCHEMA))
    assert isinstance(json.loads(text), list)
    assert finish.usage.reasoning_tokens + finish.usage.answer_tokens <= 300
    assert finish.reason == "length"


@pytest.mark.parametrize("budget", [0, 1, 17, 1000])
def test_a_budget_is_kept_to_the_token(nano: Checkpoint, say: Say, budget: int) -> None:
    thought = (Random(step).choice(plain_tokens(nano, 900, 3)) for step in range(5000))
    model = Scripted(nano, thought, iter(say(f"42{END_OF_TURN}")))
    _, answer, finish = run(model, Limits(16_384, think_budget=budget))
    assert (answer, finish.reason) == ("42", "budget")
    assert finish.usage.reasoning_tokens == budget
    closing = say(f"{BRIDGE if budget else ''}\n{END_THINK}\n\n")
    assert model.taken[budget : budget + len(closing)] == closing


def test_a_thought_never_takes_the_answers_room(nano: Checkpoint, say: Say) -> None:
    thought = (Random(step).choice(plain_tokens(nano, 900, 3)) for step in range(5000))
    model = Scripted(nano, thought, iter(say(f"42{END_OF_TURN}")))
    _, answer, finish = run(model, Limits(100, think_budget=1000))
    assert (answer, finish.reason, finish.usage.reasoning_tokens) == ("42", "budget", 80)


def test_a_model_that_stops_inside_its_thought_still_answers(nano: Checkpoint, say: Say) -> None:
    model = Scripted(nano, iter(say(f"Done.{END_OF_TURN}")), iter(say(f"42{END_OF_TURN}")))
    assert run(model, Limits(100))[:2] == ("Done.", "42")


def test_a_thought_that_ends_by_itself_is_left_alone(nano: Checkpoint, say: Say) -> None:
    model = Scripted(nano, iter(say(f"Fine.\n{END_THINK}")), iter(say(f"\n\n42{END_OF_TURN}")))
    thought, answer, finish = run(model, Limits(100))
    assert (thought, answer, finish.reason) == ("Fine.", "42", "stop")
    assert model.taken == [*say(f"Fine.\n{END_THINK}"), *say("\n\n42")]


def test_text_that_spells_a_tag_stays_text_in_json(nano: Checkpoint, say: Say) -> None:
    spelled = nano.tokenizer.encode([Literal('["<tool_call>"]')])
    model = Scripted(nano, iter(say(f"Hm.\n{END_THINK}")), iter(spelled))
    vocabulary = compile_vocabulary(nano.tokenizer, nano.stop_ids)
    _, text, _ = run(model, Limits(300), JsonConstraint(vocabulary, nano.tokenizer, SCHEMA))
    assert json.loads(text) == ["<tool_call>"]
