"""Clips made on the fly whose every frame says which it is: its number stands in it as blocks of black and white."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

BITS = 10
BLOCK = 16
SIZE = (BITS * BLOCK, 5 * BLOCK)  # width, height


def barcode(number: int) -> Image.Image:
    """A frame with its number in its middle rows, and four corners that tell how it is turned."""
    pixels = np.full((SIZE[1], SIZE[0], 3), 128, dtype=np.uint8)
    pixels[:BLOCK, :BLOCK] = (220, 40, 40)
    pixels[:BLOCK, -BLOCK:] = (40, 200, 40)
    pixels[-BLOCK:, :BLOCK] = (40, 60, 220)
    for bit in range(BITS):
        pixels[2 * BLOCK : 3 * BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
    return Image.fromarray(pixels)


def number_in(image: Image.Image) -> int:
    """The number a barcode frame says, if it stands upright; -1 if it does not."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    red, green, blue = (pixels[y, x] for y, x in ((5, 5), (5, -6), (-6, 5)))
    if not (red[0] > 150 > red[2] and green[1] > 150 > green[0] and blue[2] > 150 > blue[0]):
        return -1
    row = pixels[2 * BLOCK + BLOCK // 2, BLOCK // 2 :: BLOCK].mean(axis=1)
    return sum((level > 128) << bit for bit, level in enumerate(row))


def constant(fps: float, start_s: float = 0.0) -> Callable[[int], float]:
    return lambda index: start_s + index / fps


def variable(index: int) -> float:
    """As a phone writes it: the gap between two frames changes by itself, and now and then is long."""
    return index * 0.04 + (index % 7) * 0.004 + (index // 20) * 0.5


def write_clip(
    path: Path | io.BytesIO,
    times: Sequence[float],
    *,
    codec: str = "libx264",
    format: str | None = None,
    rate: int = 25,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    frames: Callable[[int], Image.Image] = barcode,
    turn: int = 0,
    gop: int = 12,
    sound: bool = False,
    sound_s: float | None = None,
) -> list[float]:
    """Encodes one frame for each time, in seconds, and gives back the times as they could be written.

    `turn` stores the frames turned by so many degrees counter-clockwise, as if a phone had been held so; only an mp4
    or mov can say so, and `set_rotation` makes it.
    """
    target = path if isinstance(path, io.BytesIO) else str(path)
    with av.open(target, "w", format=format, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        first = frames(0).rotate(turn, expand=True)
        stream.width, stream.height = first.size
        stream.pix_fmt = "yuv420p"
        exact = codec in {"mpeg1video", "mpeg2video"} or format == "avi" or str(path).endswith(".avi")
        base = Fraction(1, rate) if exact else Fraction(1, 12800)
        stream.codec_context.time_base = base
        stream.codec_context.gop_size = gop
        stream.options = codec_options or ({"crf": "12", "preset": "veryfast"} if codec == "libx264" else {})
        if codec in {"mpeg4", "mpeg1video", "mpeg2video", "libvpx"}:
            stream.bit_rate = 4_000_000
        noise = container.add_stream("aac", rate=44100) if sound else None
        written = []
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_image(frames(index).rotate(turn, expand=True))
            frame.pts, frame.time_base = round(time / base), base
            written.append(float(frame.pts * base))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if noise is not None:
            _mux_sound(container, noise, times[-1] if sound_s is None else sound_s)
    return written


def _mux_sound(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    samples = (8000 * np.sin(np.arange(int(44100 * (seconds + 0.04))) * 0.06)).astype(np.int16)
    for at in range(0, len(samples) - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44100, at, Fraction(1, 44100)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def set_rotation(path: Path, degrees: int) -> None:
    """Makes an mp4 say that its frames are to be turned clockwise by so many degrees (the matrix of ISO 14496-12)."""
    one = 0x10000
    cos, sin = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd")
    matrix = struct.pack(">9i", cos, sin, 0, -sin, cos, 0, 0, 0, 0x40000000)
    data[at + 4 + 40 : at + 4 + 40 + 36] = matrix
    path.write_bytes(data)


def set_edit(path: Path, media_s: float, length_s: float) -> None:
    """Rewrites the one edit of an mp4's first track: show from `media_s` on, for `length_s` seconds."""
    data = bytearray(path.read_bytes())
    movie = struct.unpack_from(">I", data, data.index(b"mvhd") + 4 + 12)[0]
    media = struct.unpack_from(">I", data, data.index(b"mdhd") + 4 + 12)[0]
    at = data.index(b"elst") + 4 + 8
    old = struct.unpack_from(">i", data, at + 4)[0]
    struct.pack_into(">Ii", data, at, round(length_s * movie), old + round(media_s * media))
    path.write_bytes(data)
