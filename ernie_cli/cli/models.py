"""`ernie models`: the checkpoints on this machine: what they are, where they lie, whether they are whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ernie_cli.cli.options import Format, FormatOption, JsonOption, QuietOption
from ernie_cli.cli.output import Output, Style
from ernie_cli.errors import EXIT_INTERRUPTED, ModelError, UsageError

if TYPE_CHECKING:
    from ernie_cli.runtime.checkpoint import Checkpoint
    from ernie_cli.runtime.snapshots import Snapshot
    from ernie_cli.runtime.verify import Problem
    from ernie_cli.tasks.results import ShowResult

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
    """List, show, verify, quantize, find and remove the checkpoints on this machine; by itself, list them.

    [bold]ernie models list[/bold]

    [bold]ernie models verify ERNIE-4.5-VL-28B-A3B-Thinking[/bold]
    """
    inner = context.invoked_subcommand
    if inner is None:
        list_(format, json)
    elif json or format is Format.json:  # said before the command, it is meant for it
        settings = dict(context.default_map or {})
        context.default_map = {**settings, inner: {**settings.get(inner, {}), "json": True}}


def list_(format: FormatOption = Format.text, json: JsonOption = False) -> None:
    """List the built-in model, and every checkpoint of this architecture in the Hugging Face cache.

    [bold]ernie models list --json | jq -r '.models[].path'[/bold]
    """
    from ernie_cli.runtime.checkpoint import NANO, NANO_FOLDER
    from ernie_cli.runtime.snapshots import size_text, snapshots

    entries = [_entry(NANO, NANO_FOLDER), *(_entry(found.repo, found.folder, found) for found in snapshots())]
    if json or format is Format.json:
        from ernie_cli.tasks.results import ModelInfo, ModelsResult

        Output().result(ModelsResult(models=tuple(ModelInfo(**asdict(entry)) for entry in entries)))
        return
    rows = [
        (
            *(entry.name, size_text(entry.bytes), entry.precision, entry.layout, _revision(entry)),
            *("" if entry.whole else "incomplete", entry.path),
        )
        for entry in entries
    ]
    Output().table(("NAME", "SIZE", "PRECISION", "LAYOUT", "REVISION", "STATE", "PATH"), rows, below=2)


def show(name: NameArgument, format: FormatOption = Format.text, json: JsonOption = False) -> None:
    """Show what a checkpoint is: layers, experts, context, size, tokenizer, template.

    [bold]ernie models show ernie-nano[/bold]
    """
    found, snapshot = _found(name)
    entry, facts = _entry(found.name, found.folder, snapshot), _facts(found)
    if json or format is Format.json:
        Output().result(_shown(entry, facts))
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
    from ernie_cli.runtime.snapshots import fetching
    from ernie_cli.runtime.verify import check

    output, as_json = Output(Style(quiet=quiet)), json or format is Format.json
    found, snapshot = _found(name)
    problems = check(found.folder, deep)
    if deep and snapshot:
        problems += _compare(snapshot, {problem.file for problem in problems}, output)
    elif deep:
        output.note("The hub's checksums are known only for what ernie pull fetched; none were compared.")
    if as_json:
        from ernie_cli.tasks.results import ProblemInfo, VerifyResult

        told = tuple(ProblemInfo(**asdict(problem)) for problem in problems)
        output.result(VerifyResult(name=found.name, path=str(found.folder), deep=deep, problems=told))
    for problem in () if as_json else problems:
        output.text(problem.what)
        output.note(f"  {problem.hint}")
    if not problems:
        output.note(f"{found.name} is whole.")
        return
    if snapshot:
        output.note(f"To fetch what is missing or cut off: {fetching(snapshot)}")
    raise typer.Exit(ModelError.exit_code)


def path(name: NameArgument) -> None:
    """Print the folder of a checkpoint.

    [bold]du -h $(ernie models path ERNIE-4.5-VL-28B-A3B-Thinking)[/bold]
    """
    from ernie_cli.runtime.checkpoint import find

    Output().text(str(find(name).folder))


def rm(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="owner/name, or one revision of it: owner/name@revision.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Remove a checkpoint from the Hugging Face cache; nothing else is ever removed.

    [bold]ernie models rm ERNIE-4.5-VL-28B-A3B-Thinking[/bold]
    """
    from ernie_cli.runtime.checkpoint import NANO
    from ernie_cli.runtime.snapshots import locate, remove, size_text

    output = Output(Style(quiet=quiet))
    if name == NANO:
        raise UsageError(f"{NANO} is part of this program.", "Only what ernie pull fetched can be removed.")
    try:
        chosen = locate(name)
    except ModelError:
        if not Path(name).expanduser().is_dir():
            raise
        raise UsageError(
            f"{name} is a folder, and no name of a model in the cache.",
            "Only what ernie pull fetched is removed here; delete the folder yourself.",
        ) from None
    size, execute = remove(chosen)
    described = f"{chosen[0].repo} ({', '.join(snapshot.commit[:12] for snapshot in chosen)})"
    agreed = yes or output.agrees(f"Remove {described} and free {size_text(size)}?", otherwise=False)
    if agreed is None:
        raise UsageError(f"Removing {name} needs a yes, and there is no terminal to ask on.", "Add --yes.")
    if not agreed:
        output.note("Nothing was removed.")
        raise typer.Exit(EXIT_INTERRUPTED)
    execute()
    output.note(f"Removed {described}; {size_text(size)} freed.")


