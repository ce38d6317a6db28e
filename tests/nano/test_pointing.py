"""Where it is known in which frame something happens to a thing, and where that frame's time can be read."""

from __future__ import annotations

from math import log

import pytest
import torch
from data import Question, Sample
from data.clip import Actor, Clip
from data.video import PROMPT
from heads import IGNORED
from moments import FRAMES, STAGES, film
from network import Layout
from pointing import (
    BEFORE_HEADS,
    ENOUGH,
    FIND_HEADS,
    FIND_LAYER,
    LEAST,
    READ_HEADS,
    READ_LAYER,
    found,
    missed,
    missed_before,
    point,
    read,
    words,
)

from ernie_cli.times import clock

GRID = (3, 4, 4)  # tokens, of two frames each
LOW = (0.7, 0.7, 1.0, 1.0)
SECOND = 16 + 15  # the token down right of the second pair
COMES = "It is gone at 00:00:01.00. It is there at 00:00:02.00."


def _pointed(text: str, thought: str, *, answer: str = "", prompt: str = ""):
    """A star that comes between the second frame and the third, one a second; every character is a token.

    Of these, `prompt` comes before the thought.
    """
    states = [None, None, *[("red", LOW)] * 4]
    clip = Clip([Actor("star", "star", states)], [float(frame) for frame in range(6)], (112, 112))
    sample = Sample(None, [Question(text, thought, answer)], clip=clip)
    return point([sample], [[list(prompt + thought)]], film([clip], GRID))


def test_digits_of_a_time_point_to_the_tokens_of_the_thing_that_know_it() -> None:
    pointed = _pointed(PROMPT.format(event="the star appears"), COMES)
    assert len(pointed.row) == 2 * 8
    # The token before a digit is the one that says it.
    assert [COMES[token + 1] for token in pointed.token] == [c for c in COMES if c.isdigit()]
    # It comes in the first frame of the second pair, whose tokens know in which it was not there yet.
    assert [targets.nonzero().flatten().tolist() for targets in pointed.targets] == [[1 + SECOND]] * 16
    assert pointed.side.tolist() == [0] * 8 + [1] * 8


def test_rather_than_where_it_is_seen_at_that_time_it_is_looked_where_something_becomes_of_it() -> None:
    states = [("red", LOW)] * 2 + [("blue", LOW)] * 4  # red in the first pair, and it turns with the second
    clip = Clip([Actor("star", "star", states)], [float(frame) for frame in range(6)], (112, 112))
    said = "It is red at 00:00:01.00. It is blue at 00:00:02.00. It ends at 00:00:05.00."
    sample = Sample(None, [Question("the star turns blue", said, "")], clip=clip)
    targets = point([sample], [[list(said)]], film([clip], GRID)).targets[:, 1:]
    assert [row.nonzero().flatten().tolist() for row in targets[::8]] == [[SECOND], [SECOND], [SECOND + 16]]


def test_the_times_of_a_movement_are_read_where_it_sets_out_and_where_it_arrives() -> None:
    boxes = [LOW, (0.6, 0.6, 0.9, 0.9), (0.5, 0.5, 0.8, 0.8), (0.4, 0.4, 0.7, 0.7), (0.4, 0.4, 0.7, 0.7), LOW]
    states = [("red", box) for box in boxes]
    clip = Clip([Actor("star", "star", states)], [float(frame) for frame in range(6)], (112, 112))
    said = "It stands still until 00:00:00.00. It moves until 00:00:03.00."
    asked = film([clip], GRID)
    sample = Sample(None, [Question("the star moves", said, "")], clip=clip)
    targets = point([sample], [[list(said)]], asked).targets[:, 1:]
    for target, stage in ((targets[0], "sets out"), (targets[8], "arrives")):
        assert target.any()
        assert (asked.stages[0][target] == STAGES.index(stage)).any(-1).all()


def test_where_no_thing_is_named_or_it_is_not_there_all_tokens_of_that_time_will_do() -> None:
    for text in ("What happens?", PROMPT.format(event="the ring appears"), "the star leaves"):
        (first, *_), said = _pointed(text, f"At {clock(0)}.").targets, torch.zeros(GRID, dtype=torch.bool)
        said[0, 1:] = True  # below the clock
        assert first.tolist() == [False, *said.flatten().tolist()]


def test_a_time_that_has_been_said_is_not_looked_for_again() -> None:
    pointed = _pointed("the star appears", COMES + ' {"start": "00:00:01.00", "end": "00:00:02.00"}')
    assert pointed.number.tolist() == [1] * 8 + [2] * 8


def test_whether_it_happens_is_looked_for_where_it_does() -> None:
    asked = PROMPT.format(event="the star appears")
    pointed = _pointed(asked, COMES, answer="[...]", prompt=asked)
    verdict = ~pointed.digits
    # From the last word of the question on, which decides the first of the thought.
    whole = asked + COMES
    words = [whole[token + 1] for token in pointed.token[verdict]]
    assert "".join(words) == "It is gone at "
    assert [targets.nonzero().flatten().tolist() for targets in pointed.targets[verdict]] == [[1 + SECOND]] * len(words)
    assert (pointed.number[verdict] == 1).all()
    assert pointed.digits.sum() == 16


