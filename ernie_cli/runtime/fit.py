"""Which precision, and where: chosen from what a model needs and what the machine has, before anything is loaded.

Every choice carries its reason as a sentence. Precision goes before speed as long as all of it is on accelerators:
bf16, int8, nf4, each on one, then over several. Then come experts in the machine's own memory, and last no accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ernie_cli.errors import ModelError
from ernie_cli.runtime.machine import Device, Machine
from ernie_cli.runtime.memory import Load, Need, estimate
from ernie_cli.runtime.precision import PRECISIONS, Precision

if TYPE_CHECKING:
    from transformers import Ernie4_5_VLMoeConfig

Asked: TypeAlias = Precision | Literal["auto"]

# Of an accelerator's free memory: what its driver, libraries and fragmentation take.
OVERHEAD, SLACK = 600_000_000, 0.03
LEFT = 0.05  # of the machine's own free memory, for everybody else


@dataclass(frozen=True)
class Choice:
    """Where the weights go: whole on `devices[0]`, or each layer on the device that `layers` names for it.

    The experts of the last `offloaded` sparse layers stay in the machine's memory and are computed there.
    """

    precision: Precision
    devices: tuple[str, ...]
    offloaded: int
    need: Need
    reason: str
    layers: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = " + ".join(self.devices)
        return f"{self.precision} on {where} ({self.reason})"


@dataclass(frozen=True)
class Plan:
    """A way to run, and by how many bytes it does not fit: not positive if it does."""

    precision: Precision
    devices: tuple[str, ...]
    offloaded: int
    need: Need
    lacking: int
    room: str  # what there is, in words
    layers: tuple[str, ...] = ()


def choose(
    config: Ernie4_5_VLMoeConfig,
    machine: Machine,
    load: Load,
    asked: Asked = "auto",
    float_bytes: int = 2,
    *,
    stored: bool = False,
) -> Choice:
    """The best way to run that fits; `stored`: it is on disk at the precision asked for, and can have no other.

    Raises ModelError, naming what would fit, if none does.
    """
    plans = list(_plans(config, machine, load, PRECISIONS if asked == "auto" else (asked,), float_bytes))
    fitting = next((plan for plan in plans if plan.lacking <= 0), None)
    if fitting is None:
        raise _nothing_fits(config, machine, load, plans, float_bytes, stored=stored)
    reason = _reason(fitting, plans, asked, stored=stored)
    return Choice(fitting.precision, fitting.devices, fitting.offloaded, fitting.need, reason, fitting.layers)


def ways(config: Ernie4_5_VLMoeConfig, machine: Machine, load: Load, float_bytes: int = 2) -> list[Plan]:
    """The best way at each precision, whether it fits or not."""
    found = []
    for precision in PRECISIONS:
        plans = list(_plans(config, machine, load, (precision,), float_bytes))
        found.append(next((plan for plan in plans if plan.lacking <= 0), min(plans, key=lambda plan: plan.lacking)))
    return found


def _plans(
    config: Ernie4_5_VLMoeConfig, machine: Machine, load: Load, precisions: tuple[Precision, ...], float_bytes: int
) -> Iterator[Plan]:
    """All ways to run, the best first."""
    needs = {precision: estimate(config, precision, load, float_bytes) for precision in precisions}
    for precision, need in needs.items():
        yield from _on_accelerators(precision, need, machine.accelerators)
    # Bytes decide how fast experts run from memory, and int8 is turned into numbers faster than nf4.
    for precision in sorted(needs, key=("int8", "nf4", "bf16").index):
        yield from _with_offload(precision, needs[precision], machine)
    room = usable(machine.memory)
    for precision, need in needs.items():
        said = f"the machine has {human(machine.memory.free)} of memory free"
        yield Plan(precision, ("cpu",), 0, need, need.total - room, said)


def _on_accelerators(precision: Precision, need: Need, devices: tuple[Device, ...]) -> Iterator[Plan]:
    for device in devices:
        said = f"{device.name} has {human(device.free)} free"
        yield Plan(precision, (device.where,), 0, need, need.total - usable(device), said)
    if len(devices) > 1:
        layers, lacking = _spread(need, devices)
        said = f"the {len(devices)} accelerators have {human(sum(device.free for device in devices))} free"
        used = tuple(device.where for device in devices if device is devices[0] or device.where in layers)
        yield Plan(precision, used, 0, need, lacking, said, layers)


def _spread(need: Need, devices: tuple[Device, ...]) -> tuple[tuple[str, ...], int]:
    """The device of each layer, as many on each as fit, and the bytes that found no place (0 if all did).

    Every device works on its own layers' activations; embeddings, eyes and the output layer are on the first.
    """
    weights = need.weights
    cache = need.kv_cache // len(weights.by_layer)
    rooms = [usable(device) - need.workspace for device in devices]
    rooms[0] -= need.vision + weights.total - sum(weights.by_layer)
    layers: list[str] = []
    lacking, at = max(0, -rooms[0]), 0
    for layer in weights.by_layer:
        size = layer + cache
        while at < len(devices) and rooms[at] < size:
            at += 1
        if at == len(devices):
            lacking += size
            continue
        rooms[at] -= size
        layers.append(devices[at].where)
    return tuple(layers), lacking


def _with_offload(precision: Precision, need: Need, machine: Machine) -> Iterator[Plan]:
    """As many layers' experts on the accelerator as there is room for beside all the rest."""
    weights = need.weights
    for device in machine.accelerators[:1]:
        if not weights.layers or device.where == "mps":  # whose memory is the machine's own
            continue
        layer = weights.experts // weights.layers
        room = usable(device) - need.beside - (weights.total - weights.experts)
        resident = max(0, min(weights.layers - 1, room // layer))
        offloaded = weights.layers - resident
        # All of it passes through the machine's memory while loading.
        lacking = max(-room, weights.total - usable(machine.memory))
        said = f"{device.name} has {human(device.free)} free, the machine {human(machine.memory.free)}"
        yield Plan(precision, (device.where,), offloaded, need, lacking, said)


def usable(device: Device) -> int:
    """The bytes of a device that this program counts on."""
    if device.where == "cpu":
        return int(device.free * (1 - LEFT))
    return int(device.free * (1 - SLACK)) - OVERHEAD


def _reason(chosen: Plan, plans: list[Plan], asked: Asked, *, stored: bool) -> str:
    """Why this one: what the better ones lacked, then what is slow about it."""
    parts = []
    better = [plan for plan in plans[: plans.index(chosen)] if plan.precision != chosen.precision]
    if asked != "auto":
        parts.append("as the checkpoint is stored" if stored else "as asked")
    elif better:
        parts.append(f"auto: {_shortfalls(_closest(better))}")
    else:
        parts.append(f"auto: it needs {human(chosen.need.total)}, and {chosen.room}")
    if chosen.offloaded:
        layers = chosen.need.weights.layers
        parts.append(
            f"the experts of {chosen.offloaded} of {layers} layers stay in the machine's memory, which is slow"
        )
    elif chosen.devices == ("cpu",) and any(plan.devices != ("cpu",) for plan in plans):
        parts.append("without the accelerator, which is slow")
    return "; ".join(parts)


def _closest(plans: list[Plan]) -> list[Plan]:
    """For each precision the plan that lacked least."""
    best: dict[Precision, Plan] = {}
    for plan in plans:
        if plan.precision not in best or plan.lacking < best[plan.precision].lacking:
            best[plan.precision] = plan
    return list(best.values())


def _shortfalls(plans: list[Plan]) -> str:
    """`bf16 needs 61.4 GB and int8 33.1 GB, RTX 4090 has 23.5 GB free`."""
    by_room: dict[str, list[Plan]] = {}
    for plan in plans:
        by_room.setdefault(plan.room, []).append(plan)
    said = []
    for room, lacking in by_room.items():
        needs = [
            f"{plan.precision} {'needs ' if at == 0 else ''}{human(plan.need.total)}" for at, plan in enumerate(lacking)
        ]
        said.append(f"{' and '.join(needs)}, {room}")
    return "; ".join(said)


def _nothing_fits(
    config: Ernie4_5_VLMoeConfig,
    machine: Machine,
    load: Load,
    plans: list[Plan],
    float_bytes: int,
    *,
    stored: bool,
) -> ModelError:
    nearest = min(plans, key=lambda plan: plan.lacking)
    what = (
        f"It does not fit: {nearest.precision} needs {human(nearest.need.total)} for {load.context} tokens,"
        f" and {nearest.room}."
    )
    asked = tuple(dict.fromkeys(plan.precision for plan in plans))
    others = [
        plan for plan in ways(config, machine, load, float_bytes) if plan.lacking <= 0 and plan.precision not in asked
    ]
    if others:
        name, size = others[0].precision, human(others[0].need.total)
        remedy = f"Quantize the checkpoint it was made from to {name}" if stored else f"--precision {name}"
        return ModelError(what, f"{remedy}: that fits ({size}).")
    shorter = _longest(config, machine, load, asked if stored else PRECISIONS, float_bytes)
    if shorter:
        return ModelError(what, f"{shorter[0]} fits with {shorter[1]} tokens: lower --max-tokens or --max-pixels.")
    smallest = estimate(config, PRECISIONS[-1], Load(1024, 512), float_bytes)
    return ModelError(
        what,
        f"The least it runs in is {human(smallest.total)} of memory, as {PRECISIONS[-1]}; ernie-nano runs anywhere.",
    )


def longest_context(config: Ernie4_5_VLMoeConfig, machine: Machine, way: Plan, float_bytes: int = 2) -> int:
    """The most tokens of text, prompt and answer, that fit in this way, up to the model's own limit; 0 if none do."""
    limit = config.text_config.max_position_embeddings

    def fits(context: int) -> bool:
        plans = _plans(config, machine, Load(context, context), (way.precision,), float_bytes)
        return any(plan.lacking <= 0 and _like(plan, way) for plan in plans)

    return _most(fits, limit)


def _like(plan: Plan, way: Plan) -> bool:
    """Whether a plan is on the same devices, and keeps no experts away that the other has on them."""
    return plan.devices == way.devices and plan.offloaded <= way.offloaded


def _longest(
    config: Ernie4_5_VLMoeConfig, machine: Machine, load: Load, precisions: tuple[Precision, ...], float_bytes: int
) -> tuple[Precision, int] | None:
    """The first precision at which some of a load's tokens fit in any way, and how many do."""
    for precision in precisions:

        def fits(context: int, precision: Precision = precision) -> bool:
            smaller = Load(context, min(load.prompt, context), load.patches)
            return any(plan.lacking <= 0 for plan in _plans(config, machine, smaller, (precision,), float_bytes))

        if most := _most(fits, load.context):
            return precision, most
    return None


def _most(fits: Callable[[int], bool], limit: int) -> int:
    """The most tokens that fit, to within 64; 0 if not even 512 do."""
    if not fits(512):
        return 0
    low, high = 512, max(512, limit)
    while high - low > 64:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return high if fits(high) else low


def human(size: int) -> str:
    """Bytes as a person reads them: `30.5 GB`, `23.5 MB`."""
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size / 1e6:.1f} MB"
