"""Slips of thoughts about pages: told, not learned, and nothing else changed."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from batches import branch
from data import Question
from data.doc import doc_sample
from data.reading import FINDS
from data.slips import COUNT, slipped, stammered
from pointing import joined

from ernie_cli.runtime.checkpoint import NANO, find

SEEDS = range(16)


@pytest.fixture(scope="module")
def tokenizer():
    return find(NANO).tokenizer


def _asked(seed: int) -> list[Question]:
    return doc_sample(Random(seed), 224, 224, 8, 4).questions


def _between(question: Question) -> list[str]:
    """The parts of a thought that are no slips."""
    edges = [0, *(edge for slip in question.slips for edge in slip), len(question.thought)]
    return [question.thought[begin:end] for begin, end in list(pairwise(edges))[::2]]


def test_all_but_the_slips_of_a_thought_stays_as_it_was_and_is_cited_where_it_was() -> None:
    found = 0
    for seed in SEEDS:
        for question in _asked(seed):
            wrong = slipped(Random(seed), question, 0.5, 0.5)
            assert (wrong.text, wrong.answer, wrong.read) == (question.text, question.answer, question.read)
            assert wrong.cited
            assert len(wrong.cited) == len(wrong.thought)
            begins, *others = _between(wrong)
            rest = question.thought.removeprefix(begins)
            assert len(rest) == len(question.thought) - len(begins)
            for part in others:
                _, found_there, rest = rest.partition(part)
                assert found_there == part
            found += len(wrong.slips)
    assert found > 20


def test_a_wrong_count_is_another_one_and_lines_are_taken_for_lines() -> None:
    counts = lines = 0
    for seed in SEEDS:
        for question in _asked(seed):
            miscounted = slipped(Random(seed), question, 0.0, 1.0)
            for begin, end in miscounted.slips:
                assert COUNT.match(miscounted.thought, begin)
                assert miscounted.thought[begin:end] not in question.thought
                counts += 1
            mistaken = slipped(Random(seed), question, 1.0, 0.0)
            assert mistaken.cited
            for begin, end in mistaken.slips:
                assert len(set(mistaken.cited[begin:end])) == 1
                assert mistaken.cited[begin]
                lines += 1
    assert counts > 10
    assert lines > 20


def test_a_slip_is_not_learned_and_what_follows_is(tokenizer) -> None:
    slips = 0
    for seed in SEEDS:
        for question in _asked(seed):
            wrong = stammered(Random(seed), slipped(Random(seed), question, 0.3, 0.5), 0.5)
            ids, learned, *_ = branch(wrong, tokenizer)
            text, owners = joined([tokenizer.decode([token]) for token in ids])
            first = text.rindex(wrong.thought)
            for begin, end in wrong.slips:
                assert not any(learned[owner] for owner in owners[first + begin : first + end])
                slips += 1
            # Of a token that a slip ends in, the rest of what it says is not learned either.
            unlearned = {owner for begin, end in wrong.slips for owner in owners[first + begin : first + end]}
            said = range(owners[first], len(ids))
            assert [token for token in said if not learned[token]] == sorted(unlearned)
    assert slips > 10


def test_what_is_found_comes_twice_and_is_cited_as_it_was_the_first_time() -> None:
    found = 0
    for seed in SEEDS:
        for question in _asked(seed):
            once = slipped(Random(seed), question, 0.3, 0.0)
            twice = stammered(Random(seed), once, 1.0)
            matches = FINDS.findall(question.thought)
            assert len(twice.slips) == len(once.slips) + len(matches)
            assert twice.cited
            assert once.cited
            assert len(twice.cited) == len(twice.thought)
            for begin, end in twice.slips[len(once.slips) :]:
                more, before = twice.thought[begin:end], twice.thought[:begin]
                assert before.endswith(more[1:])
                assert twice.cited[begin + 1 : end] == twice.cited[begin - len(more) + 1 : begin]
                found += 1
            kept = [place for place, _ in enumerate(twice.thought) if not _slips_at(twice, place, len(once.slips))]
            assert "".join(twice.thought[place] for place in kept) == once.thought
            assert tuple(twice.cited[place] for place in kept) == once.cited
            assert [twice.thought[begin:end] for begin, end in twice.slips[: len(once.slips)]] == [
                once.thought[begin:end] for begin, end in once.slips
            ]
    assert found > 20


def _slips_at(question: Question, place: int, first: int) -> bool:
    """Whether it is in one of a thought's slips from the `first` on that this character lies."""
    return any(begin <= place < end for begin, end in question.slips[first:])


def test_nothing_slips_where_none_is_wanted_or_no_line_is_spoken_of() -> None:
    question = _asked(0)[0]
    assert slipped(Random(0), question, 0.0, 0.0) == question
    unread = Question("What is it?", " This page has two lines of text.", "2")
    assert slipped(Random(0), unread, 1.0, 1.0) == unread
    assert stammered(Random(0), question, 0.0) == question
    assert stammered(Random(0), unread, 1.0) == unread
