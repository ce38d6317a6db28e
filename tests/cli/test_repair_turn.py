"""The repair turn, which is one for all commands: what is asked, what comes of it, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ernie_cli.cli.asking import Asker
from ernie_cli.cli.gathered import Gathered
from ernie_cli.cli.output import Output, Reply
from ernie_cli.engines import Options
from ernie_cli.errors import AnswerError
from ernie_cli.messages import Answer, Event, Finish, Thinking, Timing, user

from .conftest import FINISH, FakeEngine

SCHEMA = {"type": "object", "required": ["name"]}
ASKED = [user("Whose is it?")]
CUT = replace(FINISH, reason="length")


@pytest.fixture
def asker(fake: FakeEngine) -> Asker:
    fake.can_mask = False
    engine: Any = fake
    return Asker(engine, Options(), Output())


@pytest.fixture
def says(fake: FakeEngine) -> Callable[..., None]:
    def queue(*answers: tuple[str, Finish]) -> None:
        turns: list[list[Event | BaseException]] = [[Thinking("Hm."), Answer(text), end] for text, end in answers]
        fake.queue = turns

    return queue


def named(reply: Reply) -> str:
    if "{" not in reply.answer:
        raise AnswerError("No name.")
    return "Ida"


def test_a_repaired_reply_counts_both_answers(asker: Asker, says: Callable[..., None], fake: FakeEngine) -> None:
    says(("Ida's.", FINISH), ('{"name": "Ida"}', FINISH))
    told: list[str] = []
    reply, name = asker.readable(ASKED, SCHEMA, named, told.append)
    assert name == "Ida"
    assert reply.thinking == "Hm.\n\nHm."
    assert reply.finish.usage == FINISH.usage + FINISH.usage
    assert reply.finish.timing == replace(FINISH.timing, total_s=2 * FINISH.timing.total_s)
    assert asker.gathered.finish("fake", cut=False).usage == reply.finish.usage
    assert told == ["No name. Asking once more."]
    assert [options.schema for _, options in fake.asked] == [SCHEMA, SCHEMA]


def test_a_repaired_answer_that_is_cut_off_is_no_error(asker: Asker, says: Callable[..., None]) -> None:
    says(("Ida's.", FINISH), ('{"name": "I', CUT))
    reply, data = asker.fitting(ASKED, SCHEMA)
    assert (reply.finish.reason, data) == ("length", None)


def test_an_engine_that_masks_is_not_asked_again(asker: Asker, says: Callable[..., None], fake: FakeEngine) -> None:
    fake.can_mask = True
    says(("Ida's.", FINISH), ('{"name": "Ida"}', FINISH))
    with pytest.raises(AnswerError):
        asker.fitting(ASKED, SCHEMA)
    assert len(fake.asked) == 1


def test_loading_is_no_part_of_the_time_that_many_answers_took() -> None:
    gathered = Gathered(begun=time.monotonic() - 10)
    gathered.add(Reply("", "", replace(FINISH, timing=Timing(load_s=4.0, first_token_s=0.5, total_s=1.0))))
    timing = gathered.finish("fake", cut=False).timing
    assert (timing.load_s, timing.first_token_s, timing.total_s) == (4.0, 0.5, pytest.approx(6.0, abs=0.5))
