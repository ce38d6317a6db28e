"""Markdown that is still being written, cut where a block is surely over."""

from __future__ import annotations

FENCES = ("```", "~~~")


def finished_blocks(text: str) -> tuple[str, str]:
    """`text` as the blocks that cannot change any more, and the rest.

    A block ends at a blank line outside of a code fence. Lists and quotes may go on after one; rendered apart, their
    parts look the same.
    """
    fence = ""
    end = position = 0
    for line in text.splitlines(keepends=True):
        position += len(line)
        stripped = line.strip()
        if fence:
            fence = "" if stripped.startswith(fence) else fence
        elif stripped.startswith(FENCES):
            fence = stripped[:3]
        elif not stripped and line.endswith("\n"):
            end = position
    return text[:end], text[end:]
