"""From a decoded picture in any of Pillow's modes to RGB as a person would see it, and turned upright."""
# PIL and numpy are imported where they are used, so that `ernie --help` stays fast.

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def to_rgb(image: Image.Image) -> Image.Image:
    """A new RGB picture without metadata: transparency on white, greys of more than 8 bits scaled down to 8."""
    if image.mode.startswith(("I", "F")):
        plain = deep_grey_to_8_bits(image).convert("RGB")
    elif image.has_transparency_data:
        plain = _on_white(image.convert("RGBA"))
    else:
        plain = image.convert("RGB")
    # An orientation left in here would be applied a second time by whoever looks for one.
    plain.info = {}
    return plain


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """The picture with an EXIF orientation (1 to 8) applied; any other number leaves it as it is."""
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


def deep_grey_to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, or floating point, as mode L; `convert` would only clip it at 255."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image).astype(np.float32)  # (height, width)
    finite = values[np.isfinite(values)]
    low, high = grey_range(float(finite.min()), float(finite.max()), image.mode) if finite.size else (0.0, 1.0)
    grey = np.nan_to_num((values - low) * (255 / (high - low)), nan=0.0, posinf=255.0, neginf=0.0)
    if isinstance(key := image.info.get("transparency"), int):
        grey[values == key] = 255
    return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))


def grey_range(low: float, high: float, mode: str) -> tuple[float, float]:
    """Which values are black and white, given the lowest and highest there are.

    The narrowest usual scale that holds them: 16 bits, and for floating point 0..1 and 8 bits before it. Values that
    fit none, as in heights or scans, span their own range.
    """
    for white in (1.0, 255.0, 65535.0) if mode.startswith("F") else (65535.0,):
        if low >= 0 and high <= white:
            return 0.0, white
    return low, max(high, low + 1.0)


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    page = Image.new("RGB", image.size, "white")
    page.paste(image, mask=image.getchannel("A"))
    return page
