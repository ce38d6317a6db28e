from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest
from data.backdrops import PHOTOS, _photo
from data.ground import PROMPT, coordinates, fits, ground_sample
from data.scenes import COLORS, Thing, draw_scene
from data.scores import boxes
from PIL import Image


def test_a_seed_draws_the_same_sample():
    for seed in range(12):
        one, two = (ground_sample(Random(seed), 168, 140, 8, 3) for _ in range(2))
        assert one.medium.image.tobytes() == two.medium.image.tobytes()
        assert one.questions == two.questions
    assert one.medium.image.size == (168, 140)


def test_boxes_enclose_what_is_drawn_and_no_more():
    for seed in range(40):
        plain = Image.new("RGB", (168, 140), (100, 255, 255))
        scene = draw_scene(Random(seed), 168, 140, 6, backdrop=plain)
        changed = (np.asarray(scene.image) != np.asarray(plain)).any(axis=2)
        inside = np.zeros_like(changed)
        for thing in scene.things:
            x1, y1, x2, y2 = (v / 1000 * side for v, side in zip(coordinates(thing.box), (168, 140) * 2, strict=True))
            around = np.s_[max(0, int(y1) - 1) : int(y2) + 2, max(0, int(x1) - 1) : int(x2) + 2]
            inside[around] = True
            ys, xs = np.nonzero(changed[around])
            drawn = [xs.min() + around[1].start, ys.min() + around[0].start]
            drawn += [xs.max() + around[1].start + 1, ys.max() + around[0].start + 1]
            assert np.abs(np.array(drawn) - [x1, y1, x2, y2]).max() <= 1.5
        assert not (changed & ~inside).any()


def test_things_have_the_color_that_is_said():
    for seed in range(40):
        scene = draw_scene(Random(seed), 168, 140, 4, backdrop=Image.new("RGB", (168, 140), (100, 255, 255)))
        for thing in scene.things:
            if thing.shape == "ring":
                continue
            x, y = thing.center
            middle = np.array(scene.image.getpixel((int(x * 168), int(y * 140))))
            nearest = min(COLORS, key=lambda name: np.abs(middle - COLORS[name]).sum())
            assert nearest == thing.color


def test_answers_are_what_the_query_asks_for():
    labels = 0
    for seed in range(60):
        for question in ground_sample(Random(seed), 112, 112, 5, 4).questions:
            found = boxes(question.answer)
            assert found is not None
            query = question.text.removeprefix("Find every ").split(". Answer")[0]
            assert question.text == PROMPT.format(query=query)
            assert json.dumps(json.loads(question.answer)) == question.answer
            for box, label in found:
                labels += 1
                assert all(isinstance(v, int) and 0 <= v <= 1000 for v in box)
                assert box[0] < box[2]
                assert box[1] < box[3]
                assert label in query or label.split()[0] in query or "shape" in query
                assert label.split()[-1] in question.thought
    assert labels > 100


def test_there_are_scenes_with_nothing_to_find():
    answers = [q.answer for seed in range(80) for q in ground_sample(Random(seed), 112, 112, 3, 4).questions]
    assert 0.1 < answers.count("[]") / len(answers) < 0.5


@pytest.mark.parametrize(
    ("term", "expected"),
    [("red circle", True), ("circle", True), ("red shape", True), ("shape", True), ("ring", False)],
)
def test_what_fits_a_term(term, expected):
    assert fits(Thing("circle", "red", (0, 0, 1, 1)), term) is expected


def test_photos_are_in_the_wheel():
    assert all(_photo(name).mode == "RGB" for name in PHOTOS)
