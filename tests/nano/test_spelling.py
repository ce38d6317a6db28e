"""Where a letter of a page that is about to be said lies, and how far off words look for it."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby
from math import log
from random import Random

import pytest
import torch
from batches import answer, branch, collate
from curriculum import ASKED, BUDGETS, Curriculum
from data import Question, Sample
from data.chart import sample_of
from data.chart_print import VALUES
from data.doc import TRANSCRIBE, doc_sample, lines_sample
from data.plots import draw_chart
from data.reading import misread, recalled
from data.slips import slipped, stammered
from data.video import video_sample
from heads import IGNORED
from network import Layout
from pointing import ENOUGH, words
from printed import CHARACTERS, PATCHES, SIDES, SLOTS, show
from spelling import AGAIN, AHEAD, BEGINS, LAYERS, LEFT, missed, missed_again, missed_left, repeat, shares, spell

from ernie_cli.runtime.checkpoint import NANO, find
from ernie_cli.runtime.prompt import END_OF_TURN, END_THINK
from ernie_cli.runtime.tokenizer import Literal, Markup


@pytest.fixture(scope="module")
def tokenizer():
    return find(NANO).tokenizer


def _page(seed: int) -> Sample:
    return doc_sample(Random(seed), 224, 224, 6, 4)


def test_each_letter_of_a_transcription_lies_where_it_is_read() -> None:
    ends = 0
    for seed in range(30):
        page = _page(seed)
        answer, read = page.questions[0].answer, page.questions[0].read
        assert read
        printed = show([page.letters or []], 8, 8)
        slots = printed.letters.view(64, PATCHES, SLOTS)
        assert len(read) == len(answer) + 1
        for character, address in zip(answer, read, strict=False):
            assert address
            if address in printed.at[0]:
                there = CHARACTERS[int(slots[printed.at[0][address]]) - 1]
                # What is not printed says what comes next, or that there is a gap: marks of headings, bars of tables.
                assert there == character or character in "#|- \n"
            else:
                ends += 1
                assert character in "\n| -" or address[1] > 3  # the end of a line, or a slot too many
    assert ends > 30


def test_a_value_is_read_where_it_stands_and_a_key_nowhere() -> None:
    found = 0
    for seed in range(40):
        page = _page(seed)
        letters = {(letter.line, letter.column): letter.character for letter in page.letters or []}
        for question in page.questions[1:]:
            assert question.read
            read = [(said, address) for said, address in zip(question.answer, question.read, strict=False) if address]
            found += len(read)
            assert all(letters.get(address, " ") == said or said in '", ]}' for said, address in read)
    assert found > 200


def _spelled(page: Sample, tokenizer):
    asked = [branch(question, tokenizer) for question in page.questions]
    return [one.ids for one in asked], spell([[one.read for one in asked]], show([page.letters or []], 8, 8))


def test_what_comes_before_a_letter_was_said_before_it(tokenizer) -> None:
    same = begins = 0
    for seed in range(10):
        page = _page(seed)
        said, spelled = _spelled(page, tokenizer)
        for token, row, column, (last, earlier) in zip(
            spelled.token.tolist(),
            spelled.branch.tolist(),
            spelled.where.column.tolist(),
            spelled.where.before.tolist(),
            strict=True,
        ):
            if row == 0 and column > 1 and last and earlier:
                text = tokenizer.decode(said[row][token - 1 : token + 1])
                same += text == CHARACTERS[earlier - 1] + CHARACTERS[last - 1]
            begins += column == 0 and last == 0
    assert same > 300
    assert begins > 30


def test_the_token_before_a_letter_is_the_one_that_says_it(tokenizer) -> None:
    page = _page(3)
    said, spelled = _spelled(page, tokenizer)
    first = (spelled.branch == 0) & (spelled.token > said[0].index(tokenizer.id(END_THINK)))
    told = [said[0][token + 1] for token in spelled.token[first]]
    assert tokenizer.decode(told[:-1]) == page.questions[0].answer
    assert told[-1] == tokenizer.id(END_OF_TURN)
    assert len(told) == len(page.questions[0].answer) + 1  # a token for each


def test_what_is_read_is_said_letter_by_letter_and_the_rest_in_words(tokenizer) -> None:
    said = '{"name": "Ida Reed"}'
    begin = said.index("Ida")
    read = tuple((0, i - begin) if begin <= i < begin + 9 else None for i in range(len(said) + 1))
    ids, addresses = answer(Question("", "", said, read=read), tokenizer)
    assert tokenizer.decode(ids[:-1]) == said
    assert [address for address in addresses if address] == [(0, i) for i in range(9)]
    assert [tokenizer.decode([one]) for one, address in zip(ids, addresses, strict=True) if address] == [*'Ida Reed"']
    assert len(ids) < len(said)
    whole, nowhere = answer(Question("", "", said), tokenizer)
    assert len(whole) < len(ids)
    assert not any(nowhere)
    assert whole == tokenizer.encode([Literal(said), Markup(END_OF_TURN)])


def test_what_was_misread_is_gone_on_from_and_not_learned(tokenizer) -> None:
    changed = 0
    for seed in range(5):
        page = _page(seed)
        wrong = [misread(Random(seed), question, 0.3) for question in page.questions]
        for question in wrong:
            assert question.misread
            assert question.read
            for said, right, address in zip(question.misread, question.answer, question.read, strict=False):
                assert said == right or (address and said.isalnum() and said.isdigit() == right.isdigit())
        right, heard = (
            collate([replace(page, questions=asked)], tokenizer, BUDGETS) for asked in (page.questions, wrong)
        )
        assert torch.equal(heard.targets, right.targets)
        assert heard.spelled
        assert right.spelled
        assert torch.equal(heard.spelled.where.column, right.spelled.where.column)
        changed += int((heard.ids != right.ids).sum())
    assert changed > 40
    assert misread(Random(0), Question("", "", "12"), 1.0).misread is None  # nothing is read there


def _looks(spelled, length: int, start: int, share: float) -> list[torch.Tensor]:
    """Attention in which all heads give so much to what they should look at."""
    looks = [torch.zeros(1, SIDES * SLOTS, 1, length, start + 64) for _ in range(6)]
    for layer in LAYERS:
        looks[layer][..., 0] = share
    for token, place, patch, slot in zip(spelled.token, spelled.place, spelled.patch, spelled.slot, strict=True):
        if place != IGNORED:
            own = looks[LAYERS[patch % SIDES]][0, patch // SIDES * SLOTS + slot, 0, token]
            own.zero_()
            own[start + place] = share
    for token, place, patch, slot, begins in zip(
        spelled.token, spelled.place, spelled.patch, spelled.slot, spelled.ahead, strict=True
    ):
        taken = place != IGNORED and (LAYERS[patch % SIDES], patch // SIDES * SLOTS + slot) == AHEAD
        if begins != IGNORED and not taken:
            own = looks[AHEAD[0]][0, AHEAD[1], 0, token]
            own.zero_()
            own[start + begins] = share
    for token, begins in zip(spelled.token, spelled.begins, strict=True):
        looks[BEGINS[0]][0, BEGINS[1], 0, token].zero_()
        looks[BEGINS[0]][0, BEGINS[1], 0, token, start + begins] = share
    return looks


@pytest.mark.parametrize(("share", "expected"), [(1.0, -log(ENOUGH)), (0.5, log(2))])
def test_heads_are_wrong_by_what_they_do_not_give_to_the_letter(share: float, expected: float, tokenizer) -> None:
    page = _page(3)
    page = replace(page, questions=page.questions[:1])
    said, spelled = _spelled(page, tokenizer)
    medium = slice(5, 5 + 64)
    looks = _looks(spelled, len(said[0]), medium.start, share)
    found = shares(looks, spelled, medium)
    assert len(found.letters) == (spelled.place != IGNORED).sum()
    assert len(found.ends) == (spelled.place == IGNORED).sum()
    assert len(found.ahead) > 0
    free = len(found.ahead) + len(found.ends)
    assert len(found.letters) + free + len(found.others) == len(spelled.row) * PATCHES * SLOTS
    assert len(found.begins) == len(spelled.row)
    for what in found:
        assert (what == share).all()
    assert missed(looks, spelled, medium).item() == pytest.approx(len(found) * expected, abs=1e-5)


def test_behind_the_last_line_of_a_page_the_head_for_the_next_one_is_to_look_nowhere(tokenizer) -> None:
    page = _page(3)
    said, spelled = _spelled(replace(page, questions=page.questions[:1]), tokenizer)
    ends = spelled.place == IGNORED
    last = spelled.ahead[ends] == IGNORED
    assert last.sum() == 1
    medium = slice(5, 5 + 64)
    looks = _looks(spelled, len(said[0]), medium.start, 1.0)
    token = spelled.token[ends][last]
    looks[AHEAD[0]][0, AHEAD[1], 0, token] = 0.0
    looks[AHEAD[0]][0, AHEAD[1], 0, token, medium.start + spelled.begins[ends][last]] = 1.0  # at its own line again
    assert torch.equal(shares(looks, spelled, medium).ends == 0, last)


def test_shares_are_in_the_order_of_what_is_said(tokenizer) -> None:
    page = _page(3)
    said, spelled = _spelled(replace(page, questions=page.questions[:1]), tokenizer)
    looks = _looks(spelled, len(said[0]), 5, 1.0)
    for layer in LAYERS:  # the later a word, the more it looks
        looks[layer] *= torch.arange(len(said[0])).view(1, 1, 1, -1, 1) / len(said[0])
    own = shares(looks, spelled, slice(5, 5 + 64)).letters
    assert own.tolist() == pytest.approx((spelled.token[spelled.place != IGNORED] / len(said[0])).tolist())


def test_words_are_those_before_what_they_say(tokenizer) -> None:
    said, spelled = _spelled(replace(_page(3), questions=_page(3).questions[:1]), tokenizer)
    prefix, length = 70, len(said[0])
    layout = Layout(prefix, 1, slice(4, 70), torch.ones(1, prefix + length, dtype=torch.bool))
    states = torch.arange(prefix + length).float().view(1, -1, 1)
    assert (words(states, spelled, layout)[:, 0].long() - prefix).tolist() == spelled.token.tolist()


def test_what_a_thought_has_said_of_a_chart_is_looked_for_where_it_was(tokenizer) -> None:
    said = ends = 0
    for seed in range(6):
        chart = draw_chart(Random(seed), 224, 224).as_read()
        sample = sample_of(Random(seed), chart, 3)
        batch = collate([sample, sample], tokenizer, BUDGETS)
        repeated = batch.repeated
        assert repeated
        ids = batch.ids[:, batch.layout.prefix :].unflatten(1, (batch.layout.branches, -1))
        for row, index, token, source in zip(
            *(part.tolist() for part in (repeated.row, repeated.branch, repeated.token, repeated.source)), strict=True
        ):
            assert source < token
            following, before = (tokenizer.decode([int(ids[row, index, place])]) for place in (token + 1, source))
            ends += before in ";."
            said += following == before
            assert following == before or before in ";."
    assert said > 40
    assert ends > 10


def test_what_a_thought_finds_is_looked_for_in_the_question_and_its_line_in_the_list(tokenizer) -> None:
    names = numbers = rows = tokens = same = 0
    for seed in range(12):
        for asked in [
            *doc_sample(Random(seed), 224, 224, 8, 4).questions,
            *lines_sample(Random(seed), 224, 224, 8, 3).questions,
        ]:
            question = stammered(Random(seed), slipped(Random(seed), asked), 0.3)
            ids, learned, _, again = branch(question, tokenizer)
            assert asked.mode == "timed" or all(learned[token] for token in again)
            said = [tokenizer.decode([token]) for token in ids]
            text, told = question.text, question.text + question.thought
            for place, source in recalled(text, question.thought, question.answer).items():
                listed = re.match(r" \d+ [a-z]", told[source - 1 :])  # behind its number stands what a line is
                if place >= len(told):
                    line = f"{told[source]} (row|item)" if listed else "no line"  # what it is, if nothing slips
                    assert (question.answer[place - len(told)] == ",") == bool(re.search(line, asked.thought))
                    assert listed or told[source] == "."
                    rows += 1
                    continue
                assert place > len(text)
                assert told[place] == told[source]
                assert listed or source < len(text)
                names += source < len(text)
                numbers += source >= len(text)
            for token, source in again.items():
                assert source < token
                if not (closed := said[token].strip()) or closed[0] not in "}],":
                    tokens += 1
                    same += said[token].strip() == said[source].strip()
    assert names > 300
    assert numbers > 80
    assert rows > 30
    assert same > 0.95 * tokens  # else a name is cut into other tokens: what it begins with, or `cashier,` at its end


@pytest.mark.parametrize("mode", ["closed", "cut"])
def test_of_a_thought_that_is_not_to_be_said_nothing_is_looked_for(mode: str, tokenizer) -> None:
    for question in _page(3).questions:
        assert branch(replace(question, mode=mode), tokenizer).again == {}


def test_a_head_that_looks_at_what_was_said_is_not_held_to_look_elsewhere(tokenizer) -> None:
    page = _page(3)
    said, spelled = _spelled(replace(page, questions=page.questions[:1]), tokenizer)
    medium = slice(5, 5 + 64)
    looks = _looks(spelled, len(said[0]), medium.start, 1.0)
    layer, head = AGAIN
    own = (spelled.place != IGNORED) & (spelled.patch % SIDES == LAYERS.index(layer))
    own &= spelled.patch // SIDES * SLOTS + spelled.slot == head
    tokens = [int(spelled.token[own][0]), int(spelled.token[~own][0])]
    looks[layer][0, head, 0, tokens] = 0.0  # at something that was said
    repeated = repeat([[{token + 1: 0 for token in tokens}]])
    alone, both = shares(looks, spelled, medium), shares(looks, spelled, medium, repeated)
    assert (alone.letters.min(), alone.others.min()) == (0, 0)
    assert (both.letters.min(), both.others.min()) == (1, 1)
    assert len(both.others) == len(alone.others) - 1
    assert missed(looks, spelled, medium, repeated) < missed(looks, spelled, medium)


def test_times_that_a_thought_has_said_are_looked_for_there(tokenizer) -> None:
    said = 0
    for seed in range(6):
        batch = collate([video_sample(Random(seed), 140, 140, 16, 2)], tokenizer, BUDGETS)
        ids = batch.ids[:, batch.layout.prefix :].unflatten(1, (batch.layout.branches, -1))
        for index, token, source in zip(
            *(part.tolist() for part in (batch.repeated.branch, batch.repeated.token, batch.repeated.source)),
            strict=True,
        ):
            following, before = (tokenizer.decode([int(ids[0, index, place])]) for place in (token + 1, source))
            assert source < token
            assert following.strip() == before.strip()
            said += following.isdigit()
    assert said > 40


def test_each_digit_of_a_place_is_read_with_its_own_head_where_its_line_begins(tokenizer) -> None:
    checked = 0
    for seed in range(6):
        chart = draw_chart(Random(seed), 224, 224).as_read()
        sample = sample_of(Random(seed), chart, 2)
        batch = collate([sample], tokenizer, BUDGETS)
        printed = batch.asked.printed
        read = branch(sample.questions[0], tokenizer).read
        ids = branch(sample.questions[0], tokenizer).ids
        for token, address in enumerate(read):
            if address and address[1] < 0:
                where, patch, slot = printed.at[0][address]
                digit = -1 - address[1]
                assert (patch % SIDES, patch // SIDES * SLOTS + slot) == (1, digit)
                told = printed.digits[0, where]
                if printed.told[0, where].any():  # but for two that lie on one token, the first is told
                    checked += int(told[digit]) == int(tokenizer.decode([ids[token]]))
        assert printed.where(0, VALUES, -1) == printed.where(0, VALUES, 0)
    assert checked > 100


def test_words_that_look_at_what_was_said_before_miss_nothing() -> None:
    repeated = repeat([[{7: 3}, {}], [{}, {5: 2, 6: 4}]])
    assert [part.tolist() for part in (repeated.row, repeated.branch, repeated.token, repeated.source)] == [
        [0, 1, 1],
        [0, 1, 1],
        [6, 4, 5],
        [3, 2, 4],
    ]
    layer, head = AGAIN
    looks = [torch.zeros(2, 6, 2, 8, 10 + 8) for _ in range(layer + 1)]
    for row, index, token, source in ((0, 0, 6, 3), (1, 1, 4, 2), (1, 1, 5, 4)):
        looks[layer][row, head, index, token, 10 + source] = 1
    seen = missed_again(looks, repeated, 10)
    looks[layer][1, head, 1, 5] = 0
    assert missed_again(looks, repeated, 10) > seen + 1


def test_pages_are_told_and_asked_about() -> None:
    told, asked, texts = 0, 0, set[str]()
    for seed in range(6):
        _, samples, _ = Curriculum(seed, ["doc"]).draw({})
        assert all(sample.questions[0].read for sample in samples)
        if samples[0].questions[0].text == TRANSCRIBE:
            told += all(len(sample.questions) == 2 for sample in samples)
        else:
            asked += all(len(sample.questions) == ASKED for sample in samples)
        texts |= {question.text for sample in samples for question in sample.questions[1:]}
    assert told
    assert asked
    assert told + asked == 6
    assert len(texts) > 15


def test_without_a_page_nothing_is_read() -> None:
    spelled = spell([[[None] * 12]], show([[]], 8, 8))
    assert not len(spelled.row)
    assert missed([torch.rand(1, 6, 1, 12, 70)] * 6, spelled, slice(5, 69)) == 0


@pytest.mark.parametrize("layer", LEFT)
def test_tokens_look_left_within_their_row_and_else_before_the_page(layer: int) -> None:
    width, before = 5, 3
    medium = slice(before, before + 2 * width)
    attention = torch.full((1, 6, medium.stop, medium.stop), -50.0)
    for head, back in LEFT[layer].items():
        for token in range(2 * width):
            wanted = before + token - back if token % width >= back else 1
            attention[0, head, before + token, wanted] = 0
    assert missed_left(attention, layer, medium, width).item() == pytest.approx(-log(ENOUGH))
    # A token that stands first in the second row, and looks at the last one of the first.
    head, back = next(iter(LEFT[layer].items()))
    attention[0, head, before + width, 1] = -50
    attention[0, head, before + width, before + width - back] = 0
    assert missed_left(attention, layer, medium, width) > 1


def test_the_next_line_is_where_its_first_letter_lies(tokenizer) -> None:
    page = _page(3)
    _, spelled = _spelled(page, tokenizer)
    lines = {letter.line for letter in page.letters or []}
    begins = {letter.line: letter for letter in page.letters or [] if letter.column == 0}
    for line, token in zip(spelled.where.line.tolist(), spelled.ahead.tolist(), strict=True):
        assert (token == IGNORED) == (line + 1 not in lines)
        if token != IGNORED:
            assert token == int(begins[line + 1].y * 8) * 8 + int(begins[line + 1].x * 8)
    assert len(lines) > 2


def test_each_line_begins_where_its_first_letter_is(tokenizer) -> None:
    page = _page(3)
    _, spelled = _spelled(page, tokenizer)
    first = {letter.line: letter for letter in page.letters or [] if letter.column == 0}
    for line, token in zip(spelled.where.line.tolist(), spelled.begins.tolist(), strict=True):
        assert token == int(first[line].y * 8) * 8 + int(first[line].x * 8)


def test_the_number_of_a_line_is_told_by_where_that_begins(tokenizer) -> None:
    found = 0
    for seed in range(20):
        for question in _page(seed).questions[1:]:
            one = branch(question, tokenizer)
            assert question.thought in tokenizer.decode(one.ids)
            named = [int(said) for said in re.findall(r"[:,] (\d) [a-z]", question.thought)]
            numbers = [int(said) for said in re.findall(r"(?:on lines?|to) (\d)", question.thought)]
            thought = one.read[: one.ids.index(tokenizer.id(END_THINK))]
            lines = [address for address, _ in groupby(address for address in thought if address)]
            assert [line for line, _ in lines] == [line for line, _ in groupby(n - 1 for n in [*named, *numbers])]
            assert all(column == 0 for _, column in lines)
            found += len(numbers)
    assert found > 20


def test_whether_a_list_goes_on_is_seen_behind_its_last_value(tokenizer) -> None:
    goes_on = ends = 0
    for seed in range(40):
        for question in _page(seed).questions[1:]:
            for place, address in enumerate(question.read or ()):
                if question.answer[place - 1 : place] == "}" and question.answer[place : place + 1] in (",", "]"):
                    assert address
                    assert address == question.read[place - 1]
                    goes_on += question.answer[place] == ","
                    ends += question.answer[place] == "]"
    assert min(goes_on, ends) > 5
