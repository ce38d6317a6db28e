"""The frames of a video file and their times, through PyAV: an index first, then only the frames that are asked for.

The index comes from the file's packets and never from its header, which may lie. Times are presentation timestamps in
seconds, the first shown frame's being 0. Edit lists count: what they hide is not there. A frame always comes with its
own time, also where a neighbour of it is damaged.
"""
# av and numpy are imported where they are used, so that `ernie --help` stays fast.

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, TypeVar

from ernie_cli.errors import InputError

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer
    from av.packet import Packet as AnyPacket
    from av.video.stream import VideoStream
    from numpy.typing import NDArray
    from PIL import Image

    from ernie_cli.media.limits import Limits

Origin: TypeAlias = "Path | BinaryIO"
Packet: TypeAlias = "AnyPacket[VideoStream]"
T = TypeVar("T")

DAMAGED = "Fetch it again, or convert it, for example with: ffmpeg -i FILE -c:v libx264 fixed.mp4"
MOST_THREADED = 4096 * 2304  # pixels; each decoding thread holds frames of its own
FEW = 8
LONGEST_GAP_S = 86_400.0


@dataclass(frozen=True)
class Index:
    """Where the frames of a file are. `times` are seconds, ascending, one for each shown frame.

    `stamps` are the same in the file's own units; None where the file has no usable ones, and frames are counted.
    `keys` are the stamps of key frames. `size` is (width, height) as stored, `turn` degrees counter-clockwise to be
    upright. `rate` is frames a second, on average; `last_s` how long the last frame is shown;
    `zero_s` is when the file itself says that its first frame is shown.
    """

    times: tuple[float, ...]
    stamps: tuple[int, ...] | None
    keys: tuple[int, ...]
    last_s: float
    size: tuple[int, int]
    turn: int
    rate: float
    format: str
    zero_s: float
    edited: bool
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last."""
        return self.times[-1] + self.last_s


@dataclass
class Damage:
    """How many packets could not be decoded, and how many frames came out with holes in them."""

    packets: int = 0
    frames: int = 0


@contextmanager
def opened(origin: Origin, name: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file with its video track. Raises `InputError` if it has none, or cannot be opened."""
    import av

    try:
        # "file:", since a path alone could be taken for a protocol or a pattern.
        if not isinstance(origin, Path):
            origin.seek(0)
        source = f"file:{origin}" if isinstance(origin, Path) else origin
        container = av.open(source, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{name} is a damaged or unusual video{_reason(error)}.", DAMAGED) from error
    with container:
        # Covers of songs are tracks of one picture.
        tracks = [track for track in container.streams.video if not _is_cover(track)]
        if not tracks:
            raise InputError(f"{name} holds no moving pictures, only sound or data.", "Give a file with a video track.")
        if tracks[0].codec_context is None:
            raise InputError(f"{name} uses a video codec that nothing here reads.", DAMAGED)
        assert isinstance(container, av.container.InputContainer)
        yield container, tracks[0]


def _is_cover(track: VideoStream) -> bool:
    import av

    return bool(track.disposition & av.stream.Disposition.attached_pic)


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "strerror", "") or error)
    return ": " + " ".join(text.split()).rstrip(".")[:120] if text else ""


# ------------------------------------------------------------------------------------------------ the index


@dataclass
class _Packets:
    """What a pass over the packets gives, in the file's units."""

    stamps: list[int]
    orders: list[int]  # decode stamps
    keys: list[int]
    shown: int = 0
    hidden: int = 0
    unstamped: int = 0
    last: int = 0  # how long the last one lasts


def read_index(origin: Origin, name: str, limits: Limits) -> Index:
    """Every frame's time, without decoding more than the first frame where the file allows it. Raises `InputError`."""
    with opened(origin, name) as (container, track):
        size = (track.codec_context.width, track.codec_context.height)
        if size[0] * size[1] > limits.pixels:
            most = f"{limits.pixels / 1e6:.3g} megapixels"
            raise InputError(f"The frames of {name} have more than {most}, the most that is read.", "Scale it down.")
        packets = _packets(container, track)
        base = float(track.time_base or 1)
        rate = float(track.average_rate or track.guessed_rate or 25)
        promised = _promised(container, track)
        kind = container.format.name
    stamps = _shown_stamps(packets, kind)
    counted = kind == "avi"
    if stamps is None:
        stamps, counted = _decoded_stamps(origin, name), True
    first = _first_frame(origin, name)
    if not stamps:
        stamps, counted = [0], True
    times = tuple((stamp - stamps[0]) * base for stamp in stamps)
    last_s = packets.last * base or 1 / rate
    notes = []
    if (whole := _believable(times)) < len(times):
        notes.append(f"{name} jumps by over a day after {times[whole - 1]:.2f} s; nothing behind that was looked at.")
        stamps, times, promised = stamps[:whole], times[:whole], None
    duration_s = times[-1] + last_s
    # Some headers count from the file's zero, others from the first frame.
    if promised and promised - duration_s - max(stamps[0] * base, 0.0) > max(1.0, 0.05 * promised):
        notes.append(f"{name} ends after {duration_s:.2f} s, and its header promises {promised:.2f} s.")
    return Index(
        times=times,
        stamps=None if counted else tuple(stamps),
        keys=tuple(sorted(packets.keys)),
        last_s=last_s,
        size=first[0],
        turn=first[1],
        rate=rate,
        format=kind,
        zero_s=stamps[0] * base,
        edited=packets.hidden > 0,
        notes=tuple(notes),
    )


