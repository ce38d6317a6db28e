"""Pieces cut out of clips, read back frame by frame."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from ernie_cli.errors import InputError
from ernie_cli.media import Limits, Source
from ernie_cli.media.clips import Clip, frame_near, open_clip
from ernie_cli.media.cutting import cut, suffix
from ernie_cli.media.sampling import Span

from .clip_files import barcode, constant, number_in, set_rotation, variable, write_clip


def clip_of(path: Path) -> Clip:
    return open_clip([Source(path.name, "", path)], Limits())


def numbers(path: Path) -> list[int]:
    clip = clip_of(path)
    return [number_in(frame) for _, frame in clip.read(range(len(clip.times)))]


@pytest.mark.parametrize("name", ["constant.mp4", "late.mkv", "clip.webm", "program.mpg", "turned.mp4"])
def test_an_exact_piece_has_the_frames_of_its_span(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    options = {"webm": {"codec": "libvpx"}, "mpg": {"codec": "mpeg2video", "format": "mpeg"}}.get(
        name[-4:].strip("."), {}
    )
    turn = 90 if name == "turned.mp4" else 0
    times = [constant(25, 5 if name == "late.mkv" else 0)(place) for place in range(100)]
    write_clip(path, times, turn=turn, **options)
    if turn:
        set_rotation(path, turn)
    piece = cut(clip_of(path), Span(1.0, 3.0), tmp_path / "piece.mp4", exact=True)
    assert piece.span == Span(pytest.approx(1.0), pytest.approx(3.0))
    assert numbers(piece.path) == list(range(25, 75))
    assert clip_of(piece.path).duration_s == pytest.approx(2.0, abs=0.04)


def test_times_that_were_printed_still_mean_their_own_frames(tmp_path: Path) -> None:
    """To the millisecond, those of 30 frames a second lie before their frames as often as behind them."""
    path = tmp_path / "thirty.mp4"
    write_clip(path, [place / 30 for place in range(60)], rate=30)
    clip = clip_of(path)
    printed = [round(time, 3) for time in [*clip.times, clip.duration_s]]
    assert [number_in(image) for _, image in frame_near(clip, printed[:-1])] == list(range(60))
    for place in (1, 2, 3, 58, 59):
        span = Span(*printed[place : place + 2])
        assert numbers(cut(clip, span, tmp_path / f"{place}.mp4", exact=True).path) == [place]


def test_uneven_frames_keep_their_distances(tmp_path: Path) -> None:
    path = tmp_path / "variable.mp4"
    write_clip(path, [variable(place) for place in range(100)])
    clip = clip_of(path)
    span = Span(clip.times[30], clip.times[71])
    piece = clip_of(cut(clip, span, tmp_path / "piece.mp4", exact=True).path)
    assert piece.times == pytest.approx([time - span.start_s for time in clip.times[30:71]], abs=1e-3)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_copy_begins_at_the_key_frame_before(tmp_path: Path, name: str) -> None:
    write_clip(tmp_path / name, [place / 25 for place in range(100)], gop=20, codec_options={"sc_threshold": "0"})
    piece = cut(clip_of(tmp_path / name), Span(1.0, 3.0), tmp_path / f"piece{suffix(name, False)}", exact=False)
    assert piece.span.start_s == pytest.approx(0.8)
    assert numbers(piece.path)[:55] == list(range(20, 75))
    assert clip_of(piece.path).duration_s == pytest.approx(2.2, abs=0.17)  # a few frames behind the end may be needed


def test_sound_comes_along(tmp_path: Path) -> None:
    path = tmp_path / "loud.mp4"
    write_clip(path, [place / 25 for place in range(100)], sound=True)
    for exact in (True, False):
        piece = cut(clip_of(path), Span(1.0, 3.0), tmp_path / f"piece{exact}.mp4", exact=exact)
        with av.open(str(piece.path)) as container:
            seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
        assert seconds == pytest.approx(piece.span.length_s, abs=0.15)


def test_a_moment_is_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, [place / 25 for place in range(50)])
    assert numbers(cut(clip_of(path), Span(1.0, 1.0), tmp_path / "piece.mp4", exact=True).path) == [25]


def test_a_turned_copy_stays_turned(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, [place / 25 for place in range(50)], turn=90)
    set_rotation(path, 90)
    assert numbers(cut(clip_of(path), Span(0.0, 1.0), tmp_path / "piece.mp4", exact=False).path)[:25] == list(range(25))


def test_an_animation_cannot_be_cut(tmp_path: Path) -> None:
    frames = [barcode(place) for place in range(5)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    with pytest.raises(InputError, match="no video file"):
        cut(clip_of(tmp_path / "a.gif"), Span(0, 0.2), tmp_path / "piece.mp4", exact=True)


def test_names() -> None:
    assert [suffix("a.MOV", False), suffix("a.avi", False), suffix("a.avi", True)] == [".mov", ".mkv", ".mp4"]
