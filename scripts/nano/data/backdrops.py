"""What scenes and clips stand before: plain, a gradient, noise or a part of a photo, of any size.

No backdrop shows a shape of the drawn world, so nothing on it can be taken for one of its things.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

# Photos in scikit-image's wheel that hold none of the drawn world's shapes.
PHOTOS = (
    *("astronaut.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png"),
    *("hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "rocket.jpg"),
)
PHOTO_SIDE = 480  # pixels of the longer side that photos are kept at


def draw_backdrop(random: Random, width: int, height: int) -> Image.Image:
    """What scenes stand before: plain, a gradient, noise or a part of a photo."""
    return (_photo_ground if random.random() < 0.3 else _drawn_ground)(random, width, height)


def _drawn_ground(random: Random, width: int, height: int) -> Image.Image:
    """Plain, a gradient between two colours, or noise."""
    first = _pale(random)
    if random.random() < 0.15:
        first = 255 - first
    kind = random.random()
    if kind < 0.4:
        return Image.new("RGB", (width, height), tuple(int(v) for v in first))
    noise = np.random.default_rng(random.getrandbits(32))
    if kind < 0.7:
        x, y = np.linspace(0, 1, width)[None, :, None], np.linspace(0, 1, height)[:, None, None]
        lean = random.random()
        ramp = x * lean + y * (1 - lean)
        field = first + ramp * np.array([random.randint(-70, 70) for _ in range(3)])
    else:
        grain = noise.normal(0, random.uniform(4, 22), (height, width, random.choice([1, 3])))
        field = first + grain
    return Image.fromarray(field.clip(0, 255).astype(np.uint8))


def _pale(random: Random) -> np.ndarray:
    light = random.randint(140, 255)
    return np.array([light + random.randint(-30, 30) for _ in range(3)], dtype=np.float32).clip(0, 255)


@lru_cache
def _photo(name: str) -> Image.Image:
    import skimage

    photo = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
    photo.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    return photo


def _photo_ground(random: Random, width: int, height: int) -> Image.Image:
    """A part of a photo, turned over at times and of any strength of contrast."""
    photo = _photo(random.choice(PHOTOS))
    share = random.uniform(0.35, 1.0) * min(photo.width / width, photo.height / height)
    w, h = width * share, height * share
    left, top = random.uniform(0, photo.width - w), random.uniform(0, photo.height - h)
    part = photo.resize((width, height), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h))
    if random.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    veil = Image.new("RGB", part.size, (random.randint(90, 230),) * 3)
    return Image.blend(part, veil, random.uniform(0, 0.6))
