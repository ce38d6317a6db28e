"""From a source to one upright RGB picture.

Pillow and pillow-heif decode, `rgb.py` makes it what a person would see. Only the first of several frames is taken,
but any page of a TIFF. A picture comes out whole or not at all: whatever Pillow raises on a strange file leaves here as
one `InputError`.
"""
# PIL and pillow_heif are imported where they are used, so that `ernie --help` stays fast.

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ernie_cli.errors import InputError
from ernie_cli.media import rgb
from ernie_cli.media.kinds import SNIFF_BYTES, Kind, is_heif, sniff

if TYPE_CHECKING:
    from PIL import Image

    from ernie_cli.media.limits import Limits
    from ernie_cli.media.sources import Source

# Named one by one, since some that Pillow knows start another program (EPS) or only point at a decoder it lacks.
_FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "PPM", "JPEG2000", "ICO", "ICNS", "PSD", "QOI"]
_FORMATS += ["DDS", "SGI", "PCX", "TGA"]

# Not MPO: the further pictures of a phone's JPEG are depth, gain map or preview.
_SEVERAL = dict.fromkeys(("GIF", "WEBP", "PNG", "AVIF"), "is animated; only its first frame is used")
_SEVERAL["TIFF"] = "has several pages; only the first is used"
_SEVERAL["HEIF"] = "holds several pictures; only the main one is used"

_ORIENTATION_TAG = 0x0112
MOST_PAGES = 10_000
_TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SUBFILE_TAG, _RAW_TAG = 254, 50706  # TIFF 6.0 NewSubfileType; DNGVersion

_HINTS = {
    Kind.VIDEO: "Name a moment of it, in seconds, as in clip.mp4#t=12; or ask about all of it with: ernie video",
    Kind.PDF: "Give one page of it, as in report.pdf#3.",
    Kind.DRAWING: "Export it as PNG first.",
    Kind.WEB_PAGE: "Give the address of the picture itself, not of the page it is on.",
    Kind.TEXT: "Give a picture; words belong in the question.",
    Kind.UNKNOWN: "Save it as JPEG or PNG first.",
}

_pillow_lock = threading.RLock()


@dataclass(frozen=True)
class LoadedPicture:
    """`image` is RGB and upright. `notes` say, a sentence each, what of the input it leaves out.

    `page` is its number in a document, from 1, and `text` what a PDF says stands on it, in lines that are mostly
    `line_px` pixels high; `time_s` is its time in a clip, in seconds.
    """

    image: Image.Image
    name: str
    notes: tuple[str, ...] = ()
    page: int | None = None
    time_s: float | None = None
    text: str | None = None
    line_px: float | None = None


def open_picture(source: Source, limits: Limits) -> LoadedPicture:
    """Decode a source.

    Raises `InputError` for whatever is no picture, is damaged, or has more than `limits.pixels` pixels.
    """
    with source.open(limits) as stream:
        return read_picture(stream, source, limits)


def read_picture(stream: BinaryIO, source: Source, limits: Limits, frame: int | None = None) -> LoadedPicture:
    """Decode an opened source; with `frame`, that page of a TIFF, counted from 0. Raises `InputError`."""
    kind = Kind.UNKNOWN
    try:
        kind = sniff(_head(stream))
        _check_kind(kind, source.name)
        with _pillow_settings(limits):
            return _decode(stream, source, formats_of(stream), frame)
    except InputError:
        raise
    except Exception as error:  # of at least seven kinds, on files that are broken in different ways
        raise _refusal(error, kind, source.name, limits) from error


def page_frames(stream: BinaryIO, limits: Limits) -> list[int]:
    """The frames of a TIFF that are pages, and not smaller copies of them; empty for what is no readable TIFF."""
    from PIL import Image

    head = _head(stream)
    if head[:4] not in _TIFF_MARKS:
        return []
    try:
        with _pillow_settings(limits), Image.open(stream, formats=["TIFF"]) as image:
            frames = range(min(getattr(image, "n_frames", 1), MOST_PAGES))
            return [frame for frame in frames if frame == 0 or not _is_smaller_copy(image, frame)]
    except Exception:  # whoever decodes it tells what is wrong
        return []


def _head(stream: BinaryIO) -> bytes:
    stream.seek(0)
    head = stream.read(SNIFF_BYTES)
    stream.seek(0)
    return head


