"""What every token of a scene is asked while training: true for the tokens a thing lies on, and nothing elsewhere."""

from __future__ import annotations

from data.scenes import COLORS, SHAPES, Thing
from places import IGNORED, Asked


def test_a_thing_is_asked_of_the_tokens_whose_centres_it_covers() -> None:
    thing = Thing("star", "blue", (0.25, 0.0, 0.75, 0.5))
    asked = Asked([[thing]], 4, 4)
    kinds, edges = asked.kinds[0].view(4, 4, 2), asked.edges[0].view(4, 4, 4)
    expected = [SHAPES.index("star"), list(COLORS).index("blue")]
    assert kinds[:2, 1:3].reshape(-1, 2).tolist() == [expected] * 4
    assert edges[:2, 1:3].reshape(-1, 4).tolist() == [[25, 0, 75, 50]] * 4
    outside = kinds[..., 0] == len(SHAPES)
    assert outside.sum() == 12
    assert (kinds[..., 1][outside] == IGNORED).all()
    assert (edges[outside] == IGNORED).all()


def test_a_thing_between_the_centres_is_asked_of_the_token_it_lies_in() -> None:
    asked = Asked([[], [Thing("ring", "red", (0.3, 0.3, 0.4, 0.4))]], 2, 2)
    assert (asked.edges[0] == IGNORED).all()
    assert asked.edges[1].tolist() == [[30, 30, 40, 40]] + [[IGNORED] * 4] * 3
