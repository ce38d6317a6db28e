"""The frames of a video file, through PyAV: only those that are asked for.

A frame always comes with its own place in the index, also where a neighbour of it is damaged.
"""
# av and numpy are imported where they are used, so that `ernie --help` stays fast.

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from ernie_cli.media.container import Damage, Origin, closing, decode, demux, opened
from ernie_cli.media.frame_index import Index

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray
    from PIL import Image

MOST_THREADED = 4096 * 2304  # pixels; each decoding thread holds frames of its own
FEW = 8


def read_frames(
    origin: Origin, name: str, index: Index, wanted: Sequence[int], damage: Damage | None = None
) -> Iterator[tuple[int, Image.Image]]:
    """The frames of these places (ascending), upright RGB, each with its place; of damaged ones the next there is.

    Ends early where nothing more can be decoded. `damage` counts what could not be.
    """
    damage = damage or Damage()
    leaps, last = index.stamps is not None, -1
    while True:
        try:
            for place, image in _read(origin, name, index, [one for one in wanted if one > last], leaps, damage):
                last = place
                yield place, image
            return
        except _Astray:
            leaps = False


def read_small(
    origin: Origin, name: str, index: Index, size: tuple[int, int], wanted: range
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Every frame of a range, in one go, scaled down to `size` (width, height): RGB (height, width, 3), not turned."""
    first, damage = index.times[wanted[0]] if wanted else 0.0, Damage()
    with opened(origin, name) as (container, track):
        track.thread_type = "AUTO"
        found = (
            _by_count(container, track, wanted, damage)
            if index.stamps is None
            else _by_stamp(container, track, index, index.stamps, wanted, first > 0, damage)
        )
        with closing(found) as frames:
            for place, frame in frames:
                small = frame.reformat(width=size[0], height=size[1], format="rgb24", interpolation="AREA")
                yield place, small.to_ndarray()  # type: ignore[misc]


def _read(
    origin: Origin, name: str, index: Index, wanted: Sequence[int], leaps: bool, damage: Damage
) -> Iterator[tuple[int, Image.Image]]:
    with opened(origin, name) as (container, track):
        pixels = index.size[0] * index.size[1]
        track.thread_type = "AUTO" if pixels <= MOST_THREADED else "SLICE"
        found = (
            _by_count(container, track, wanted, damage)
            if index.stamps is None
            else _by_stamp(container, track, index, index.stamps, wanted, leaps, damage)
        )
        with closing(found) as frames:
            for place, frame in frames:
                yield place, upright(frame, index.turn)


class _Astray(Exception):
    """A leap to a key frame ended somewhere else."""


def upright(frame: av.VideoFrame, turn: int) -> Image.Image:
    """A decoded frame as RGB, turned counter-clockwise by a multiple of 90 degrees."""
    from PIL.Image import Transpose

    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    turns = {90: Transpose.ROTATE_90, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_270}
    return image.transpose(turns[turn % 360]) if turn % 360 in turns else image


def _by_count(
    container: InputContainer, track: VideoStream, wanted: Sequence[int], damage: Damage
) -> Generator[tuple[int, av.VideoFrame], None, None]:
    """Forward from the start, since a place is known only by counting."""
    left = set(wanted)
    for place, frame in enumerate(decode(demux(container, track), damage)):
        if place in left:
            yield place, frame
        if not left or place >= wanted[-1]:
            return


def _by_stamp(
    container: InputContainer,
    track: VideoStream,
    index: Index,
    stamps: Sequence[int],
    wanted: Sequence[int],
    leaps: bool,
    damage: Damage,
) -> Generator[tuple[int, av.VideoFrame], None, None]:
    """Forward, and with `leaps` from key frame to key frame over what nobody wants."""
    frames, frame, here = decode(demux(container, track), damage), None, -1
    for place in wanted:
        stamp, key = stamps[place], bisect_right(index.keys, stamps[place]) - 1
        if leaps and key > 0 and bisect_left(stamps, index.keys[key]) > here + FEW:
            container.seek(index.keys[key], stream=track, backward=True)
            frames = decode(demux(container, track), damage)
            frame = next(frames, None)
            if frame is None or frame.pts is None or frame.pts > index.keys[key]:
                raise _Astray
        while frame is None or frame.pts is None or frame.pts < stamp:
            frame = next(frames, None)
            if frame is None:
                return
        shown = min(max(bisect_right(stamps, frame.pts) - 1, place), len(stamps) - 1)
        if shown > here:
            yield shown, frame
        here = shown
