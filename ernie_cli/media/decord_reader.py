"""The frames of a video file through decord: fast by index, where it can be trusted.

decord turns frames upright itself. Its times are not used: they can be garbage. It is asked only where its count of
frames is that of the index, and whoever asks must be ready to go on with PyAV.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from ernie_cli.media.frame_index import Index

MOST_PIXELS = 1920 * 1088  # of a frame; decord keeps many
FORMATS = ("mp4", "matroska")


class Mistrusted(Exception):
    """decord cannot be used for a file; the text says why."""


@lru_cache(maxsize=1)
def is_there() -> bool:
    """Whether decord is installed, and not decord2, which has its import name and gives wrong pictures."""
    from importlib.metadata import PackageNotFoundError, distribution

    def installed(name: str) -> bool:
        try:
            return bool(distribution(name))
        except PackageNotFoundError:
            return False

    return installed("decord") and not installed("decord2")


def open_reader(path: Path, index: Index) -> Any:
    """decord's reader of a file. Raises `Mistrusted`."""
    if not is_there():
        raise Mistrusted("decord is not installed")
    if index.stamps is None or index.edited or index.notes:
        raise Mistrusted("the file is an unusual one")
    if not any(name in index.format.split(",") for name in FORMATS):
        raise Mistrusted(f"the file is {index.format}")
    if index.size[0] * index.size[1] > MOST_PIXELS:
        raise Mistrusted("its frames are large")
    try:
        import decord

        decord.logging.set_level(decord.logging.FATAL)
        reader = decord.VideoReader(str(path))
    except Exception as failed:  # decord raises errors of its own, and of its loader
        raise Mistrusted(f"decord fails ({type(failed).__name__})") from failed
    if len(reader) != len(index.times):
        raise Mistrusted(f"decord counts {len(reader)} frames of {len(index.times)}")
    return reader


def read_frames(reader: Any, wanted: Sequence[int]) -> Iterator[tuple[int, Image.Image]]:
    """The frames of these places (ascending), upright RGB, each with its place. Raises `Mistrusted`."""
    from PIL import Image

    for place in wanted:
        try:
            pixels = reader[place].asnumpy()
        except Exception as failed:
            raise Mistrusted(f"decord fails ({type(failed).__name__})") from failed
        yield place, Image.fromarray(pixels)