def _believable(times: Sequence[float]) -> int:
    """How many frames come before a gap that only a damaged clock can have."""
    return next((at + 1 for at, (a, b) in enumerate(pairwise(times)) if b - a > LONGEST_GAP_S), len(times))


def _promised(container: InputContainer, track: VideoStream) -> float | None:
    import av

    if track.duration and track.time_base:
        return float(track.duration * track.time_base)
    return container.duration / av.time_base if container.duration else None


def _packets(container: InputContainer, track: VideoStream) -> _Packets:
    import av

    found = _Packets([], [], [])
    try:
        for packet in container.demux(track):
            if not packet.size:
                continue
            if packet.is_discard:
                found.hidden += 1
                if packet.is_keyframe and packet.pts is not None:
                    found.keys.append(packet.pts)
                continue
            found.shown += 1
            if packet.dts is not None:
                found.orders.append(packet.dts)
            if packet.pts is None:
                found.unstamped += 1
                continue
            if not found.stamps or packet.pts >= max(found.stamps[-1], found.stamps[0]):
                found.last = packet.duration or 0
            found.stamps.append(packet.pts)
            if packet.is_keyframe:
                found.keys.append(packet.pts)
    except (av.FFmpegError, OSError):
        pass  # what came before the damage is what there is
    return found


def _shown_stamps(packets: _Packets, format: str) -> list[int] | None:
    """When the frames are shown, ascending; None if the packets do not say."""
    if format == "avi":
        # AVI has no presentation times: each packet takes one place of a steady beat.
        return sorted(set(packets.orders)) or None
    stamps = sorted(set(packets.stamps))
    return None if packets.unstamped or len(stamps) != packets.shown else stamps


def _decoded_stamps(origin: Origin, name: str) -> list[int]:
    """The times of all frames as the decoder gives them; a steady beat where it gives none, or they go back."""
    with opened(origin, name) as (_, track):
        base, rate = float(track.time_base or 1), float(track.average_rate or 25)
        stamps = [frame.pts for frame in all_frames(origin, name)]
    whole = [stamp for stamp in stamps if stamp is not None]
    if len(whole) == len(stamps) and all(a < b for a, b in pairwise(whole)):
        return whole
    return [round(place / rate / base) for place in range(len(stamps))]


def all_frames(origin: Origin, name: str) -> Generator[av.VideoFrame, None, None]:
    """All frames of a file, as they are decoded."""
    with opened(origin, name) as (container, track):
        track.thread_type = "AUTO"
        yield from _decode(_demux(container, track), Damage())


def _decode(packets: Iterator[Packet], damage: Damage) -> Generator[av.VideoFrame, None, None]:
    """The frames of packets; what cannot be decoded is counted and passed over."""
    import av

    for packet in packets:
        try:
            frames = packet.decode()
        except (av.FFmpegError, OSError):
            damage.packets += 1
            continue
        for frame in frames:
            damage.frames += bool(frame.is_corrupt)
            yield frame


def _first_frame(origin: Origin, name: str) -> tuple[tuple[int, int], int]:
    """Size and turn, which only a decoded frame tells for sure."""
    with _closing(all_frames(origin, name)) as frames:
        for frame in frames:
            return (frame.width, frame.height), int(frame.rotation)
    raise InputError(f"No frame of {name} can be decoded.", DAMAGED)


# ------------------------------------------------------------------------------------------------ the frames


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
        with _closing(found) as frames:
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
        with _closing(found) as frames:
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
    for place, frame in enumerate(_decode(_demux(container, track), damage)):
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
    frames, frame, here = _decode(_demux(container, track), damage), None, -1
    for place in wanted:
        stamp, key = stamps[place], bisect_right(index.keys, stamps[place]) - 1
        if leaps and key > 0 and bisect_left(stamps, index.keys[key]) > here + FEW:
            container.seek(index.keys[key], stream=track, backward=True)
            frames = _decode(_demux(container, track), damage)
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


def _demux(container: InputContainer, track: VideoStream) -> Iterator[Packet]:
    import av

    try:
        yield from container.demux(track)
    except (av.FFmpegError, OSError):
        return


@contextmanager
def _closing(frames: Generator[T, None, None]) -> Iterator[Generator[T, None, None]]:
    """A generator that is closed with the block, and its file with it."""
    try:
        yield frames
    finally:
        frames.close()
