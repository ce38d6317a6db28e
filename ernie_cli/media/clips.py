"""From sources to a clip: its frames' times at once, its frames as they are asked for.

A clip is a video file, an animated picture, or pictures that were taken one after the other. Times are seconds from
the first frame, and always those at which a frame is really shown. Frames are upright RGB, all of one size. What the
file does wrong and can be lived with is said in `notes`; everything else is an `InputError`.
"""
# av, decord, PIL and numpy are imported where they are used, so that `ernie --help` stays fast.

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ernie_cli.errors import InputError
from ernie_cli.media import decord_reader, footage, stills
from ernie_cli.media.container import DAMAGED, Damage, Origin
from ernie_cli.media.frame_index import Index, read_index
from ernie_cli.media.kinds import SNIFF_BYTES, Kind, sniff
from ernie_cli.media.sampling import PRINTED, Sampling, Span, choose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ernie_cli.media.limits import Limits
    from ernie_cli.media.pictures import LoadedPicture
    from ernie_cli.media.sources import Source

Read: TypeAlias = Callable[[Sequence[int]], "Iterator[tuple[int, Image.Image]]"]
ReadSmall: TypeAlias = Callable[[tuple[int, int], range], "Iterator[tuple[int, NDArray[np.uint8]]]"]
Fit: TypeAlias = Callable[[int, int], tuple[int, int]]

_NOT_A_CLIP = "Give a video, an animated picture, or several pictures with --fps."
_PART = re.compile(r"t=(?:npt:)?(?P<start>[\d:.]*)(?P<comma>,(?P<end>[\d:.]+))?", re.IGNORECASE)


@dataclass
class Clip:
    """What is known of a clip without looking at its frames.

    `size` is (width, height) as a person sees it, `rate` frames a second on average, `span` the part that was asked
    for. `file` and `index` are of a video that can be cut, `reader` who reads it and why.
    """

    name: str
    times: tuple[float, ...]
    last_s: float
    size: tuple[int, int]
    rate: float
    span: Span
    read: Read
    file: Origin | None = None
    index: Index | None = None
    read_small: ReadSmall | None = None
    reader: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last, in seconds."""
        return self.times[-1] + self.last_s

    @property
    def interval_s(self) -> float:
        """The usual time from one frame to the next, in seconds; the clip's length if it has one frame."""
        return self.times[-1] / (len(self.times) - 1) if len(self.times) > 1 else self.duration_s


def grouped(sources: Sequence[Source], limits: Limits, fps: float | None) -> list[tuple[Source, ...]]:
    """The sources of each clip: one for each, but several still pictures with a rate are one clip together."""
    if fps and len(sources) > 1 and all(_is_still(source, limits) for source in sources[:2]):
        return [tuple(sources)]
    return [(source,) for source in sources]


def _is_still(source: Source, limits: Limits) -> bool:
    if not isinstance(source.origin, Path):
        return False
    with source.open(limits) as stream:
        kind = sniff(stream.read(SNIFF_BYTES))
    return kind is Kind.PICTURE and len(stills.read_animation(source, limits).times) == 1


def open_clip(sources: Sequence[Source], limits: Limits, fps: float | None = None) -> Clip:
    """A video file, an animated picture, or several pictures, `fps` of them a second. Raises `InputError`."""
    if len(sources) > 1:
        return _picture_clip(sources, fps or 1.0, limits)
    (source,) = sources
    if not (isinstance(source.origin, Path) and source.origin.is_file()):
        with source.open(limits) as stream:  # a pipe gives its bytes once, and a URL should be asked once
            source = replace(source, origin=stream.read())
    with source.open(limits) as stream:
        kind = sniff(stream.read(SNIFF_BYTES))
    if kind is Kind.PICTURE:
        return _animation(source, limits)
    if kind is not Kind.VIDEO:
        raise InputError(f"{source.name} is {kind.value}, not a video.", _NOT_A_CLIP)
    return _video(source, source.origin if isinstance(source.origin, Path) else source.open(limits), limits)


def _picture_clip(sources: Sequence[Source], rate: float, limits: Limits) -> Clip:
    from ernie_cli.media.pictures import open_picture

    size = open_picture(sources[0], limits).image.size
    times = tuple(place / rate for place in range(len(sources)))
    read = partial(stills.picture_frames, sources, limits)
    name = f"{sources[0].name} and {len(sources) - 1} more"
    return Clip(name, times, 1 / rate, size, rate, Span(0.0, len(sources) / rate), read)


def _animation(source: Source, limits: Limits) -> Clip:
    found = stills.read_animation(source, limits)
    if len(found.times) < 2:
        raise InputError(f"{source.name} is a picture that does not move.", _NOT_A_CLIP)
    duration_s = found.times[-1] + found.last_s
    span = parse_span(source.part, duration_s, source.name)
    read = partial(stills.animation_frames, source, limits)
    return Clip(source.name, found.times, found.last_s, found.size, len(found.times) / duration_s, span, read)


def _video(source: Source, origin: Origin, limits: Limits) -> Clip:
    index = read_index(origin, source.name, limits)
    size = index.size if index.turn % 180 == 0 else (index.size[1], index.size[0])
    span = parse_span(source.part, index.duration_s, source.name)
    clip = Clip(
        source.name, index.times, index.last_s, size, index.rate, span, lambda wanted: iter(()), origin, index,
        notes=list(index.notes),
    )  # fmt: skip
    clip.read = partial(_read_video, clip, index, origin)
    clip.read_small = partial(footage.read_small, origin, source.name, index)
    return clip


