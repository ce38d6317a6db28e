"""`ernie models`: the checkpoints on this machine; what they are, whether they are whole, where they lie, and rid of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ernie_cli.cli.options import Format
from ernie_cli.cli.output import Output, Style
from ernie_cli.cli.pull import FormatOption, JsonOption, QuietOption
from ernie_cli.errors import EXIT_INTERRUPTED, ModelError, UsageError

if TYPE_CHECKING:
    from ernie_cli.runtime.hub import Snapshot
    from ernie_cli.runtime.verify import Problem

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="ernie-nano, owner/name[@revision], or a folder.")]
PRECISIONS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


@dataclass(frozen=True)
class Entry:
    """A checkpoint on this machine. `bytes` are those of its folder, `branches` the names that mean its `revision`."""

    name: str
    layout: str
    precision: str
    bytes: int
    revision: str | None
    branches: tuple[str, ...]
    whole: bool
    path: str


def models(context: typer.Context, format: FormatOption = Format.text, json: JsonOption = False) -> None:
    """List, show, verify, find and remove the checkpoints on this machine; by itself, list them.

    [bold]ernie models list[/bold]

    [bold]ernie models verify ERNIE-4.5-VL-28B-A3B-Thinking[/bold]
    """
    if context.invoked_subcommand is None:
        list_(format, json)


def list_(format: FormatOption = Format.text, json: JsonOption = False) -> None:
    """List the built-in model, and every checkpoint of this architecture in the Hugging Face cache.

    [bold]ernie models list --json | jq -r '.models[].path'[/bold]
    """
    from ernie_cli.runtime.checkpoint import NANO, NANO_FOLDER
    from ernie_cli.runtime.hub import size_text, snapshots

    entries = [_entry(NANO, NANO_FOLDER), *(_entry(found.repo, found.folder, found) for found in snapshots())]
    if json or format is Format.json:
        listed = [asdict(entry) for entry in entries]
        Output().data({"version": 1, "command": "models list", "models": listed})
        return
    columns = ("NAME", "SIZE", "PRECISION", "LAYOUT", "REVISION", "PATH")
    rows = [
        (entry.name, size_text(entry.bytes), entry.precision, entry.layout, _revision(entry), entry.path)
        for entry in entries
    ]
    Output().table(columns, rows, below=1)


def show(name: NameArgument, format: FormatOption = Format.text, json: JsonOption = False) -> None:
    """Show what a checkpoint is: layers, experts, context, size, tokenizer, template.

    [bold]ernie models show ernie-nano[/bold]
    """
    entry, folder, _ = _named(name)
    facts = _facts(folder)
    if json or format is Format.json:
        Output().data({"version": 1, "command": "models show", **asdict(entry), **facts})
    else:
        Output().table(("", ""), _told(entry, facts))


def verify(
    name: NameArgument,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every weight, and compare checksums with the hub's.")
    ] = False,
    format: FormatOption = Format.text,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check that a checkpoint is whole: its files against its index, headers and shapes. Exits 4 if it is not.

    [bold]ernie models verify ernie-nano --deep[/bold]
    """
    from ernie_cli.runtime.verify import check

    output = Output(Style(quiet=quiet))
    entry, folder, snapshot = _named(name)
    problems = check(folder, deep)
    if deep and snapshot:
        problems += _compare(snapshot, {problem.file for problem in problems}, output)
    elif deep:
        output.note("The hub's checksums are known only for what ernie pull fetched; none were compared.")
    if json or format is Format.json:
        found = [asdict(problem) for problem in problems]
        output.data(
            {"version": 1, "command": "models verify", "name": name, "path": entry.path, "deep": deep}
            | {"problems": found}
        )
    for problem in problems:
        output.note(problem.what) if json or format is Format.json else output.text(problem.what)
        output.note(f"  {problem.hint}")
    if problems:
        if snapshot:
            output.note(f"Fetch what is missing or cut off: ernie pull {snapshot.repo} --revision {snapshot.name}")
        raise typer.Exit(ModelError.exit_code)
    output.note(f"{entry.name} is whole.")


def path(name: NameArgument) -> None:
    """Print the folder of a checkpoint.

    [bold]du -h $(ernie models path ERNIE-4.5-VL-28B-A3B-Thinking)[/bold]
    """
    from ernie_cli.runtime.checkpoint import find

    Output().text(str(find(name).folder))


def rm(
    name: Annotated[str, typer.Argument(metavar="NAME", help="owner/name, or one revision of it: owner/name@revision.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Remove a checkpoint from the Hugging Face cache; nothing else is ever removed.

    [bold]ernie models rm ERNIE-4.5-VL-28B-A3B-Thinking[/bold]
    """
    from ernie_cli.runtime import hub
    from ernie_cli.runtime.checkpoint import NANO

    output = Output(Style(quiet=quiet))
    if name == NANO or (Path(name).expanduser().is_dir() and not hub.is_here(name)):
        what = "is part of this program" if name == NANO else "is a folder outside the cache"
        raise UsageError(f"{name} {what}.", "Only what ernie pull fetched can be removed: see ernie models.")
    chosen = hub.locate(name)
    size, execute = hub.remove(chosen)
    described = f"{chosen[0].repo} ({', '.join(snapshot.commit[:12] for snapshot in chosen)})"
    agreed = yes or output.agrees(f"Remove {described} and free {hub.size_text(size)}?", otherwise=False)
    if agreed is None:
        raise UsageError(f"Removing {name} needs a yes, and there is no terminal to ask on.", "Add --yes.")
    if not agreed:
        output.note("Nothing was removed.")
        raise typer.Exit(EXIT_INTERRUPTED)
    execute()
    output.note(f"Removed {described}; {hub.size_text(size)} freed.")


COMMANDS: dict[str, Callable[..., None]] = {"list": list_, "show": show, "verify": verify, "path": path, "rm": rm}


def _named(name: str) -> tuple[Entry, Path, Snapshot | None]:
    from ernie_cli.runtime.checkpoint import find
    from ernie_cli.runtime.hub import snapshots

    found = find(name, whole=False)
    snapshot = next((snapshot for snapshot in snapshots() if snapshot.folder == found.folder), None)
    return _entry(found.name, found.folder, snapshot), found.folder, snapshot


def _entry(name: str, folder: Path, snapshot: Snapshot | None = None) -> Entry:
    from ernie_cli.runtime.config import HUB_TYPE, decode_json

    config = decode_json(folder / "config.json")
    precision = str(config.get("dtype") or config.get("torch_dtype") or "unknown")
    if quantized := config.get("quantization_config"):
        precision = str(quantized.get("quant_method", "quantized"))
    files = {file.resolve() for file in folder.iterdir() if file.is_file()}
    return Entry(
        name=name,
        layout="hub" if config.get("model_type") == HUB_TYPE else "native",
        precision=PRECISIONS.get(precision, precision),
        bytes=sum(file.stat().st_size for file in files),
        revision=snapshot.commit if snapshot else None,
        branches=snapshot.names if snapshot else (),
        whole=not snapshot or not snapshot.missing,
        path=str(folder),
    )


def _revision(entry: Entry) -> str:
    if entry.revision is None:
        return "built in"
    names = " ".join([*entry.branches, entry.revision[:12]])
    return names if entry.whole else f"{names} (incomplete)"
