"""bitsandbytes, imported so that it neither speaks nor fetches anything.

On a CPU with AVX512-BF16 bitsandbytes (0.50) tries, while it is imported, to fetch a compiled kernel from the hub
through the `kernels` package, and logs a warning if it cannot. That package is hidden from it for the moment of the
import, and the warning with it. Whatever needs bitsandbytes should take it from here first.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType


@cache
def bitsandbytes() -> ModuleType | None:
    """The package, or None where it is not installed or cannot run."""
    with _without("kernels"), _silenced("bitsandbytes.backends.cpu.ops"):
        try:
            return importlib.import_module("bitsandbytes")
        except (ImportError, OSError, RuntimeError):
            return None


@contextmanager
def _without(package: str) -> Iterator[None]:
    """Makes `import package` fail, unless it has been imported already."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # how Python marks a module that may not be imported
    try:
        yield
    finally:
        del sys.modules[package]


@contextmanager
def _silenced(logger: str) -> Iterator[None]:
    noisy = logging.getLogger(logger)
    before = noisy.level
    noisy.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        noisy.setLevel(before)
