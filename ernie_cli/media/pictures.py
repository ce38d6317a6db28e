"""From a source to one upright RGB picture.

Pillow and pillow-heif decode; this module decides what a person would see: orientation applied, transparency on white,
deep greys rescaled, only the first of several frames. A picture comes out whole or not at all: whatever Pillow raises
on a strange file leaves here as one `InputError`.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ernie_cli.errors import InputError
from ernie_cli.media.kinds import SNIFF_BYTES, Kind, is_heif, sniff

if TYPE_CHECKING:
    from PIL.Image import Image

    from ernie_cli.media.limits import Limits
    from ernie_cli.media.sources import Source

# Named one by one, since others that Pillow knows start a program (EPS), or only point at a decoder it lacks.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF", "PPM", "JPEG2000", "ICO", "ICNS", "PSD", "QOI")
FORMATS += ("DDS", "SGI", "PCX", "TGA")

_ANIMATED = {"GIF", "WEBP", "PNG", "AVIF"}
_PAGED = {"TIFF", "HEIF"}  # not MPO: the further pictures of a phone's JPEG are depth, gain map or preview

_ORIENTATION_TAG = 0x0112
_SUBFILE_TAG, _RAW_TAG = 254, 50706  # TIFF 6.0 NewSubfileType; DNGVersion

_HINTS = {
    Kind.PDF: "Turn its pages into pictures first, for example with: pdftoppm -png -r 150 FILE page",
    Kind.VIDEO: "Take pictures from it first, for example with: ffmpeg -i FILE -vf fps=1 frame-%04d.png",
    Kind.DRAWING: "Export it as PNG first.",
    Kind.WEB_PAGE: "Give the address of the picture itself, not of the page it is on.",
    Kind.TEXT: "Give a picture; words belong into the question.",
    Kind.UNKNOWN: "Save it as JPEG or PNG first.",
}

_pillow_lock = threading.RLock()


@dataclass(frozen=True)
class LoadedPicture:
    """`image` is RGB and upright. `notes` say, a sentence each, what of the input it leaves out."""

    image: Image
    name: str
    notes: tuple[str, ...] = ()


def open_picture(source: Source, limits: Limits) -> LoadedPicture:
    """Decode a source. Raises `InputError` for whatever is no picture, is damaged, or has over `limits.pixels` pixels."""
    with source.open(limits) as stream:
        head = stream.read(SNIFF_BYTES)
        kind = sniff(head)
        _check_kind(kind, head, source)
        if is_heif(head):
            import pillow_heif

            pillow_heif.register_heif_opener()
        try:
            with _pillow_settings(limits):
                image, notes = _decode(stream, source.name)
        except InputError:
            raise
        except Exception as error:  # of at least seven kinds, on files that are broken in different ways
            raise _refusal(error, kind, source.name, limits) from error
    return LoadedPicture(image, source.name, notes)


def _check_kind(kind: Kind, head: bytes, source: Source) -> None:
    if not head:
        raise InputError(f"{source.name} is empty.", "Check what was to write it.")
    if kind in {Kind.PDF, Kind.VIDEO}:
        raise InputError(f"{source.name} is {kind.value}, which this version cannot read yet.", _HINTS[kind])
    if kind not in {Kind.PICTURE, Kind.UNKNOWN}:
        raise InputError(f"{source.name} is {kind.value}, not a picture.", _HINTS[kind])
    if kind is Kind.PICTURE and source.part:
        raise InputError(f"{source.name} is a picture, and has no part #{source.part}.", f"Leave off #{source.part}.")


def _refusal(error: Exception, kind: Kind, name: str, limits: Limits) -> InputError:
    from PIL import Image

    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        most = f"{limits.pixels / 1e6:.3g} megapixels"
        return InputError(f"{name} has more than {most}, the most that is read.", "Scale it down or cut it first.")
    if isinstance(error, MemoryError):
        return InputError(f"{name} does not fit into memory.", "Scale it down or cut it first.")
    if kind is Kind.UNKNOWN:
        return InputError(f"{name} is {kind.value}, not a picture that can be read.", _HINTS[kind])
    reason = "" if isinstance(error, Image.UnidentifiedImageError) else f": {str(error).strip().rstrip('.')}"
    return InputError(
        f"{name} is a damaged or unusual picture{reason}.", "Open it elsewhere and save it anew, or fetch it again."
    )


@contextmanager
def _pillow_settings(limits: Limits) -> Iterator[None]:
    """Pillow strict and silent for a while: its settings and Python's warnings are global, hence the lock."""
    from PIL import Image, ImageFile

    with _pillow_lock, warnings.catch_warnings():
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limits.pixels, False
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _decode(stream: BinaryIO, name: str) -> tuple[Image, tuple[str, ...]]:
    from PIL import Image

    with Image.open(stream, formats=FORMATS) as image:
        _refuse_preview(image, name)
        image.load()
        if 0 in image.size:
            raise ValueError("it has no pixels")
        upright = _turn(_to_rgb(image), _orientation(image))
        return upright, _notes(image, name)


def _refuse_preview(image: Image, name: str) -> None:
    tags = getattr(image, "tag_v2", {})
    subfile = tags.get(_SUBFILE_TAG, 0)
    if _RAW_TAG in tags or (isinstance(subfile, int) and subfile & 1):
        raise InputError(
            f"{name} is a camera's raw file, of which only a preview could be read.", "Export it as JPEG first."
        )


def _notes(image: Image, name: str) -> tuple[str, ...]:
    if image.format not in _ANIMATED | _PAGED or not getattr(image, "is_animated", False):
        return ()
    if image.format in _PAGED:
        return (f"{name} holds several pictures; only its first is used.",)
    return (f"{name} is animated; only its first frame is used.",)


def _orientation(image: Image) -> int:
    """The EXIF orientation that is still to be applied, 1 to 8."""
    # libheif has turned the pixels already; Pillow does so for TIFF, and drops the tag.
    if image.format == "HEIF":
        return 1
    try:
        found = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # metadata that cannot be read is no reason to refuse a picture that can
        return 1
    return found if isinstance(found, int) else 1


def _turn(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _to_rgb(image: Image) -> Image:
    if image.mode == "I" or image.mode.startswith(("I;", "F")):
        return _from_deep_grey(image).convert("RGB")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _on_white(image: Image) -> Image:
    from PIL import Image as PillowImage

    page = PillowImage.new("RGB", image.size, "white")
    page.paste(image, mask=image.getchannel("A"))
    return page


def _from_deep_grey(image: Image) -> Image:
    """Grey of more than 8 bits, or floating point, as 8 bits; `convert` would only clip it at 255."""
    import numpy as np
    from PIL import Image as PillowImage

    values = np.asarray(image).astype(np.float32)  # (height, width)
    finite = values[np.isfinite(values)]
    low, high = _grey_range(float(finite.min()), float(finite.max()), image.mode) if finite.size else (0.0, 1.0)
    grey = np.nan_to_num((values - low) * (255 / (high - low)), nan=0.0, posinf=255.0, neginf=0.0)
    if isinstance(key := image.info.get("transparency"), int):
        grey[values == key] = 255
    return PillowImage.fromarray(grey.round().clip(0, 255).astype(np.uint8))


def _grey_range(low: float, high: float, mode: str) -> tuple[float, float]:
    """What is black and what is white: the narrowest usual scale that holds the values, else their own range."""
    scales = (1.0, 255.0, 65535.0) if mode.startswith("F") else (65535.0,)
    for scale in scales:
        if low >= 0 and high <= scale:
            return 0.0, scale
    return low, max(high, low + 1.0)
