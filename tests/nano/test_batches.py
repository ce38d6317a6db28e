"""What of a question is learned: the answer and mostly the thought, never the question."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest
from batches import branch
from curriculum import MIX, Curriculum
from data.chart import reckoned_sample
from data.ground import ground_sample, judged_sample

from ernie_cli.runtime.checkpoint import NANO, find


@pytest.fixture(scope="module")
def tokenizer():
    return find(NANO).tokenizer


def _learned(question, tokenizer) -> str:
    ids, learned, *_ = branch(question, tokenizer)
    assert len(ids) == len(learned)
    return tokenizer.decode([token for token, wanted in zip(ids, learned, strict=True) if wanted])


def test_thought_and_answer_are_learned_and_the_question_is_not(tokenizer) -> None:
    question = ground_sample(Random(1), 224, 224, 4, 1).questions[0]
    learned = _learned(question, tokenizer)
    assert question.thought in learned
    assert question.answer in learned
    assert question.text not in learned


def test_without_a_thought_the_answer_alone_is_learned(tokenizer) -> None:
    question = ground_sample(Random(1), 224, 224, 4, 1).questions[0]
    assert question.thought not in _learned(replace(question, mode="closed"), tokenizer)


def test_of_a_thought_about_no_picture_only_the_verdicts_are_learned(tokenizer) -> None:
    for seed in range(20):
        (question,) = judged_sample(Random(seed), 6).questions
        verdicts = [part.split(",")[0].split(".")[0] for part in question.thought.split(": ")[2:-1]]
        assert _learned(question, tokenizer).split() == verdicts
        assert len(verdicts) == 6


def test_of_a_chart_that_is_not_seen_only_what_is_reckoned_is_learned(tokenizer) -> None:
    for seed in range(20):
        for question in reckoned_sample(Random(seed)).questions:
            reckoned = re.findall(
                r", (-?\d+ of \d+, -?\d+%, (?:[\d.]+ [+-] [\d.]+ = )?\d[\d.]*)(?=[;.])", question.thought
            )
            assert len(reckoned) == question.thought.count(";") + 1
            reckoned[:0] = re.findall(r", (\S+) more\.", question.thought)
            assert _learned(question, tokenizer) == "".join(reckoned)


def test_of_times_in_a_clip_only_thoughts_are_learned_and_no_more_is_asked_than_what_happens(tokenizer) -> None:
    answers = set()
    for seed in range(10):
        _, samples, _ = Curriculum(seed, ["times"]).draw({})
        for question in samples[0].questions:
            assert _learned(question, tokenizer) == question.thought
            assert len(question.text.split()) < 8
            answers.add(question.answer == "[]")
    assert answers == {True, False}  # what happens, and what does not


def test_verdicts_are_true_of_what_is_asked_for(tokenizer) -> None:
    for seed in range(30):
        (question,) = judged_sample(Random(seed), 8).questions
        query = question.text.removeprefix("Find every ").split(". Answer")[0]
        if " and " in query or "the " in query or (query.endswith("s") and not query.endswith("cross")):
            continue
        color, _, noun = query.rpartition(" ")
        for part in question.thought.removeprefix("From the top: ").split(". Wanted")[0].split(", "):
            _, its_color, rest = part.split(" ", 2)
            shape, verdict = rest.split(": ")
            fits = color in ("", its_color) and noun in ("shape", shape)
            assert verdict == ("yes" if fits else "no")


def test_jobs_are_drawn_in_their_shares_or_in_others() -> None:
    assert Curriculum(0, ["times=2", "ask"]).mix == {"times": 2.0, "ask": MIX["ask"]}
