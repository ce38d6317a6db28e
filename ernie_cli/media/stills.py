"""Clips that are no video files: animated pictures (GIF, WebP, PNG, AVIF), and pictures taken one after the other."""
# PIL is imported where it is used, so that `ernie --help` stays fast.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ernie_cli.errors import InputError
from ernie_cli.media import rgb
from ernie_cli.media.pictures import formats_of, open_picture, reading

if TYPE_CHECKING:
    from PIL import Image

    from ernie_cli.media.limits import Limits
    from ernie_cli.media.sources import Source

# What browsers show a frame for that asks for 10 ms or less (Chromium, WebKit, Gecko alike).
HASTY_MS, USUAL_MS = 10, 100
# A phone's photo holds depth, gain map or preview behind the photo, and a PSD its layers: none of them is a frame.
_STILL = ("HEIF", "MPO", "PSD")


@dataclass(frozen=True)
class Stills:
    """When each frame is shown, in seconds from the first; how long the last is; and (width, height)."""

    times: tuple[float, ...]
    last_s: float
    size: tuple[int, int]


def read_animation(source: Source, limits: Limits) -> Stills:
    """The times of an animated picture's frames; one frame of no length if it does not move. Raises `InputError`."""
    shown, times = 0.0, []
    with _opened(source, limits) as image, reading(source.name, limits):
        size, length = image.size, 0.0
        for place in range(1 if image.format in _STILL else getattr(image, "n_frames", 1)):
            if place:  # Pillow has no frame 0 of a PSD
                image.seek(place)
            image.load()
            milliseconds = float(image.info.get("duration", 0) or 0)
            length = (milliseconds if milliseconds > HASTY_MS else USUAL_MS) / 1000
            times.append(round(shown, 6))
            shown += length
    return Stills(tuple(times), length if len(times) > 1 else 0.0, size)


def animation_frames(source: Source, limits: Limits, wanted: Sequence[int]) -> Iterator[tuple[int, Image.Image]]:
    """The frames of these places (ascending), upright RGB on white, each with its place."""
    with _opened(source, limits) as image:
        for place in wanted:
            with reading(source.name, limits):
                image.seek(place)
                frame = rgb.to_rgb(image)
            yield place, frame


@contextmanager
def _opened(source: Source, limits: Limits) -> Iterator[Image.Image]:
    from PIL import Image

    with source.open(limits) as stream:
        with reading(source.name, limits):
            image = Image.open(stream, formats=formats_of(stream))
        with image:
            yield image


def picture_frames(
    sources: Sequence[Source], limits: Limits, wanted: Sequence[int]
) -> Iterator[tuple[int, Image.Image]]:
    """The pictures of these places, upright RGB, each with its place. Raises `InputError` if their sizes differ."""
    size: tuple[int, int] | None = None
    for place in wanted:
        image = open_picture(sources[place], limits).image
        size = size or image.size
        if image.size != size:
            what = f"{sources[place].name} is {image.width}x{image.height}, and the first frame {size[0]}x{size[1]}."
            raise InputError(what, "Give frames that are all of one size.")
        yield place, image