def _read_video(clip: Clip, index: Index, origin: Origin, wanted: Sequence[int]) -> Iterator[tuple[int, Image.Image]]:
    """Through decord where it can be trusted, and from where it fails on, through PyAV."""
    done = 0
    try:
        if not isinstance(origin, Path):
            raise decord_reader.Mistrusted("it is no file")
        reader = decord_reader.open_reader(origin, index)
        clip.reader = "decord"
        for place, image in decord_reader.read_frames(reader, wanted):
            yield place, image
            done += 1
    except decord_reader.Mistrusted as why:
        clip.reader = f"PyAV: {why}"
        damage, rest, last = Damage(), list(wanted)[done:], -1
        for place, image in footage.read_frames(origin, clip.name, index, rest, damage):
            last = place
            yield place, image
        _note_damage(clip, damage, rest, last)


def _note_damage(clip: Clip, damage: Damage, wanted: Sequence[int], last: int) -> None:
    """What could not be decoded becomes a note, once."""
    told = []
    if damage.packets or damage.frames:
        told.append(f"{clip.name} is damaged: {damage.packets + damage.frames} of its frames could not be read whole.")
    if wanted and last < wanted[-1]:
        end = f"after {clip.times[last]:.2f} s" if last >= 0 else "at once"
        told.append(f"{clip.name} ends {end} for whoever decodes it; nothing more of it was seen.")
    clip.notes += [note for note in told if note not in clip.notes]


# ------------------------------------------------------------------------------------------------ parts and frames


def parse_span(part: str, duration_s: float, name: str) -> Span:
    """`t=60,90`, `t=60`, `t=,90`, `t=1:00,1:30` (W3C Media Fragments) as a span of the clip. Raises `InputError`."""
    if not part:
        return Span(0.0, duration_s)
    hint = "Write seconds or a clock: clip.mp4#t=60,90 or clip.mp4#t=1:00,1:30."
    match = _PART.fullmatch(part)
    start, end = (_time(match[side]) if match and match[side] else None for side in ("start", "end"))
    if match is None or (start is None and end is None):
        raise InputError(f"{name} has no part #{part}.", hint)
    start, end = start or 0.0, duration_s if end is None else end
    if start >= end or start >= duration_s:
        raise InputError(f"The part #{part} of {name} is empty: it lasts {duration_s:.2f} s.", hint)
    return Span(start, min(end, duration_s))


def _time(text: str) -> float | None:
    try:
        numbers = [float(number) for number in text.split(":")]
    except ValueError:
        return None
    return sum(number * 60**place for place, number in enumerate(reversed(numbers))) if len(numbers) <= 3 else None


def frame_at(source: Source, limits: Limits) -> LoadedPicture:
    """The frame that a source's `#t=12` means: the one that is shown at that time. Raises `InputError`."""
    from ernie_cli.media.pictures import LoadedPicture

    clip = open_clip([source], limits)
    for place, image in clip.read(choose(clip.times, clip.span, Sampling(1, 1, 1))[:1]):
        return LoadedPicture(image, source.name, tuple(clip.notes), time_s=clip.times[place])
    raise InputError(f"The frame of {clip.name} at {clip.span.start_s:.2f} s cannot be decoded.", DAMAGED)


@dataclass(frozen=True)
class Sample:
    """Frames for the model, with the clock in them, their times, and the longest time between two in which frames are
    that were not looked at (a frame's length if there are none)."""

    frames: list[Image.Image]
    times: list[float]
    spacing_s: float


def read_sample(
    clip: Clip,
    span: Span,
    sampling: Sampling,
    *,
    fit: Fit | None = None,
    font: Path | None = None,
    cuts: Sequence[float] = (),
) -> Sample:
    """What the model gets to see of a span. Raises `InputError` if no frame of it can be decoded.

    `fit` gives the (height, width) the model will make of a frame's: a larger one is brought down to it at once, so
    that memory holds what was asked for, and not what the clip is made of.
    """
    from ernie_cli.media.clock import draw_clock

    frames, places = [], []
    for place, image in clip.read(choose(clip.times, span, sampling, cuts)):
        draw_clock(image, clip.times[place], font)
        frames.append(_shrunk(image, fit))
        places.append(place)
    if not frames:
        what = f"No frame of {clip.name} from {span.start_s:.2f} to {span.end_s:.2f} s can be decoded."
        raise InputError(what, DAMAGED)
    times = [clip.times[place] for place in places]
    gaps = [clip.times[b] - clip.times[a] for a, b in pairwise(places) if b - a > 1]
    return Sample(frames, times, max(gaps, default=clip.interval_s))


def frame_near(clip: Clip, times: Sequence[float]) -> Iterator[tuple[float, Image.Image]]:
    """The frames that are shown at some times, in order and each once, with the times they begin to be shown."""
    places = sorted({max(bisect_right(clip.times, time + PRINTED) - 1, 0) for time in times})
    for place, image in clip.read(places):
        yield clip.times[place], image


def _shrunk(image: Image.Image, fit: Fit | None) -> Image.Image:
    from PIL.Image import Resampling

    if fit is None:
        return image
    height, width = fit(image.height, image.width)
    if height * width >= image.height * image.width:
        return image
    return image.resize((width, height), Resampling.BICUBIC)
