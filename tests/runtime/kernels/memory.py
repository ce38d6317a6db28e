"""How much memory a computation holds at most, tensor by tensor: torch's allocations are invisible to tracemalloc."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Bytes of the storages that were made inside and are still in use: now (`held`) and at most (`peak`)."""

    def __init__(self, *known: torch.Tensor) -> None:
        super().__init__()
        self.held = self.peak = 0
        self._known = {tensor.untyped_storage().data_ptr() for tensor in known}
        self._users: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor)
        return out

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._known or not size:
            return
        if not self._users[place]:
            self.held += size
            self.peak = max(self.peak, self.held)
        self._users[place] += 1
        weakref.finalize(tensor, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            self.held -= size
