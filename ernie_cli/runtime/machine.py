"""What this machine has to compute with: its accelerators and its memory, free and in all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Device:
    """Something that computes; `where` is torch's name for it. Sizes in bytes."""

    where: str
    name: str
    free: int
    total: int


@dataclass(frozen=True)
class Machine:
    """Accelerators, the first being the one that is used first, and the memory of the machine itself."""

    accelerators: tuple[Device, ...]
    memory: Device

    def only(self, where: str) -> Machine:
        """The machine as if it had nothing but this device."""
        return Machine(tuple(device for device in self.accelerators if device.where == where), self.memory)


def look(*, accelerators: bool = True) -> Machine:
    """The machine as it is now, with its accelerators or as if it had none; what other programs hold is not free."""
    return Machine((*_cuda(), *_mps()) if accelerators else (), _memory())


class TorchBuild(NamedTuple):
    """torch's version, the CUDA it was built with, the CUDA cards it counts, and NVIDIA's driver; empty: none."""

    version: str
    cuda: str
    cards: int
    driver: str


def torch_build() -> TorchBuild:
    """What torch is here."""
    return TorchBuild(str(torch.__version__), torch.version.cuda or "", torch.cuda.device_count(), _driver())


def _driver() -> str:
    try:
        return Path("/sys/module/nvidia/version").read_text().strip()
    except OSError:
        return ""


def _cuda() -> tuple[Device, ...]:
    if not torch.cuda.is_available():
        return ()
    found = []
    for index in range(torch.cuda.device_count()):
        try:
            free, total = torch.cuda.mem_get_info(index)
        except RuntimeError:  # one that is broken, or that another program has to itself
            continue
        found.append(Device(f"cuda:{index}", torch.cuda.get_device_name(index), free, total))
    return tuple(found)


def _mps() -> tuple[Device, ...]:
    if not torch.backends.mps.is_available():
        return ()
    # What Metal recommends a program to use of the memory that it shares with everything else.
    total = torch.mps.recommended_max_memory()
    return (Device("mps", "Apple GPU", total - torch.mps.driver_allocated_memory(), total),)


def _memory() -> Device:
    import psutil

    seen = psutil.virtual_memory()
    free, total = seen.available, seen.total
    if limit := _cgroup("memory.max"):
        total = min(total, limit)
        free = min(free, limit - max(0, (_cgroup("memory.current") or 0) - _file_cache()))
    return Device("cpu", "memory", free, total)


def _file_cache() -> int:
    """Bytes of files that the container has read, which make room as soon as somebody needs it."""
    try:
        lines = (CGROUP / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    stated = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(stated.get("inactive_file", 0)) + int(stated.get("active_file", 0))


def _cgroup(file: str) -> int | None:
    """A number that a container is held to (cgroup v2), or None."""
    try:
        return int((CGROUP / file).read_text())
    except (OSError, ValueError):
        return None