@pytest.mark.parametrize(
    ("event", "thought"), [("the star leaves", "It does not."), ("the ring leaves", "There is no ring.")]
)
def test_what_never_happens_is_looked_for_at_the_thing_and_what_is_not_there_before_the_clip(
    event: str, thought: str
) -> None:
    pointed = _pointed(event, thought, answer="[]", prompt=event)
    assert [(event + thought)[token + 1] for token in pointed.token] == list(thought)
    assert (pointed.number == IGNORED).all()
    assert not pointed.digits.any()
    # The star stands there in the second pair and the third, and no ring at all.
    there = [1 + SECOND, 1 + SECOND + 16] if "star" in event else [0]
    assert [targets.nonzero().flatten().tolist() for targets in pointed.targets] == [there] * len(thought)
    looks = [torch.zeros(1, 6, 1, len(event + thought), 5 + 48 + 1) for _ in range(6)]
    share, _ = found(looks, pointed, 5)
    assert not share.any()
    looks[FIND_LAYER][..., 2] = 0.75
    assert (found(looks, pointed, 5)[0] == (0.75 if "ring" in event else 0)).all()


def test_what_is_not_asked_as_a_moment_has_no_verdict() -> None:
    assert not len(_pointed("the star leaves", "It does not.", answer="No.", prompt="the star leaves").row)


def test_times_that_no_frame_has_point_nowhere() -> None:
    pointed = _pointed("the star appears", f"At {clock(77)} or never, at 3.")
    assert not len(pointed.row)
    assert missed([torch.rand(1, 6, 1, 40, 60)] * 6, pointed, 5) == 0


def test_a_digit_is_read_where_it_lies_on_the_clock_of_the_frame_by_a_head_of_its_own() -> None:
    pointed = _pointed("the star appears", COMES)
    clip = Clip([], [float(frame) for frame in range(6)], (112, 112))
    lies_on = (film([clip], GRID).read[0] != IGNORED).unflatten(-1, (FRAMES, -1))  # (tokens, frames, digits)
    assert pointed.number.tolist() == [1] * 8 + [2] * 8
    for place, (number, token, head) in enumerate(zip(pointed.number, pointed.clock, pointed.head, strict=True)):
        digit = place % 8
        assert lies_on[token, number % FRAMES, digit]
        assert token // 16 == number // FRAMES
        assert head == READ_HEADS[number % FRAMES][digit % 3]


def _looks(pointed, start: int, share: float) -> list[torch.Tensor]:
    """Attention in which taught heads give so much to what they should look at, and the rest to the last token."""
    looks = [torch.zeros(1, 6, 1, len(COMES), start + 48 + 1) for _ in range(6)]
    own = ((FIND_LAYER, torch.tensor(FIND_HEADS)[pointed.side], SECOND), (READ_LAYER, pointed.head, pointed.clock))
    for layer, heads, targets in own:
        looks[layer][..., start - 1] = share
        looks[layer][0, heads, 0, pointed.token, start - 1] = 0
        looks[layer][0, heads, 0, pointed.token, start + targets] = share
    for layer, heads in ((FIND_LAYER, list(FIND_HEADS)), (READ_LAYER, slice(None))):
        looks[layer][:, heads, ..., -1] = 1 - share
    return looks


@pytest.mark.parametrize(("share", "expected"), [(1.0, -log(ENOUGH)), (0.5, log(2)), (0.0, -log(LEAST))])
def test_taught_heads_are_wrong_by_what_they_do_not_give_to_the_targets(share: float, expected: float) -> None:
    pointed, start = _pointed("the star appears", COMES), 5
    looks = _looks(pointed, start, share)
    # One head looks at what it is to look at, and the others at what says nothing.
    for shares in (*found(looks, pointed, start), *read(looks, pointed, start)):
        assert (shares == share).all()
    assert missed(looks, pointed, start).item() == pytest.approx(4 * expected, abs=1e-5)


def test_words_that_say_a_time_are_those_before_its_digits() -> None:
    pointed, prefix = _pointed("the star appears", COMES), 54
    layout = Layout(prefix, 1, slice(4, 54), torch.ones(1, prefix + len(COMES), dtype=torch.bool))
    states = torch.arange(prefix + len(COMES)).float().view(1, -1, 1)
    spoken = words(states, pointed, layout)[:, 0].long() - prefix
    assert [COMES[token + 1] for token in spoken] == [c for c in COMES if c.isdigit()]


def _attention(heads: dict[int, dict[int, int]]) -> torch.Tensor:
    """Logarithms of an attention in which each token of a head looks at one other, and else is wrong all over."""
    attention = torch.full((1, 6, 48, 48), -50.0)
    for head, targets in heads.items():
        for token, target in targets.items():
            attention[0, head, token, target] = 0.0
    return attention


def test_tokens_are_taught_to_look_at_their_place_in_the_frames_before() -> None:
    right = {head: {token: token - 16 for token in range(16, 48)} for head in BEFORE_HEADS}
    assert missed_before(_attention(right), GRID[0]).item() == pytest.approx(-log(ENOUGH))
    assert missed_before(_attention({head: {} for head in right}), GRID[0]) == 50
    # In a clip of one look there is nothing before.
    assert missed_before(_attention(right)[..., :16, :16], 1) == 0
