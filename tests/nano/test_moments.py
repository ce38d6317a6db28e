"""What every token of a clip is asked while training: true of the frames that the clip shows."""

from __future__ import annotations

from random import Random

import numpy as np
import torch
from data.clip import Actor, Clip, strip_height
from data.scenes import COLORS, SHAPES
from data.video import clocks_sample, look_sample
from heads import IGNORED
from moments import CHANGES, DIGITS, FRAMES, STAGES, TOLD, ClipHeads, film
from places import REACH, STEP

from ernie_cli.times import clock

SIZE = (112, 112)
TOP, LOW = (0.0, 0.0, 0.2, 0.2), (0.7, 0.7, 1.0, 1.0)


def _filmed(states: list, times: list[float]):
    grid = (-(-len(times) // FRAMES), 4, 4)
    return film([Clip([Actor("star", "star", states)], times, SIZE)], grid), grid


def test_what_stands_on_a_token_is_asked_for_each_of_its_two_frames() -> None:
    filmed, grid = _filmed([None, ("red", LOW), ("blue", LOW), None], [0.0, 0.5, 1.0, 1.5])
    corner = filmed.kinds.view(*grid, FRAMES, 2)[:, 3, 3]
    star, red, blue = SHAPES.index("star"), list(COLORS).index("red"), list(COLORS).index("blue")
    nothing = [len(SHAPES), IGNORED]
    assert corner.tolist() == [[nothing, [star, red]], [[star, blue], nothing]]
    assert (filmed.kinds.view(*grid, FRAMES, 2)[:, :2, :, :, 0] == len(SHAPES)).all()
    # And what stood there before these two.
    assert filmed.stood.view(*grid, 2)[:, 3, 3].tolist() == [[IGNORED, IGNORED], [star, red]]
    assert filmed.stood.view(*grid, 2)[1, 0, 0].tolist() == nothing
    # And where, and what had become of it.
    middles = filmed.middles.view(*grid, FRAMES, 2)
    assert torch.equal(filmed.placed.view(*grid, 2)[1, 3, 3], middles[0, 3, 3, 1])
    assert [CHANGES[change] for change in filmed.earlier.view(*grid)[1:, 3, 3]] == ["appears"]
    assert (filmed.earlier.view(*grid)[0] == IGNORED).all()


def test_tokens_are_asked_how_far_away_the_middle_of_a_thing_is_in_each_frame() -> None:
    filmed, grid = _filmed([("red", LOW), ("red", TOP)], [0.0, 0.5])
    middles = filmed.middles.view(*grid, FRAMES, 2)[0] * STEP - REACH
    # On the stage, which lies below the clock, the middle is at 0.85 of its width and height; a token has 28 pixels.
    strip = strip_height(*SIZE)
    down = strip + 0.85 * (SIZE[1] - strip)
    assert (middles[3, 3, 0] - torch.tensor([0.85 * SIZE[0] - 98, down - 98])).abs().max() <= STEP / 2
    assert (filmed.middles.view(*grid, FRAMES, 2)[0, 3, 3, 1] == IGNORED).all()


def test_what_became_of_a_thing_is_asked_where_it_stands_or_stood() -> None:
    states = [None, ("red", LOW), ("blue", LOW), None, None, ("red", TOP), ("red", LOW), ("red", LOW)]
    filmed, grid = _filmed(states, [place / 2 for place in range(8)])
    changes = filmed.changes.view(*grid, FRAMES)
    asked = [[CHANGES[change] for change in pair] for pair in changes[:, 3, 3].tolist()]
    assert asked == [["none", "appears"], ["turns", "leaves"], ["none", "none"], ["moves", "none"]]
    # Where nothing stands, nothing changes.
    assert not changes[:, :, 1].any()
    # Gone, it is still known where it was.
    assert filmed.kind.view(*grid, 2)[1, 3, 3, 0] == SHAPES.index("star")


def test_of_a_movement_its_beginning_and_its_end_are_asked() -> None:
    on_the_way = (0.6, 0.7, 0.9, 1.0)
    states = [("red", box) for box in (TOP, TOP, on_the_way, LOW, LOW, LOW, LOW, on_the_way)]
    filmed, grid = _filmed(states, [float(place) for place in range(8)])
    stages = [[STAGES[stage] for stage in pair] for pair in filmed.stages.view(*grid, FRAMES)[:, 3, 3].tolist()]
    assert stages == [["none", "none"], ["sets out", "none"], ["arrives", "none"], ["none", "sets out"]]
    happened = filmed.happened.view(*grid, FRAMES)[:, 3, 3]
    assert happened.tolist() == [[stage != "none" for stage in pair] for pair in stages]
    # It stood until the first of these frames, and had arrived by that before it stood still again.
    assert filmed.told.view(*grid, TOLD)[:, 3, 3].tolist() == [[0, 1], [1, 2], [3, 4], [6, 7]]


def test_the_digits_of_a_clock_are_asked_of_the_tokens_they_lie_on_and_frames_of_all_below() -> None:
    filmed, grid = _filmed([("red", LOW)] * 3, [3725.25, 3725.75, 3726.0])
    read, told = filmed.read.view(*grid, FRAMES, DIGITS), filmed.told.view(*grid, TOLD)
    for frame, time in enumerate([3725.25, 3725.75, 3726.0, 3726.0]):  # the last one stands twice
        digits = [int(character) for character in clock(time) if character.isdigit()]
        assert (told[frame // 2, 1:, :, frame % 2] == min(frame, 2)).all()
        # Each lies on one token, and they come in order.
        assert read[frame // 2, 0, :, frame % 2].max(0).values.tolist() == digits
        assert ((read[frame // 2, 0, :, frame % 2] != IGNORED).sum(0) == 1).all()
    assert (told[:, 0] == IGNORED).all()
    assert filmed.pair.view(grid).flatten(1).tolist() == [[0] * 16, [1] * 16]
    assert (read[:, 1:] == IGNORED).all()


def test_what_has_changed_is_asked_for_the_two_frames_between_which_it_did() -> None:
    states = [None, ("red", LOW), ("red", LOW), ("red", LOW), None, None, ("red", TOP), ("red", LOW)]
    filmed, grid = _filmed(states, [float(place) for place in range(8)])
    told = filmed.told.view(*grid, TOLD)
    assert told[:, 3, 3].tolist() == [[0, 1], [2, 3], [3, 4], [6, 7]]
    # Beside the clock nothing is asked for it, whatever changes there.
    assert (told[:, 0] == IGNORED).all()
    # Where nothing changes, it is the two frames' own.
    assert told[:, 3, 0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_clocks_alone_are_asked_as_in_whole_frames() -> None:
    sample = clocks_sample(Random(1), 168, 140, 4, side=112, lines=28)
    assert sample.clip
    assert {frame.size for frame in sample.medium.frames} == {(112, 28)}
    alone, whole = film([sample.clip], (2, 1, 4)), film([sample.clip], (2, 4, 4))
    assert (alone.read.view(2, 4, -1) == whole.read.view(2, 4, 4, -1)[:, 0]).all()
    assert (alone.read != IGNORED).sum() == 4 * DIGITS
    assert (alone.told == IGNORED).all()
    state = torch.randn(1, 8, 16, requires_grad=True)
    loss = ClipHeads(16).losses(state, state, alone)
    assert loss.isfinite()


def test_all_that_is_asked_of_a_drawn_part_of_a_clip_is_seen_in_it() -> None:
    for seed in range(20):
        sample = look_sample(Random(seed), 140, 140, 8, 2)
        assert sample.clip
        frames = sample.medium.frames
        filmed = film([sample.clip], (4, 4, 4))
        kinds = filmed.kinds.view(4, 4, 4, FRAMES, 2)
        for pair, y, x, place in (kinds[..., 0] < len(SHAPES)).nonzero().tolist():
            color = list(COLORS)[kinds[pair, y, x, place, 1]]
            around = frames[pair * 2 + place].crop((x * 35 - 8, y * 35 - 8, x * 35 + 43, y * 35 + 43))
            apart = np.abs(np.asarray(around, dtype=int) - COLORS[color]).sum(axis=2)
            assert apart.min() < 60


def test_heads_learn_from_what_is_asked() -> None:
    filmed, _ = _filmed([None, ("red", LOW), ("red", LOW), None], [0.0, 0.5, 1.0, 1.5])
    torch.manual_seed(0)
    heads, state = ClipHeads(16), torch.randn(1, 2 * 16, 16)
    before = heads.losses(state, state, filmed)
    optimizer = torch.optim.AdamW(heads.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        heads.losses(state, state, filmed).backward()
        optimizer.step()
    assert heads.losses(state, state, filmed) < before / 3


def test_words_learn_which_frame_they_are_to_speak_of() -> None:
    torch.manual_seed(0)
    heads, words, numbers = ClipHeads(16), torch.randn(6, 16), torch.arange(6)
    before = heads.misnumbered(words, numbers)
    optimizer = torch.optim.AdamW(heads.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        heads.misnumbered(words, numbers).backward()
        optimizer.step()
    assert heads.misnumbered(words, numbers) < before / 3
    # Where there are none, the heads have a gradient all the same, as they have it in other processes.
    optimizer.zero_grad()
    nothing = heads.misnumbered(words[:0], numbers[:0])
    nothing.backward()
    assert nothing == 0
    assert not heads.words.weight.grad.any()


def test_nothing_stands_where_the_clock_is() -> None:
    assert strip_height(112, 112) > int(112 * 0.1)
