from __future__ import annotations

import json
import re
from itertools import combinations, pairwise, product
from random import Random

import numpy as np
import pytest
from data.clip import GLIMPSE, SLOWEST, Actor, Clip, clock, draw_clock, strip_height
from data.video import absent_question, brief_sample, colored, colored_question, restless_sample, video_sample
from PIL import Image

A, B, FAR = (0.1, 0.1, 0.3, 0.3), (0.4, 0.1, 0.6, 0.3), (0.7, 0.1, 0.9, 0.3)


def test_a_seed_draws_the_same_sample():
    for seed in range(6):
        one, two = (video_sample(Random(seed), 140, 140, 16, 5) for _ in range(2))
        assert [f.tobytes() for f in one.medium.frames] == [f.tobytes() for f in two.medium.frames]
        assert one.medium.times == two.medium.times
        assert one.questions == two.questions
        assert {frame.size for frame in one.medium.frames} == {(140, 140)}
        assert len(one.medium.frames) == 16


def test_whole_clips_are_sampled_twice_a_second():
    assert video_sample(Random(1), 140, 140, 18, 1, window=False).medium.times == [i / 2 for i in range(18)]
    starts = {video_sample(Random(s), 140, 140, 16, 1, window=True).medium.times[0] for s in range(4)}
    assert len(starts) == 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00:00.00"),
        (1.5, "00:00:01.50"),
        (59.999, "00:01:00.00"),
        (3725.25, "01:02:05.25"),
        (0.125, "00:00:00.12"),
    ],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_times_of_an_answer_are_those_that_its_thought_has_said_of_the_same() -> None:
    several = 0
    for seed in range(40):
        clip = video_sample(Random(seed), 140, 140, 24, 0).clip
        question = colored_question(Random(seed), clip)
        color = question.text.partition("?")[0].split()[-1]
        for segment in json.loads(question.answer):
            first = question.again[question.answer.index(f'"{segment["start"]}", "end": "{segment["end"]}"') + 1]
            assert question.thought[first:].startswith(f"{segment['start']} to {segment['end']}.")
            assert question.thought[:first].endswith(f"is {color} from ")
            several += question.thought.count("from") > 1
    assert several > 5


def test_the_clock_is_written_into_every_frame():
    for seed in range(4):
        sample = video_sample(Random(seed), 168, 140, 16, 1)
        for frame, seconds in zip(sample.medium.frames, sample.medium.times, strict=True):
            again = frame.copy()
            draw_clock(again, seconds)
            # Drawn over itself it changes little (its smooth edges); another time changes much.
            other = frame.copy()
            draw_clock(other, seconds + 444.44)
            moved = [np.abs(np.asarray(x, int) - np.asarray(frame, int)).sum() for x in (again, other)]
            assert moved[0] * 2 < moved[1]
            assert (np.asarray(frame)[:16] < 40).all(axis=2).sum() > 50


def test_the_clock_is_black_with_white_around_at_the_top_left():
    frame = Image.new("RGB", (200, 160), (0, 200, 0))
    draw_clock(frame, 1.5)
    ys, xs = np.nonzero((np.asarray(frame) != (0, 200, 0)).any(axis=2))
    assert xs.min() <= 2
    assert ys.max() < 22
    colors = {color for _, color in frame.getcolors(10_000)}
    assert {(0, 0, 0), (255, 255, 255)} <= colors


def test_answers_are_times_on_clocks():
    spans = 0
    for seed in range(60):
        sample = video_sample(Random(seed), 140, 140, 16, 6)
        shown = {clock(seconds) for seconds in sample.medium.times}
        for question in sample.questions:
            if "JSON" not in question.text:
                continue
            asked = question.text.removeprefix("When does this happen: ").split("? Answer")[0]
            for found in json.loads(question.answer):
                spans += 1
                assert {found["start"], found["end"]} <= shown
                assert found["start"] <= found["end"]
                assert found["label"] == asked
                assert found["start"] in question.thought
                assert found["end"] in question.thought
    assert spans > 100


