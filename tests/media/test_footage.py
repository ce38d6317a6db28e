"""Frames and times of every kind of file, against clips whose frames say which they are."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ernie_cli.errors import InputError
from ernie_cli.media import Limits, decord_reader, footage
from ernie_cli.media.container import Damage
from ernie_cli.media.frame_index import read_index

from .clip_files import barcode, constant, number_in, set_edit, set_rotation, variable, write_clip

COUNT = 180

# File name -> when its frames are, and how it is written.
FILES: dict[str, tuple[Callable[[int], float], dict[str, Any]]] = {
    "constant.mp4": (constant(25), {}),
    "variable.mp4": (variable, {}),
    "variable.mkv": (variable, {}),
    "late.mp4": (constant(25, 5), {}),
    "late.mkv": (constant(25, 5), {}),
    "turned90.mp4": (constant(25), {"turn": 90}),
    "turned180.mp4": (constant(25), {"turn": 180}),
    "turned270.mp4": (constant(25), {"turn": 270}),
    "fragments.mp4": (constant(25), {"options": {"movflags": "frag_keyframe+empty_moov"}}),
    "vp8.webm": (constant(25), {"codec": "libvpx"}),
    "mpeg4.avi": (constant(25), {"codec": "mpeg4", "codec_options": {"bf": "2"}}),
    "h264.avi": (constant(25), {}),
    "program.mpg": (constant(25), {"codec": "mpeg2video", "format": "mpeg"}),
    "transport.ts": (constant(25), {"format": "mpegts"}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, (time, options) in FILES.items():
        write_clip(folder / name, [time(place) for place in range(COUNT)], **options)
        if "turn" in options:
            set_rotation(folder / name, options["turn"])
    _lie(folder / "mpeg4.avi")
    return folder


def _lie(path: Path, frames: int = COUNT * 10) -> None:
    """Makes the header of an AVI promise so many frames (dwTotalFrames and dwLength)."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"avih") + 8 + 16, frames)
    struct.pack_into("<I", data, data.index(b"strh") + 8 + 32, frames)
    path.write_bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_every_frame_and_its_time(folder: Path, name: str) -> None:
    index = read_index(folder / name, name, Limits())
    time = FILES[name][0]
    assert len(index.times) == COUNT
    # Matroska counts milliseconds.
    tolerance = 6e-4 if name.endswith((".mkv", ".webm")) else 1e-4
    assert np.allclose(index.times, [time(place) - time(0) for place in range(COUNT)], atol=tolerance)
    places, frames = zip(*footage.read_frames(folder / name, name, index, range(COUNT)), strict=True)
    assert places == tuple(range(COUNT))
    assert [number_in(frame) for frame in frames] == list(range(COUNT))


@pytest.mark.parametrize("name", FILES)
def test_some_frames_far_apart_and_close_together(folder: Path, name: str) -> None:
    index = read_index(folder / name, name, Limits())
    wanted = [3, 4, 60, 61, 100, 155, 179]
    damage = Damage()
    found = list(footage.read_frames(folder / name, name, index, wanted, damage))
    assert [(place, number_in(frame)) for place, frame in found] == [(place, place) for place in wanted]
    assert damage == Damage()


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith((".avi", ".mpg", ".ts"))])
def test_both_readers_give_the_same_pixels(folder: Path, name: str) -> None:
    if not decord_reader.is_there():
        pytest.skip("decord has no wheel for this machine")
    index = read_index(folder / name, name, Limits())
    reader = decord_reader.open_reader(folder / name, index)
    wanted = range(0, COUNT, 7)
    theirs = list(decord_reader.read_frames(reader, wanted))
    ours = list(footage.read_frames(folder / name, name, index, wanted))
    for (place, one), (same, other) in zip(theirs, ours, strict=True):
        assert place == same == number_in(one)
        assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).max() <= 1


def _lie_in_matroska(path: Path, seconds: float) -> None:
    """Rewrites the Duration element (0x4489, eight bytes) of the segment's information."""
    data = bytearray(path.read_bytes())
    struct.pack_into(">d", data, data.index(b"\x44\x89\x88") + 3, seconds * 1000)
    path.write_bytes(data)


def test_a_lying_header_is_told(folder: Path, tmp_path: Path) -> None:
    (note,) = read_index(folder / "mpeg4.avi", "mpeg4.avi", Limits()).notes
    assert note == "mpeg4.avi ends after 7.20 s, and its header promises 72.00 s."
    for name, frames in (("short.avi", 18), ("long.avi", 1800)):
        write_clip(tmp_path / name, [place / 25 for place in range(COUNT)], codec="mpeg4")
        _lie(tmp_path / name, frames)
        (note,) = read_index(tmp_path / name, name, Limits()).notes
        assert f"promises {frames / 25:.2f} s" in note
    write_clip(tmp_path / "lie.mkv", [place / 25 for place in range(COUNT)])
    for seconds in (0.5, 72.0):
        _lie_in_matroska(tmp_path / "lie.mkv", seconds)
        (note,) = read_index(tmp_path / "lie.mkv", "lie.mkv", Limits()).notes
        assert note == f"lie.mkv ends after 7.20 s, and its header promises {seconds:.2f} s."


