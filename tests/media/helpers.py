"""Small pictures to test with."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from ernie_cli.media import Limits, LoadedPicture, Source, open_picture


def sketch(width: int = 48, height: int = 32) -> Image.Image:
    """Four plain quarters of different colours, so that no turn or mirroring of it is itself."""
    image = Image.new("RGB", (width, height), (200, 30, 40))
    image.paste((30, 180, 60), (width // 2, 0, width, height // 2))
    image.paste((40, 60, 200), (0, height // 2, width // 2, height))
    image.paste((230, 220, 90), (width // 2, height // 2, width, height))
    return image


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def opened(data: bytes, limits: Limits | None = None, name: str = "photo") -> LoadedPicture:
    return open_picture(Source(name, "", data), limits or Limits())


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True
