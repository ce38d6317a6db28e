"""What every token of a picture is asked while training: true where a thing stands, nothing elsewhere."""

from __future__ import annotations

import re
from random import Random

import torch
from data import Sample
from data.ground import ground_sample
from data.scenes import COLORS, SHAPES, Thing
from heads import IGNORED
from places import REACH, STEP, Heads, ask


def _scene(*things: Thing) -> Sample:
    return Sample(None, [], things=list(things))


def test_a_thing_is_asked_of_the_tokens_whose_centres_it_covers() -> None:
    asked = ask([_scene(Thing("star", "blue", (0.25, 0.0, 0.75, 0.5)))], 4, 4)
    assert asked.kinds is not None
    assert asked.edges is not None
    kinds, edges = asked.kinds[0].view(4, 4, 2), asked.edges[0].view(4, 4, 4)
    expected = [SHAPES.index("star"), list(COLORS).index("blue")]
    assert kinds[:2, 1:3].reshape(-1, 2).tolist() == [expected] * 4
    assert edges[:2, 1:3].reshape(-1, 4).tolist() == [[25, 0, 75, 50]] * 4
    outside = kinds[..., 0] == len(SHAPES)
    assert outside.sum() == 12
    assert (kinds[..., 1][outside] == IGNORED).all()
    assert (edges[outside] == IGNORED).all()


def test_a_thing_between_the_centres_is_asked_of_the_token_it_lies_in() -> None:
    asked = ask([_scene(), _scene(Thing("ring", "red", (0.3, 0.3, 0.4, 0.4)))], 2, 2)
    assert asked.edges is not None
    assert (asked.edges[0] == IGNORED).all()
    assert asked.edges[1].tolist() == [[30, 30, 40, 40]] + [[IGNORED] * 4] * 3


def test_edges_are_also_asked_from_where_the_token_stands() -> None:
    asked = ask([_scene(Thing("star", "blue", (0.25, 0.0, 0.75, 0.5)))], 4, 4)
    assert asked.offsets is not None
    # The first token it covers is 28 pixels wide, begins at its left edge and ends a token before its right one.
    expected = [round((away + REACH) / STEP) for away in (-14, -14, 42, 42)]
    assert asked.offsets[0].view(4, 4, 4)[0, 1].tolist() == expected
    assert (asked.offsets[0].view(4, 4, 4)[2:] == IGNORED).all()


def test_things_are_numbered_as_a_thought_numbers_them() -> None:
    scene = ground_sample(Random(5), 224, 224, 8, 1)
    assert scene.things
    asked = ask([scene], 8, 8)
    assert asked.numbers is not None
    assert asked.kinds is not None
    for number, said in re.findall(r"(\d) (\w+ \w+)", scene.questions[0].thought.split(". ")[0]):
        tokens = asked.numbers[0] == int(number) - 1
        shapes = asked.kinds[0, tokens, 0].unique().tolist()
        assert [SHAPES[shape] for shape in shapes] == [said.split()[1]]


def test_heads_that_know_are_not_wrong_and_others_are() -> None:
    sample = ground_sample(Random(2), 112, 112, 2, 1)
    asked = ask([sample], 4, 4)
    heads, states = Heads(16, 8), torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.05)
    first = heads.losses(states, states, asked)
    assert first > 8  # six questions, each at about the logarithm of its choices
    for _ in range(300):
        optimizer.zero_grad()
        heads.losses(states, states, asked).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert heads.losses(states, states, asked) < 0.2 * first