def test_frames_change_when_it_is_said():
    checked = 0
    for seed in range(60):
        sample = video_sample(Random(seed), 140, 140, 16, 6)
        pixels = [np.asarray(frame, dtype=int)[20:] for frame in sample.medium.frames]
        at = [clock(seconds) for seconds in sample.medium.times]
        for question in sample.questions:
            event = question.text.split("? Answer")[0]
            if event.endswith((" appears", " leaves", " disappears", " changes color", " comes into view")):
                for found in json.loads(question.answer):
                    checked += 1
                    a, b = at.index(found["start"]), at.index(found["end"])
                    assert b == a + 1
                    assert np.abs(pixels[b] - pixels[a]).sum() > 1000
    assert checked > 30


def test_what_happens_to_an_actor():
    red, green = ("red", A), ("green", A)
    comes = Actor("ring", "red ring", [None, None, red, red, None, red])
    assert comes.runs() == [(2, 3), (5, 5)]
    assert comes.steps(lambda a, b: a is None and b is not None) == [(1, 2), (4, 5)]
    moves = Actor("ring", "red ring", [red, red, ("red", B), ("red", FAR), ("red", FAR)])
    assert moves.moves() == [(1, 3)]
    turns = Actor("ring", "ring", [red, red, green])
    assert turns.runs(lambda state: state[0] == "green") == [(2, 2)]
    assert turns.moves() == []


def test_thoughts_about_a_color_tell_all_of_them_in_turn_whichever_is_asked_for():
    red, green = ("red", A), ("green", A)
    actor = Actor("ring", "ring", [None, red, red, green, None, green])
    clip = Clip([actor], [float(second) for second in range(6)], (140, 140))
    told = [colored(Random(seed), clip, actor) for seed in range(30)]
    spans = {event.text: event.spans for event in told}
    assert (spans.pop("is red"), spans.pop("is green")) == ([(1, 2)], [(3, 3), (5, 5)])
    assert spans
    assert not any(spans.values())
    at = [clock(second) for second in clip.times]
    assert {event.thought for event in told} == {
        f"The ring is red from {at[1]} to {at[2]}. It is green from {at[3]} to {at[3]}. "
        f"It is green from {at[5]} to {at[5]}."
    }


def test_things_in_restless_clips_move_far_enough_to_be_seen_and_stay_apart_on_the_stage():
    moved = several = 0
    for seed in range(12):
        clip = restless_sample(Random(seed), 168, 140, 16).clip
        movers = [actor for actor in clip.actors if actor.moves()]
        several += len(movers) > 1
        for one, other in combinations([[state[1] for state in a.states if state] for a in clip.actors], 2):
            for a, b in product(one, other):
                assert a[0] > b[2] or b[0] > a[2] or a[1] > b[3] or b[1] > a[3]
        for (_, before), (_, box) in (pair for actor in movers for pair in pairwise(filter(None, actor.states))):
            assert -1e-6 <= min(box) <= max(box) <= 1 + 1e-6
            if box != before:
                moved += 1
                across, down = abs(box[0] - before[0]) * 168, abs(box[1] - before[1]) * (140 - strip_height(168, 140))
                assert max(across, down) > SLOWEST - 0.01
    assert moved > 40
    assert several > 3


def test_what_is_absent_is_never_in_the_clip():
    near = 0
    for seed in range(60):
        clip = video_sample(Random(seed), 140, 140, 16, 0).clip
        question = absent_question(Random(seed), clip)
        name = re.search(r"(?:the|an?) ((?:\w+ )?\w+) (?:is visible|can be seen)\?", question.text)[1]
        *color, shape = name.split()
        for actor in clip.actors:
            colors = {state[0] for state in actor.states if state}
            assert actor.shape != shape or not colors or (color and color[0] not in colors)
            near += actor.shape == shape and bool(colors)
        assert (question.answer, question.thought) == ("[]", f"There is no {name}.")
    assert near > 5


def test_in_brief_looks_things_are_there_for_a_moment():
    lengths = []
    for seed in range(40):
        clip = brief_sample(Random(seed), 140, 140, 32).clip
        assert all(actor.runs() == [(0, 31)] or len(actor.runs()) <= 1 for actor in clip.actors)
        lengths += [
            clip.times[b] - clip.times[a]
            for actor in clip.actors
            for a, b in actor.runs()
            if a > 0 and b < len(clip.times) - 1
        ]
    assert len(lengths) > 10
    assert max(lengths) <= (GLIMPSE + 1) / 2