def _is_smaller_copy(image: Image.Image, frame: int) -> bool:
    image.seek(frame)
    kind = getattr(image, "tag_v2", {}).get(_SUBFILE_TAG, 0)
    return isinstance(kind, int) and bool(kind & 1)


def _check_kind(kind: Kind, name: str) -> None:
    if kind not in {Kind.PICTURE, Kind.UNKNOWN}:
        raise InputError(f"{name} is {kind.value}, not a picture.", _HINTS[kind])


def formats_of(stream: BinaryIO) -> list[str]:
    """The formats Pillow may try on a stream, which is left at its start; HEIF, a plugin's, only where it is needed."""
    if not is_heif(_head(stream)):
        return _FORMATS
    import pillow_heif

    pillow_heif.register_heif_opener()
    return [*_FORMATS, "HEIF"]


@contextmanager
def _pillow_settings(limits: Limits) -> Iterator[None]:
    """Pillow strict and silent for a while: its settings and Python's warnings are global, hence the lock."""
    from PIL import Image, ImageFile

    with _pillow_lock, warnings.catch_warnings():
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limits.pixels, False
        warnings.simplefilter("ignore")
        # By default Pillow only warns, up to twice its limit.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextmanager
def reading(name: str, limits: Limits) -> Iterator[None]:
    """Around work with Pillow on a picture: whatever it raises leaves as an `InputError`."""
    try:
        with _pillow_settings(limits):
            yield
    except InputError:
        raise
    except Exception as error:
        raise _refusal(error, Kind.PICTURE, name, limits) from error


def _decode(stream: BinaryIO, source: Source, formats: list[str], frame: int | None) -> LoadedPicture:
    from PIL import Image

    with Image.open(stream, formats=formats) as image:
        _check_header(image, source, frame)
        if frame is not None:
            image.seek(frame)
        image.load()
        _check_end(image, stream)
        upright = rgb.turn(rgb.to_rgb(image), _orientation(image))
        return LoadedPicture(upright, source.name, () if frame is not None else _notes(image, source.name))


def _check_header(image: Image.Image, source: Source, frame: int | None) -> None:
    if source.part and frame is None:
        hint = f"Leave off #{source.part}."
        raise InputError(f"{source.name} is a picture, and has no part #{source.part}.", hint)
    if 0 in image.size:
        raise ValueError("it has no pixels")
    tags = getattr(image, "tag_v2", {})
    subfile = tags.get(_SUBFILE_TAG, 0)
    if _RAW_TAG in tags or (isinstance(subfile, int) and subfile & 1):
        what = f"{source.name} is a camera's raw file, of which only a preview could be read."
        raise InputError(what, "Export it as JPEG first.")


def _check_end(image: Image.Image, stream: BinaryIO) -> None:
    # OpenJPEG, alone among the decoders, gives a blank picture where its data end before the first tile.
    if image.format == "JPEG2000":
        stream.seek(0)
        if b"\xff\xd9" not in stream.read():
            raise ValueError("image file is truncated")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation that is still to be applied, 1 to 8."""
    try:
        # Of HEIC and TIFF nothing is left to do: their decoders turn the pixels, and drop or reset the tag.
        found = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # metadata that cannot be read is no reason to refuse a picture that can
        return 1
    return found if isinstance(found, int) else 1


def _notes(image: Image.Image, name: str) -> tuple[str, ...]:
    several = _SEVERAL.get(image.format or "")
    return (f"{name} {several}.",) if several and getattr(image, "is_animated", False) else ()


def _refusal(error: Exception, kind: Kind, name: str, limits: Limits) -> InputError:
    """What to tell the user of an error that came out of Pillow."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        most = f"{limits.pixels / 1e6:.3g} megapixels"
        return InputError(f"{name} has more than {most}, the most that is read.", "Scale it down or cut it first.")
    if isinstance(error, MemoryError):
        return InputError(f"{name} does not fit into memory.", "Scale it down or cut it first.")
    if kind is Kind.UNKNOWN:
        return InputError(f"{name} is {kind.value}, and cannot be read.", _HINTS[kind])
    reason = "" if isinstance(error, UnidentifiedImageError) else ": " + " ".join(str(error).split()).rstrip(".")
    hint = "Fetch it again, or open it elsewhere and save it anew."
    return InputError(f"{name} is a damaged or unusual picture{reason}.", hint)
