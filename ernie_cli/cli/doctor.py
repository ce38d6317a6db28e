"""`ernie doctor`: what this machine has, whether it works, and what it can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ernie_cli.cli.options import Format, FormatOption, JsonOption
from ernie_cli.errors import ModelError

if TYPE_CHECKING:
    from ernie_cli.cli.output import Output
    from ernie_cli.runtime.machine import Machine
    from ernie_cli.tasks.results import CheckInfo, WayInfo

MARKS = {"ok": "ok", "missing": "-", "broken": "BROKEN"}


def doctor(format: FormatOption = Format.text, json: JsonOption = False) -> None:
    """Check this machine: what is installed, what works, and what it can run. Exits 4 if something is broken.

    [bold]ernie doctor[/bold]

    [bold]ernie doctor --json | jq -r '.ways[] | select(.fits) | .precision'[/bold]
    """
    from ernie_cli.cli.checks import checks
    from ernie_cli.cli.output import Output
    from ernie_cli.runtime.checkpoint import FULL
    from ernie_cli.runtime.machine import look
    from ernie_cli.tasks.results import DoctorResult

    output, as_json, machine = Output(), json or format is Format.json, look()
    found = []
    for check in checks(machine):
        found.append(check)
        if not as_json:
            _tell(check, output)
    ways = _ways(machine)
    if as_json:
        output.result(DoctorResult(checks=tuple(found), model=FULL, ways=ways))
    else:
        _tell_ways(machine, ways, output)
    if any(check.state == "broken" for check in found):
        raise typer.Exit(ModelError.exit_code)


def _tell(check: CheckInfo, output: Output) -> None:
    output.text(f"{MARKS[check.state]:6}  {check.name:13} {check.found}")
    if check.fix:
        output.text(f"{'':22}{check.fix}")


def _tell_ways(machine: Machine, ways: tuple[WayInfo, ...], output: Output) -> None:
    from ernie_cli.runtime.checkpoint import FULL
    from ernie_cli.runtime.fit import human

    rooms = [f"{device.name}: {human(device.free)} of {human(device.total)} free" for device in machine.accelerators]
    rooms.append(f"memory: {human(machine.memory.free)} of {human(machine.memory.total)} free")
    output.text(f"\n{FULL} here ({'; '.join(rooms)}):\n")
    rows = [
        (
            way.precision,
            human(way.weights_bytes),
            human(way.needed_bytes),
            "yes" if way.fits else "no",
            way.where or "-",
            f"{way.context} tokens" if way.fits else "-",
        )
        for way in ways
    ]
    output.table(("PRECISION", "WEIGHTS", "WITH 8K TOKENS", "FITS", "WHERE", "TEXT AT MOST"), rows)
    output.text("\nernie-nano runs everywhere.")


def _ways(machine: Machine) -> tuple[WayInfo, ...]:
    """What the 28B needs at each precision for a page and 8,192 tokens, and whether and where that is here."""
    from ernie_cli.runtime.config import full_config
    from ernie_cli.runtime.fit import longest_context, ways
    from ernie_cli.runtime.memory import Load
    from ernie_cli.tasks.results import WayInfo

    config = full_config()
    usual = Load(context=8192, prompt=6144, patches=4 * 4096)
    told = []
    for plan in ways(config, machine, usual):
        where = " + ".join(plan.devices)
        if plan.offloaded:
            where += f", experts of {plan.offloaded} of {plan.need.weights.layers} layers in memory (slow)"
        told.append(
            WayInfo(
                precision=plan.precision,
                weights_bytes=plan.need.weights.total,
                needed_bytes=plan.need.total,
                fits=plan.lacking <= 0,
                where=where if plan.lacking <= 0 else None,
                context=longest_context(config, machine, plan),
            )
        )
    return tuple(told)
