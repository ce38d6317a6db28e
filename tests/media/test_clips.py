"""Clips from files, pipes, animations and pictures, and single frames of them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from ernie_cli.errors import InputError
from ernie_cli.media import Limits, Source, decord_reader, load, pictures_of, resolve
from ernie_cli.media.clips import Clip, grouped, open_clip, parse_span, read_sample
from ernie_cli.media.sampling import Sampling, Span

from .clip_files import barcode, number_in, write_clip

LIMITS = Limits()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, [place / 25 for place in range(150)])
    return path


def numbers(clip: Clip, wanted: Sequence[int]) -> list[int]:
    return [number_in(frame) for _, frame in clip.read(wanted)]


def test_a_file(path: Path) -> None:
    clip = open_clip([Source("clip.mp4", "", path)], LIMITS)
    assert (clip.size, clip.duration_s, clip.notes) == ((160, 80), pytest.approx(6.0), [])
    assert clip.interval_s == pytest.approx(0.04)
    assert numbers(clip, [0, 70, 149]) == [0, 70, 149]


def test_the_same_from_a_pipe(path: Path) -> None:
    (source,) = resolve(["-#t=2,4"], stdin=io.BytesIO(path.read_bytes()))
    clip = open_clip([source], LIMITS)
    assert clip.span == Span(2.0, 4.0)
    assert numbers(clip, [0, 70, 149]) == [0, 70, 149]
    assert numbers(clip, [5]) == [5]
    assert clip.reader.startswith("PyAV")


def test_a_renamed_file(path: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "clip.txt"
    renamed.write_bytes(path.read_bytes())
    assert numbers(open_clip([Source("clip.txt", "", renamed)], LIMITS), [33]) == [33]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animations(tmp_path: Path, format: str) -> None:
    path = tmp_path / "moving"
    frames = [barcode(place) for place in range(12)]
    lengths = [100 + 50 * (place % 3) for place in range(12)]
    options = {"lossless": True} if format == "WEBP" else {}
    frames[0].save(path, format, save_all=True, append_images=frames[1:], duration=lengths, loop=0, **options)
    clip = open_clip([Source("moving", "", path)], LIMITS)
    assert clip.times == pytest.approx([sum(lengths[:place]) / 1000 for place in range(12)])
    assert clip.duration_s == pytest.approx(sum(lengths) / 1000)
    assert numbers(clip, [0, 4, 5, 11]) == [0, 4, 5, 11]


def test_pictures_with_a_rate_are_one_clip(tmp_path: Path) -> None:
    for place in range(12):
        barcode(place).save(tmp_path / f"frame{place}.png")
    sources = resolve([str(tmp_path / "*.png")], stdin=io.BytesIO())
    (group,) = grouped(sources, LIMITS, 4)
    clip = open_clip(group, LIMITS, 4)
    assert clip.times == tuple(place / 4 for place in range(12))
    assert clip.duration_s == 3.0
    assert numbers(clip, [0, 2, 10]) == [0, 2, 10]
    Image.new("RGB", (9, 9)).save(tmp_path / "frame2.png")
    with pytest.raises(InputError, match="9x9"):
        numbers(clip, [0, 2])


@pytest.mark.parametrize("format", ["HEIF", "MPO"])
@pytest.mark.parametrize("pictures", [1, 3])
def test_photos_with_a_rate_are_one_clip_whatever_else_is_in_them(tmp_path: Path, format: str, pictures: int) -> None:
    pillow_heif.register_heif_opener()
    for place in range(3):
        others = [barcode(900)] * (pictures - 1)
        barcode(place).save(tmp_path / f"photo{place}", format, save_all=True, append_images=others, quality=95)
    sources = resolve([str(tmp_path / "photo*")], stdin=io.BytesIO())
    (group,) = grouped(sources, LIMITS, 2)
    clip = open_clip(group, LIMITS, 2)
    assert (clip.times, clip.size) == ((0.0, 0.5, 1.0), (160, 80))
    assert numbers(clip, [0, 1, 2]) == [0, 1, 2]
    with pytest.raises(InputError, match="does not move"):
        open_clip(sources[:1], LIMITS)


def test_a_still_picture_is_no_clip(tmp_path: Path) -> None:
    barcode(0).save(tmp_path / "one.png")
    with pytest.raises(InputError, match="does not move"):
        open_clip([Source("one.png", "", tmp_path / "one.png")], LIMITS)


def test_a_moment_is_a_picture(path: Path) -> None:
    (picture,) = pictures_of(Source("clip.mp4", "t=2.01", path), LIMITS)
    assert (number_in(picture.image), picture.time_s, picture.name) == (50, pytest.approx(2.0), "clip.mp4")
    (same,) = load([f"{path}#t=0:02,0:03"], stdin=io.BytesIO())
    assert same.time_s == pytest.approx(2.0)


def test_a_clip_without_a_moment_is_no_picture(path: Path) -> None:
    with pytest.raises(InputError, match="is a video") as told:
        list(pictures_of(Source("clip.mp4", "", path), LIMITS))
    assert "clip.mp4#t=12" in told.value.hint


@pytest.mark.parametrize(
    ("part", "span"),
    [
        ("", (0, 100)),
        ("t=60,90", (60, 90)),
        ("t=60", (60, 100)),
        ("t=,30", (0, 30)),
        ("t=1:00,1:30.5", (60, 90.5)),
        ("t=npt:0:01:00,0:01:10", (60, 70)),
        ("t=90,500", (90, 100)),
    ],
)
def test_parts(part: str, span: tuple[float, float]) -> None:
    assert parse_span(part, 100, "clip") == Span(*span)


@pytest.mark.parametrize("part", ["t=", "t=,", "t=90,60", "t=100", "t=5,5", "3-5", "t=1:2:3:4", "t=.", "t=x"])
def test_parts_that_are_none(part: str) -> None:
    with pytest.raises(InputError, match="part"):
        parse_span(part, 100, "clip")


def test_a_sample_has_clocks_and_is_no_larger_than_the_model_wants(path: Path) -> None:
    clip = open_clip([Source("clip.mp4", "", path)], LIMITS)
    sample = read_sample(clip, Span(0, 6), Sampling())
    frames = sample.frames
    assert sample.spacing_s == pytest.approx(0.4)
    assert sample.times == pytest.approx([place * 150 // 16 / 25 for place in range(16)], abs=1e-3)
    assert frames[0].size == (160, 80)
    first = np.asarray(frames[0]).astype(int)[:8]
    assert (first < 30).all(axis=2).any()  # the clock's black
    small = read_sample(clip, Span(0, 6), Sampling(), fit=lambda height, width: (28, 56))
    assert {frame.size for frame in small.frames} == {(56, 28)}
    large = read_sample(clip, Span(0, 6), Sampling(), fit=lambda height, width: (280, 560))
    assert {frame.size for frame in large.frames} == {(160, 80)}


def test_a_damaged_clip_says_so(path: Path, tmp_path: Path) -> None:
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat")
    middle = start + int.from_bytes(data[start - 4 : start], "big") // 2
    data[middle : middle + 200] = bytes(200)
    (tmp_path / "damaged.mp4").write_bytes(data)
    clip = open_clip([Source("damaged.mp4", "", tmp_path / "damaged.mp4")], LIMITS)
    places = [place for place, _ in clip.read(range(150))]
    assert 50 < len(places) <= 150
    assert places == sorted(set(places))
    assert "damaged.mp4 is damaged" in clip.notes[0]


def test_where_decord_fails_pyav_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(reader: None, wanted: Sequence[int]) -> Iterator[tuple[int, Image.Image]]:
        for place in wanted:
            if place > 50:
                raise decord_reader.Mistrusted("decord fails (DECORDError)")
            yield place, barcode(place)

    monkeypatch.setattr(decord_reader, "open_reader", lambda path, index: None)
    monkeypatch.setattr(decord_reader, "read_frames", read)
    clip = open_clip([Source("clip.mp4", "", path)], LIMITS)
    assert numbers(clip, [3, 50, 51, 140]) == [3, 50, 51, 140]
    assert clip.reader == "PyAV: decord fails (DECORDError)"
