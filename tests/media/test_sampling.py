"""Which frames are looked at."""

from __future__ import annotations

import pytest

from ernie_cli.media.sampling import Sampling, Span, choose

from .clip_files import variable


def steady(fps: float, seconds: float) -> list[float]:
    return [place / fps for place in range(round(fps * seconds))]


@pytest.mark.parametrize(
    ("fps", "seconds", "expected"),
    [
        (30, 10, list(range(0, 300, 15))),  # twice a second
        (30, 4, [0, 7, 15, 22, 30, 37, 45, 52, 60, 67, 75, 82, 90, 97, 105, 112]),  # at least 16
        (25, 100, [int(25 * 100 / 180 * place) for place in range(180)]),  # at most 180
        (1, 5, [0, 1, 2, 3, 4]),  # all there are
    ],
)
def test_steady_clips_as_transformers_samples_them(fps: float, seconds: float, expected: list[int]) -> None:
    times = steady(fps, seconds)
    assert choose(times, Span(0, seconds), Sampling()) == expected


def test_uneven_clips_are_sampled_evenly_in_time() -> None:
    times = [variable(place) for place in range(400)]
    chosen = choose(times, Span(0, times[-1] + 0.04), Sampling(fps=1))
    assert len(chosen) == 26
    for place, index in enumerate(chosen):
        target = place * (times[-1] + 0.04) / len(chosen)
        assert times[index] <= target + 1e-6
        assert index + 1 == len(times) or times[index + 1] > target


def test_a_span_has_its_own_frames_only() -> None:
    times = steady(25, 60)
    chosen = choose(times, Span(20, 30), Sampling())
    assert times[chosen[0]] == 20
    assert times[chosen[-1]] == pytest.approx(29.48, abs=0.05)
    assert len(chosen) == 20


def test_a_moment_is_the_frame_shown_then() -> None:
    times = [0.0, 1.0, 2.5]
    one = Sampling(1, 1, 1)
    assert choose(times, Span(1.9, 2.6), one) == [1]
    assert choose(times, Span(2.5, 3.0), one) == [2]
    assert choose(times, Span(1.0, 1.0), one) == [1]


def test_every_shot_gets_a_frame() -> None:
    times = steady(10, 20)
    sparse = Sampling(fps=0.5, least=4)
    assert choose(times, Span(0, 20), sparse) == [0, 20, 40, 60, 80, 100, 120, 140, 160, 180]
    with_cuts = choose(times, Span(0, 20), sparse, cuts=[4.5, 5.5])
    assert len(with_cuts) == 10
    assert 45 in with_cuts
    assert 197 in choose(times, Span(0, 20), sparse, cuts=[19.7])
    assert choose(times, Span(0, 10), sparse, cuts=[10.0, 19.7]) == [0, 20, 40, 60, 80]
