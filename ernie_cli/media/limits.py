"""How much one input may cost before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """`bytes` counts what is fetched from a URL, or read from a pipe or a data URL; files on disk have no such limit.

    `seconds` is for one URL, all told, and `redirects` are those it may take. `pixels` counts width times height.
    Pages of a PDF, which have no pixels of their own, are drawn with at most `page_pixels`.
    """

    bytes: int = 64 * MIB
    seconds: float = 30.0
    redirects: int = 3
    pixels: int = 200_000_000
    page_pixels: int = 4_842_768
