"""Where each token stands in time, height and width.

Text counts up on all three axes together. A picture or clip lays its tokens out as a grid from the current position,
and the text after it goes on at one beyond the largest of the three axes (Baidu's rule, also vLLM's; transformers goes
on at half the larger of height and width of the *patch* grid only, which for long clips lands inside the clip).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

Positions: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"


def positions(spans: Iterable[int | tuple[int, int, int]], start: int = 0) -> tuple[Positions, int]:
    """Positions (3, tokens) in the order time, height, width, and the position the next token takes.

    A span is a number of text tokens, or the token grid (t, h, w) of a picture or clip.
    """
    blocks = [np.zeros((3, 0), dtype=np.int64)]
    for span in spans:
        if isinstance(span, int):
            blocks.append(np.broadcast_to(np.arange(start, start + span), (3, span)))
            start += span
        else:
            blocks.append(np.indices(span).reshape(3, -1) + start)
            start += max(span)
    return np.concatenate(blocks, axis=1), start
