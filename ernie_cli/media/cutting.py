"""Cutting pieces out of a video file through PyAV; no ffmpeg program is needed.

Two ways: a copy of the packets, which costs nothing but can begin only at a key frame, so it begins at the one before;
and an exact one, encoded anew (H.264 and AAC), upright, whose frames are those of the piece and keep their distances.
"""
# av is imported where it is used, so that `ernie --help` stays fast.

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_cli.errors import InputError
from ernie_cli.media.container import opened
from ernie_cli.media.footage import upright
from ernie_cli.media.frame_index import Index
from ernie_cli.media.sampling import EPSILON, PRINTED, Span

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer

    from ernie_cli.media.clips import Clip

# Containers that take nearly any codec under the name that a file had; others become Matroska.
KEPT = {".mp4", ".m4v", ".mov", ".mkv", ".webm"}
INDEXED = ("mp4", "matroska")
_TICK = Fraction(1, 90_000)
QUALITY = {"crf": "17", "preset": "veryfast"}  # x264: nothing to be seen of the loss


@dataclass(frozen=True)
class Piece:
    """A file that was written: its span in the clip, which may begin earlier than asked for."""

    path: Path
    span: Span


def suffix(name: str, exact: bool) -> str:
    """How the name of a piece of the file `name` ends."""
    own = Path(name).suffix.lower()
    return ".mp4" if exact else own if own in KEPT else ".mkv"


def cut(clip: Clip, span: Span, path: Path, *, exact: bool) -> Piece:
    """Writes the piece of a clip that is a video file, at least one frame long. Raises `InputError`."""
    import av

    if clip.file is None or clip.index is None:
        raise InputError(f"{clip.name} is no video file, so it cannot be cut.", "Take its --frames instead.")
    place = bisect_left(clip.times, span.start_s - PRINTED) if span.start_s else 0
    first = clip.times[min(place, len(clip.times) - 1)]
    span = Span(first, max(span.end_s, first + clip.interval_s))
    with opened(clip.file, clip.name) as (container, track):
        try:
            with av.open(str(path), "w") as written:
                begun = (_encode if exact else _copy)(container, track, written, clip.index, span)
        except (av.FFmpegError, OSError, ValueError) as failed:
            what = f"The piece from {span.start_s:.2f} s of {clip.name} cannot be written: {failed}."
            raise InputError(what, "Check the disk, and the file." if exact else "Try --exact.") from failed
    return Piece(path, Span(begun, span.end_s))


def _sound(container: InputContainer) -> av.AudioStream | None:
    return container.streams.audio[0] if container.streams.audio else None


# ------------------------------------------------------------------------------------------------ a copy


def _copy(container: InputContainer, track: Any, written: OutputContainer, index: Index, span: Span) -> float:
    """Packets from the key frame before the span; gives where it begins, in seconds.

    Read from the start, which costs little: after a leap some containers no longer tell when a packet is to be decoded.
    """
    sound = _sound(container)
    sources = [track, sound] if sound is not None else [track]
    targets = {source.index: written.add_stream_from_template(source) for source in sources}
    begin, end = _key_before(index, track, span), index.zero_s + span.end_s
    begun, done = False, set()
    for packet in container.demux(sources):
        if packet.dts is None or packet.pts is None:
            continue
        time, decoded = (float(stamp * packet.time_base) for stamp in (packet.pts, packet.dts))
        begun = begun or (packet.stream is track and packet.is_keyframe and time >= begin - EPSILON)
        if decoded >= end - PRINTED:
            done.add(packet.stream.index)
            if len(done) == len(sources):
                break
        # What is shown behind the end may still be needed to decode what is shown before it.
        elif begun and time >= begin - EPSILON:
            shift = round(begin / float(packet.time_base))
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = targets[packet.stream.index]
            written.mux(packet)
    if not begun:
        raise ValueError("no key frame there")
    return max(begin - index.zero_s, 0.0)


def _key_before(index: Index, track: Any, span: Span) -> float:
    """When the last key frame before a span is shown, in seconds of the file's own clock."""
    keys = [float(key * track.time_base) for key in index.keys]
    if not keys:
        raise ValueError("it has no key frames")
    return keys[max(bisect_right(keys, index.zero_s + span.start_s + EPSILON) - 1, 0)]


# ------------------------------------------------------------------------------------------------ encoded anew


def _encode(container: InputContainer, track: Any, written: OutputContainer, index: Index, span: Span) -> float:
    """The frames shown within the span, and the sound; gives where it begins, in seconds."""
    start, end = index.zero_s + span.start_s, index.zero_s + span.end_s
    sound = _sound(container)
    picture = _picture(written, track, index)
    voice = None if sound is None else _voice(written, sound)
    _go_to(container, track, index, span)
    for frame in _decoded(container, [track, sound] if sound is not None else [track]):
        time = float(frame.pts * frame.time_base)
        if time < start - PRINTED:
            continue
        if time >= end - PRINTED:
            if not hasattr(frame, "sample_rate"):
                break  # sound that is still to come belongs behind the end as well
            continue
        if voice is not None and hasattr(frame, "sample_rate"):
            frame.pts, frame.time_base = round((time - start) * frame.sample_rate), Fraction(1, frame.sample_rate)
            written.mux(voice.encode(frame))
        else:
            image = upright(frame, index.turn).crop((0, 0, picture.width, picture.height))
            fresh = type(frame).from_image(image)
            fresh.pts, fresh.time_base = round((time - start) / _TICK), _TICK
            written.mux(picture.encode(fresh))
    written.mux(picture.encode(None))
    if voice is not None:
        written.mux(voice.encode(None))
    return span.start_s


def _picture(written: OutputContainer, track: Any, index: Index) -> Any:
    width, height = index.size if index.turn % 180 == 0 else index.size[::-1]
    stream = written.add_stream("libx264", rate=Fraction(track.average_rate or 25).limit_denominator(60_000))
    # H.264 wants even sides.
    stream.width, stream.height, stream.pix_fmt = max(width // 2 * 2, 2), max(height // 2 * 2, 2), "yuv420p"
    stream.codec_context.time_base = _TICK
    stream.options = dict(QUALITY)
    return stream


def _voice(written: OutputContainer, like: av.AudioStream) -> Any:
    return written.add_stream("aac", rate=like.rate or 48_000, layout=like.layout.name or "stereo")


def _go_to(container: InputContainer, track: Any, index: Index, span: Span) -> None:
    """To the key frame before the span, where the container is one that knows where its key frames are."""
    if span.start_s > EPSILON and any(name in index.format.split(",") for name in INDEXED):
        container.seek(round((index.zero_s + span.start_s) / float(track.time_base)), stream=track, backward=True)


def _decoded(container: InputContainer, tracks: list[Any]) -> Iterator[Any]:
    import av

    for packet in container.demux(tracks):
        try:
            frames: Sequence[Any] = packet.decode()
        except (av.FFmpegError, OSError):
            continue
        yield from (frame for frame in frames if frame.pts is not None)
