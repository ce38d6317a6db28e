"""Memory that an allocator keeps for itself: jemalloc, told to keep all of it, is faster and grows for ever."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MOST = 6 * 10**9  # bytes of a process
_PURGE = b"arena.4096.purge"  # of all arenas: MALLCTL_ARENAS_ALL of jemalloc's manual


def trim() -> None:
    """Gives what jemalloc keeps unused back to the system, if this process has grown large; without it, nothing."""
    control = getattr(ctypes.CDLL(None), "mallctl", None)
    if control is not None and _resident() > MOST:
        control(_PURGE, None, None, None, ctypes.c_size_t(0))


def _resident() -> int:
    """Bytes of memory that this process takes; 0 where the system does not say (it is Linux that does)."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0
