"""Where words that reckon are taught to look."""

from __future__ import annotations

from random import Random

import pytest
import torch
from batches import collate
from curriculum import BUDGETS, CHARTS, TINY
from data.chart import reckoned_sample, sample_of
from data.plots import draw_chart
from heads import IGNORED
from reckoning import DIGITS, LAYER, follow, missed_reckoned, reckon

from ernie_cli.runtime.checkpoint import NANO, find

AXIS = "The axis goes from 0 at 123 to 3000 at 029."
ACROSS = "The axis goes from 0 at 020 to 30 at 140."
LIFTED = "The axis goes from 10 at 020 to 30 at 140, 20 more."


@pytest.fixture(scope="module")
def tokenizer():
    return find(NANO).tokenizer


def _said(text: str) -> list[tuple[str, str, str]]:
    number, one, other = [[text[slice(*span)] for span in spans] for spans in zip(*follow(text), strict=True)]
    return list(zip(number, one, other, strict=True))


def test_each_number_follows_from_two_others() -> None:
    ends = "1 at 053 019, 104 of 94, 111%, 3300; 2 at 070 120, 3 of 94, 3%, 90."
    assert _said(f"A bar chart. {AXIS} Its bars end: {ends}") == [
        ("104", "019", "123"),
        ("94", "029", "123"),
        ("111", "104", "94"),
        ("3300", "111", "3000"),
        ("3", "120", "123"),
        ("3", "3", "94"),
        ("90", "3", "3000"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"{ACROSS} Its bars end: 1 at 026 033, 6 of 120, 5%, 1.5.",
            [("6", "026", "020"), ("120", "140", "020"), ("5", "6", "120"), ("1.5", "5", "30")],
        ),
        (  # where an axis does not begin with 0, a value is a sum
            f"{LIFTED} Its bars end: 1 at 014 033, -6 of 120, -5%, 10 - 1 = 9.",
            [
                *(("20", "30", "10"), ("-6", "014", "020"), ("120", "140", "020")),
                *(("-5", "-6", "120"), ("1", "-5", "20"), ("9", "1", "10")),
            ],
        ),
    ],
)
def test_along_an_axis_that_goes_across_what_is_across_counts(text: str, said: list[tuple[str, str, str]]) -> None:
    assert _said(text) == said


@pytest.mark.parametrize("text", ["", "Its bars have their values: 1 at 053 019, 12; 2 at 070 120, 13.", AXIS])
def test_where_nothing_is_reckoned_nothing_follows(text: str) -> None:
    assert list(follow(text)) == []
    assert reckon([[list(text)]]).source.shape == (0, 2 * DIGITS)


def test_words_look_at_digits_of_both_numbers() -> None:
    """Those that say a digit, or what follows the last one; a number's digits stand right, in their own heads."""
    text = f"{AXIS} Its bars end: 1 at 053 019, 104 of 94, 111%, 3300."
    reckoned = reckon([[[], list(text)]])
    assert set(reckoned.row.tolist()) == {0}
    assert set(reckoned.branch.tolist()) == {1}
    looks = [
        (text[token + 1], "".join("_" if place == IGNORED else text[place] for place in places))
        for token, places in zip(reckoned.token.tolist(), reckoned.source.tolist(), strict=True)
    ]
    assert looks == [
        *((said, "019123") for said in "104 "),
        *((said, "029123") for said in "94,"),
        *((said, "104_94") for said in "111%"),
        *((said, "111300") for said in "3300."),
    ]


def test_charts_and_those_that_nobody_drew_are_reckoned_alike(tokenizer) -> None:
    checked = 0
    for seed in range(6):
        seen = sample_of(Random(seed), draw_chart(Random(seed), *CHARTS[0]).as_read(), 2)
        for sample, budgets in (
            (seen, BUDGETS),
            (reckoned_sample(Random(seed)), BUDGETS._replace(picture=TINY)),
        ):
            batch = collate([sample], tokenizer, budgets)
            reckoned = batch.reckoned
            assert reckoned
            ids = batch.ids[0, batch.layout.prefix :].unflatten(0, (batch.layout.branches, -1))
            for index, token, places in zip(
                *(part.tolist() for part in (reckoned.branch, reckoned.token, reckoned.source)), strict=True
            ):
                its = [place for place in places if place != IGNORED]
                assert its
                assert max(its) <= token
                assert all(tokenizer.decode([int(ids[index, place])]).strip().isdigit() for place in its)
                checked += 1
    assert checked > 200


def test_words_that_look_at_what_they_reckon_from_miss_nothing() -> None:
    text = f"{AXIS} Its bars end: 1 at 053 019, 104 of 94, 111%, 3300."
    reckoned, prefix = reckon([[list(text), []]]), 10
    looks = [torch.zeros(1, 2 * DIGITS, 2, len(text), prefix + len(text)) for _ in range(LAYER + 1)]
    for token, places in zip(reckoned.token.tolist(), reckoned.source.tolist(), strict=True):
        for head, place in enumerate(places):
            if place != IGNORED:
                looks[LAYER][0, head, 0, token, prefix + place] = 1
    seen = missed_reckoned(looks, reckoned, prefix)
    looks[LAYER][0, 2, 0] = 0
    assert missed_reckoned(looks, reckoned, prefix) > seen + 1
