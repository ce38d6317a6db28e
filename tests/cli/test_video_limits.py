"""`ernie video` as a process of its own on files that are not what they should be: it ends, and takes little room."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ..media.clip_files import barcode, set_edit, write_clip

MOST_BYTES = 1.5e9
MOST_S = 60

# Runs a command, and writes its exit code and the most memory it took (in kB; on macOS in bytes) to stdout.
WATCH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, timeout=float(sys.argv[1]))
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(done.returncode, peak)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell how much memory a process took")


def watched(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and stderr of `ernie video`, which took no more than it may."""
    command = [sys.executable, "-m", "ernie_cli", "video", *map(str, arguments)]
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(MOST_S), *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    code, peak = map(int, done.stdout.split())
    assert peak < MOST_BYTES
    assert "Traceback" not in done.stderr
    return code, done.stderr


def _grey(path: Path, size: tuple[int, int], times: list[float], rate: int = 25) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"preset": "ultrafast", "x264-params": "threads=1:rc-lookahead=0"}
        frame = av.VideoFrame(*size, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([90]) * plane.buffer_size)
        for time in times:
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _truncated(path: Path) -> None:
    write_clip(path, [place / 25 for place in range(150)], options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flipped(path: Path) -> None:
    write_clip(path, [place / 25 for place in range(100)])
    data, random = bytearray(path.read_bytes()), np.random.default_rng(5)
    start = data.index(b"mdat")
    stop = start + int.from_bytes(data[start - 4 : start], "big")
    for at in random.integers(start + 1000, stop - 4, 30):
        data[at] ^= 1 << int(random.integers(0, 8))
    path.write_bytes(data)


def _sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for at in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 44100, at * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _fast(path: Path) -> None:
    write_clip(path, [place / 240 for place in range(480)], rate=240)


def _long(path: Path) -> None:
    write_clip(path, [place * 36.0 for place in range(1000)], frames=lambda place: barcode(place % 1000), rate=1)


def _wide_gap(path: Path) -> None:
    write_clip(path, [0.0, 1.0, 2.0, 200_000.0], rate=1)


def _renamed(path: Path) -> None:
    write_clip(path.with_suffix(".mp4"), [place / 25 for place in range(50)])
    path.with_suffix(".mp4").rename(path)


def _hidden(path: Path) -> None:
    write_clip(path, [place / 25 for place in range(50)])
    set_edit(path, 50.0, 1.0)


@pytest.mark.parametrize(
    ("name", "make", "codes", "told"),
    [
        ("truncated.mp4", _truncated, {0}, "its header promises 6.00 s"),
        ("flipped.mp4", _flipped, {0}, "is damaged"),
        ("sound.mp4", _sound, {3}, "only sound"),
        ("nothing.mp4", lambda path: path.write_bytes(b""), {3}, "empty"),
        ("zeros.mp4", lambda path: path.write_bytes(bytes(5000)), {3}, "zeros.mp4"),
        ("header.mp4", lambda path: path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500)), {3}, "header.mp4"),
        ("one.mp4", lambda path: write_clip(path, [0.0]), {0}, "1 frames"),
        ("fast.mp4", _fast, {0}, "16 frames"),
        ("long.mkv", _long, {0}, "180 frames"),
        ("jump.mkv", _wide_gap, {0}, "jumps by over a day"),
        ("hidden.mp4", _hidden, {0, 3}, "hidden.mp4"),
        ("8k.mp4", lambda path: _grey(path, (7680, 4320), [place / 25 for place in range(20)]), {0}, "16 frames"),
        ("renamed.jpg", _renamed, {0}, "16 frames"),
    ],
)
def test_it_ends_in_time_and_takes_little(
    tmp_path: Path, name: str, make: Callable[[Path], object], codes: set[int], told: str
) -> None:
    make(tmp_path / name)
    code, said = watched(tmp_path / name, "--frames", tmp_path / "frames")
    assert code in codes, said
    assert told in said
