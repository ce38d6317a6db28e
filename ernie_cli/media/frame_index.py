"""When each frame of a video file is shown, from its packets and never from its header, which may lie.

Times are presentation timestamps in seconds, the first shown frame's being 0. Edit lists count: what they hide is not
there. Nothing is decoded but the first frame, where the file has timestamps.
"""
# av is imported where it is used, so that `ernie --help` stays fast.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ernie_cli.errors import InputError
from ernie_cli.media.container import DAMAGED, Origin, all_frames, closing, opened

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from ernie_cli.media.limits import Limits

LONGEST_GAP_S = 86_400.0
# Formats whose headers say how long they last; for others ffmpeg guesses from the bit rate or the last packets.
PROMISING = {"mp4", "matroska", "avi", "flv", "asf"}


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
class _Packets:
    """What a pass over the packets gives, in the file's units."""

    stamps: list[int]
    orders: list[int]  # decode stamps
    keys: list[int]
    shown: int = 0
    hidden: int = 0
    unstamped: int = 0
    last: int = 0  # how long the last one lasts
    others_s: float = 0.0  # when the last packet of other tracks ends, in seconds


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
    if promised and _is_lie(promised, duration_s, stamps[0] * base, packets.others_s):
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


def _is_lie(promised: float, duration_s: float, zero_s: float, others_s: float) -> bool:
    """Whether a header's duration is neither that of the frames nor that of the longest track.

    Some headers count from the file's zero, others from the first frame.
    """
    truths = (duration_s, duration_s + max(zero_s, 0.0), max(others_s, duration_s))
    return all(abs(promised - truth) > max(1.0, 0.05 * truth) for truth in truths)


def _promised(container: InputContainer, track: VideoStream) -> float | None:
    import av

    if not PROMISING & set(container.format.name.split(",")):
        return None
    if track.duration and track.time_base:
        return float(track.duration * track.time_base)
    return container.duration / av.time_base if container.duration else None


def _packets(container: InputContainer, track: VideoStream) -> _Packets:
    import av

    found = _Packets([], [], [])
    try:
        for packet in container.demux():
            if not packet.size:
                continue
            if packet.stream is not track:
                if packet.pts is not None:
                    ends = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    found.others_s = max(found.others_s, ends)
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


def _first_frame(origin: Origin, name: str) -> tuple[tuple[int, int], int]:
    """Size and turn, which only a decoded frame tells for sure."""
    with closing(all_frames(origin, name)) as frames:
        for frame in frames:
            return (frame.width, frame.height), int(frame.rotation)
    raise InputError(f"No frame of {name} can be decoded.", DAMAGED)
