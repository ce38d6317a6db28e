"""Where a clip's shots change from one frame to the next: hard cuts, found without a model.

Frames are compared small and in hue, saturation and value, as PySceneDetect's content detector does. A cut is a change
that stands out from those around it: fast motion, zooms and fades do not, and a flash changes the picture twice.
"""
# cv2 and numpy are imported where they are used, so that `ernie --help` stays fast.

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ernie_cli.errors import ErnieError
from ernie_cli.media.sampling import PRINTED, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ernie_cli.media.clips import Clip

SMALL = (64, 36)  # width, height
LEAST = 12.0  # mean change of a pixel's three values, of 255 (hue: of 90)
STANDS_OUT = 2.0  # times the greatest change nearby
NEARBY = 3  # frames on either side


def find_cuts(clip: Clip, span: Span, seen: Callable[[int], None] | None = None) -> list[float]:
    """The times of the first frames of new shots within a span, in seconds. `seen` is told each frame's place."""
    places: list[int] = []
    changes: list[float] = []
    before: NDArray[np.float32] | None = None
    for place, small in _small_frames(clip, span):
        now = _hsv(small)
        if before is not None:
            places.append(place)
            changes.append(_change(before, now))
        before = now
        if seen is not None:
            seen(place)
    return [clip.times[places[at]] for at in standing_out(changes)]


def standing_out(changes: Sequence[float]) -> list[int]:
    """Which of the changes between neighbouring frames are cuts."""
    found = []
    for at, change in enumerate(changes):
        around = [*changes[max(at - NEARBY, 0) : at], *changes[at + 1 : at + 1 + NEARBY]]
        if change >= LEAST and change >= STANDS_OUT * max(around, default=LEAST):
            found.append(at)
    return found


def _small_frames(clip: Clip, span: Span) -> Iterator[tuple[int, Any]]:
    import numpy as np
    from PIL.Image import Resampling

    wanted = range(*_bounds(clip.times, span))
    if clip.read_small is not None:
        yield from clip.read_small(SMALL, wanted)
        return
    for place, image in clip.read(wanted):
        yield place, np.asarray(image.resize(SMALL, Resampling.BOX))


def _bounds(times: Sequence[float], span: Span) -> tuple[int, int]:
    from bisect import bisect_left

    return bisect_left(times, span.start_s - PRINTED), bisect_left(times, span.end_s - PRINTED)


def _hsv(small: Any) -> NDArray[np.float32]:
    import numpy as np

    try:
        import cv2
    except ImportError as missing:
        hint = "Install it with: pip install opencv-python-headless"
        raise ErnieError(f"Cuts are found with OpenCV, which cannot be loaded: {missing}.", hint) from missing
    return cv2.cvtColor(np.ascontiguousarray(small), cv2.COLOR_RGB2HSV).astype(np.float32)


def _change(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    import numpy as np

    change = np.abs(now - before)  # (height, width, 3)
    change[..., 0] = np.minimum(change[..., 0], 180 - change[..., 0])  # hue goes round
    return float(change.mean())