def test_an_honest_header_is_not_called_a_liar(folder: Path, tmp_path: Path) -> None:
    for name in FILES:
        if name != "mpeg4.avi":
            assert read_index(folder / name, name, Limits()).notes == ()
    # The sound goes on after the pictures, and Matroska knows one duration for both.
    write_clip(tmp_path / "song.mkv", [place / 25 for place in range(50)], sound=True, sound_s=8.0)
    assert read_index(tmp_path / "song.mkv", "song.mkv", Limits()).notes == ()


@pytest.mark.parametrize(
    ("first", "count", "time", "options"),
    [
        (48, 100, constant(25), {}),  # from a key frame on
        (50, 100, constant(25), {}),
        (50, 100, constant(25), {"codec_options": {"bf": "0"}}),
        (59, 121, constant(25), {}),  # to the end
        (0, 77, constant(25), {}),
        (13, 1, constant(25), {}),
        (31, 120, variable, {}),
        (50, 100, constant(25), {"turn": 90}),
    ],
)
def test_what_an_edit_list_hides_is_not_there(
    tmp_path: Path, first: int, count: int, time: Callable[[int], float], options: dict[str, Any]
) -> None:
    path = tmp_path / "edited.mp4"
    write_clip(path, [time(place) for place in range(COUNT + 1)], **options)
    if "turn" in options:
        set_rotation(path, options["turn"])
    set_edit(path, time(first), time(first + count) - time(first))
    index = read_index(path, "edited.mp4", Limits())
    shown = range(first, first + count)
    assert np.allclose(index.times, [time(place) - time(first) for place in shown], atol=1e-4)
    for wanted in (range(count), range(0, count, 17)):
        found = list(footage.read_frames(path, "edited.mp4", index, wanted))
        assert [(place, number_in(frame)) for place, frame in found] == [(place, shown[place]) for place in wanted]
    with pytest.raises(decord_reader.Mistrusted):
        decord_reader.open_reader(path, index)


def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    write_clip(path, [place / 25 for place in range(COUNT)], options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    index = read_index(path, "cut.mp4", Limits())
    count = len(index.times)
    assert 30 < count < COUNT - 30
    assert "its header promises 7.20 s" in index.notes[0]
    damage = Damage()
    for place, frame in footage.read_frames(path, "cut.mp4", index, range(count - 3), damage):
        assert number_in(frame) == place


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bits_give_frames_or_an_error_but_no_crash(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "flipped.mp4"
    write_clip(path, [place / 25 for place in range(60)])
    data, random = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for at in random.integers(0, len(data), 40):
        data[at] ^= 1 << int(random.integers(0, 8))
    path.write_bytes(data)
    try:
        index = read_index(path, "flipped.mp4", Limits())
    except InputError:
        return
    places = [place for place, _ in footage.read_frames(path, "flipped.mp4", index, range(len(index.times)))]
    assert places == sorted(set(places))


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for at in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 44100, at * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="only sound"):
        read_index(path, "sound.mp4", Limits())


def test_frames_too_large_are_refused_before_they_are_decoded(folder: Path) -> None:
    with pytest.raises(InputError, match="megapixels"):
        read_index(folder / "constant.mp4", "big", Limits(pixels=1000))


def test_one_frame_has_a_length(tmp_path: Path) -> None:
    path = tmp_path / "one.mp4"
    write_clip(path, [0.0])
    index = read_index(path, "one.mp4", Limits())
    assert index.times == (0.0,)
    assert index.duration_s > 0
    ((place, frame),) = footage.read_frames(path, "one.mp4", index, [0])
    assert (place, number_in(frame)) == (0, 0)


def test_many_frames_a_second(tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    write_clip(path, [place / 240 for place in range(240)], rate=240)
    index = read_index(path, "fast.mp4", Limits())
    assert np.allclose(index.times, [place / 240 for place in range(240)], atol=1e-4)
    found = list(footage.read_frames(path, "fast.mp4", index, [0, 119, 239]))
    assert [number_in(frame) for _, frame in found] == [0, 119, 239]


def test_ten_hours_of_a_few_frames(tmp_path: Path) -> None:
    path = tmp_path / "long.mkv"
    write_clip(path, [place * 600.0 for place in range(61)], frames=barcode, rate=1)
    index = read_index(path, "long.mkv", Limits())
    assert index.times[-1] == pytest.approx(36_000)
    found = list(footage.read_frames(path, "long.mkv", index, [0, 30, 60]))
    assert [number_in(frame) for _, frame in found] == [0, 30, 60]


def test_a_clock_that_jumps_by_days_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "jump.mkv"
    write_clip(path, [0.0, 1.0, 2.0, 200_000.0, 200_001.0], rate=1)
    index = read_index(path, "jump.mkv", Limits())
    assert index.times == (0.0, 1.0, 2.0)
    assert "jumps by over a day after 2.00 s" in index.notes[0]
