"""How large pictures come out that are seen as print: pages and charts."""

from __future__ import annotations

from ernie_cli.runtime.vision import FACTOR, PixelBudget, fit

# About 200 tokens: letters of a chart would be less than two thirds of a patch wide in 140, and one in four misread.
PRINT = PixelBudget(180 * FACTOR**2, 216 * FACTOR**2)


def tokens(size: tuple[int, int]) -> tuple[int, int]:
    """How many tokens wide and high a picture of so many pixels is seen."""
    height, width = fit(size[1], size[0], PRINT)
    return width // FACTOR, height // FACTOR
