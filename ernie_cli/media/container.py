"""An opened video file: its track, its packets, and the frames they decode to, through PyAV.

What is damaged is counted and passed over; only a file without anything to decode is an error.
"""
# av is imported where it is used, so that `ernie --help` stays fast.

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, TypeVar

from ernie_cli.errors import InputError

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.packet import Packet as AnyPacket
    from av.video.stream import VideoStream

Origin: TypeAlias = "Path | BinaryIO"
Packet: TypeAlias = "AnyPacket[VideoStream]"
T = TypeVar("T")

DAMAGED = "Fetch it again, or convert it, for example with: ffmpeg -i FILE -c:v libx264 fixed.mp4"


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


def all_frames(origin: Origin, name: str) -> Generator[av.VideoFrame, None, None]:
    """All frames of a file, as they are decoded."""
    with opened(origin, name) as (container, track):
        track.thread_type = "AUTO"
        yield from decode(demux(container, track), Damage())


def decode(packets: Iterator[Packet], damage: Damage) -> Generator[av.VideoFrame, None, None]:
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


def demux(container: InputContainer, track: VideoStream) -> Iterator[Packet]:
    import av

    try:
        yield from container.demux(track)
    except (av.FFmpegError, OSError):
        return


@contextmanager
def closing(frames: Generator[T, None, None]) -> Iterator[Generator[T, None, None]]:
    """A generator that is closed with the block, and its file with it."""
    try:
        yield frames
    finally:
        frames.close()