class Quantized(str, Enum):
    """What a checkpoint can be quantized to."""

    int8 = "int8"
    nf4 = "nf4"


def quantize(
    name: NameArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for the result.")],
    # Not by the name of the shared option: a setting for answers says nothing about files to write.
    to: Annotated[
        Quantized, typer.Option("--precision", help="int8: half the size; nf4: a third, for 24 GB cards.")
    ] = Quantized.int8,
    format: FormatOption = Format.text,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a checkpoint at a lower precision, so that it starts sooner; it takes a few GB of memory.

    [bold]ernie models quantize ERNIE-4.5-VL-28B-A3B-Thinking ernie-int8[/bold]

    [bold]ernie ask photo.jpg "What is this?" --model ernie-int8[/bold]
    """
    from ernie_cli.runtime.checkpoint import find
    from ernie_cli.runtime.quantize import quantize_checkpoint
    from ernie_cli.runtime.snapshots import size_text
    from ernie_cli.tasks.results import QuantizeResult

    output, source = Output(Style(quiet=quiet)), find(name)
    shards = sorted(source.folder.glob("*.safetensors"))
    read = sum(shard.stat().st_size for shard in shards)
    with output.progress(len(shards), read) as bar:
        written = quantize_checkpoint(source, folder, to.value, bar)
    if json or format is Format.json:
        told = {"name": source.name, "precision": to.value, "path": str(folder)}
        output.result(QuantizeResult(**told, bytes=written, source_bytes=read))  # type: ignore[arg-type]
    else:
        output.note(f"{folder}: {size_text(written)}, {written / read:.2f} of {source.name}.")


COMMANDS: dict[str, Callable[..., None]] = {
    **{"list": list_, "show": show, "verify": verify, "path": path},
    **{"quantize": quantize, "rm": rm},
}


def _found(name: str) -> tuple[Checkpoint, Snapshot | None]:
    """The checkpoint, whole or not, and its snapshot if it lies in the cache."""
    from ernie_cli.runtime.checkpoint import find
    from ernie_cli.runtime.snapshots import snapshots

    found = find(name, whole=False)
    return found, next((snapshot for snapshot in snapshots() if snapshot.folder == found.folder), None)


def _config(folder: Path) -> dict[str, Any]:
    from ernie_cli.runtime.config import decode_json
    from ernie_cli.runtime.hub import check_architecture

    if not (folder / "config.json").exists():
        raise ModelError(f"{folder} has no config.json, so it is not a checkpoint.", "Give the folder that has it.")
    config = decode_json(folder / "config.json")
    check_architecture(str(folder), str(config.get("model_type")))
    return config


def _entry(name: str, folder: Path, snapshot: Snapshot | None = None) -> Entry:
    from ernie_cli.runtime.config import HUB_TYPE

    config = _config(folder)
    text = config.get("text_config") or {}
    precision = str(config.get("dtype") or config.get("torch_dtype") or text.get("dtype") or "unknown")
    if quantized := config.get("quantization_config"):
        precision = str(quantized.get("precision") or quantized.get("quant_method", "quantized"))
    return Entry(
        name=name,
        layout="hub" if config.get("model_type") == HUB_TYPE else "native",
        precision=PRECISIONS.get(precision, precision),
        bytes=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        revision=snapshot.commit if snapshot else None,
        branches=snapshot.names if snapshot else (),
        whole=not snapshot or not snapshot.missing,
        path=str(folder),
    )


def _revision(entry: Entry) -> str:
    if entry.revision is None:
        return "-"
    return " ".join([*entry.branches, entry.revision[:8]])


def _facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """The numbers of `config.json`, which the flat layout has side by side and the native one in `text_config`."""
    config = _config(checkpoint.folder)
    text = config.get("text_config") or config
    vision = config.get("vision_config") or {}
    experts = text.get("moe_num_experts") or 0
    files = [name for name in ("tokenizer.model", "tokenizer.json") if (checkpoint.folder / name).exists()]
    return {
        "layers": text.get("num_hidden_layers"),
        "hidden_size": text.get("hidden_size"),
        "experts": experts if isinstance(experts, list) else [experts, experts],
        "active_experts": text.get("moe_k"),
        "shared_experts": text.get("moe_num_shared_experts") or 0,
        "vision_layers": vision.get("depth"),
        "vision_hidden_size": vision.get("hidden_size"),
        "context": text.get("max_position_embeddings"),
        "vocabulary": text.get("vocab_size"),
        "tokenizer": files[0] if files else None,
        "chat_template": checkpoint.chat_template is not None,
    }


def _shown(entry: Entry, facts: dict[str, Any]) -> ShowResult:
    from pydantic import ValidationError

    from ernie_cli.tasks.results import ShowResult

    try:
        return ShowResult(**asdict(entry), **facts)
    except ValidationError as odd:
        wrong = odd.errors()[0]
        what = f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
        raise ModelError(f"{entry.path}/config.json states something odd ({what}).", "Fetch this file again.") from odd


def _told(entry: Entry, facts: dict[str, Any]) -> list[tuple[str, str]]:
    from ernie_cli.runtime.snapshots import size_text

    experts = " + ".join(f"{count} {kind}" for count, kind in zip(facts["experts"], ("text", "vision"), strict=False))
    return [
        ("name", entry.name),
        ("path", entry.path),
        ("revision", _revision(entry) if entry.whole else f"{_revision(entry)}, incomplete"),
        ("layout", {"hub": "hub (flat config.json)", "native": "native (transformers)"}[entry.layout]),
        ("size", f"{size_text(entry.bytes)}, {entry.precision}"),
        ("layers", f"{facts['layers']}, {facts['hidden_size']} wide"),
        ("experts", f"{experts}; a token takes {facts['active_experts']}, and {facts['shared_experts']} shared"),
        ("vision", f"{facts['vision_layers']} layers, {facts['vision_hidden_size']} wide"),
        ("context", f"{facts['context']} tokens"),
        ("tokenizer", f"{facts['tokenizer'] or 'missing'}, {facts['vocabulary']} tokens"),
        ("chat template", "its own" if facts["chat_template"] else "none; the built-in one is used"),
    ]


def _compare(snapshot: Snapshot, known: set[str], output: Output) -> list[Problem]:
    """The files whose content is not what the hub says; those known to be broken are not read."""
    from ernie_cli.runtime.hub import checksums
    from ernie_cli.runtime.snapshots import fetching, matches
    from ernie_cli.runtime.verify import Problem

    stated = {name: checksum for name, checksum in checksums(snapshot).items() if name not in known}
    files = [file for file in sorted(snapshot.folder.iterdir()) if file.is_file() and file.name in stated]
    problems = []
    with output.progress(len(files), sum(file.stat().st_size for file in files)) as bar:
        for file in files:
            bar.begin(file.name, file.stat().st_size)
            if not matches(file, stated[file.name], bar.advance):
                # Its link alone would not do: the cache would find the same blob again.
                hint = f"Delete {file.resolve()} and run: {fetching(snapshot)}"
                problems.append(Problem(file.name, f"{file.name} is not the file on the hub (checksum).", hint))
            bar.end()
    return problems
