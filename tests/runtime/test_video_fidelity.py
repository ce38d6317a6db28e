"""A clip's patches are those of transformers' own video processor, clock and all."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from scripts.bench_video import as_images, drawn, joined, ours, reference, theirs, within_one_level


@pytest.fixture(scope="module")
def processor() -> object:
    if find_spec("torchvision") is None:
        pytest.skip("transformers' video processor needs torchvision: pip install --no-deps torchvision==0.28.0")
    return reference()


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (720, 1280), (1920, 1080)])
def test_patches_are_those_of_transformers(processor: object, size: tuple[int, int]) -> None:
    frames = drawn(4, *size)
    a, b = theirs(processor, frames.copy(), 0.4), joined(ours(as_images(frames), 0.4))
    assert a.shape == b.shape
    assert within_one_level(a, b) >= 0.999


def test_the_last_of_an_odd_number_is_repeated(processor: object) -> None:
    frames = drawn(3, 640, 360)
    a, b = theirs(processor, frames.copy(), 2.0), joined(ours(as_images(frames), 2.0))
    assert a.shape == b.shape
    assert within_one_level(a, b) >= 0.999
