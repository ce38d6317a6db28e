"""Weights to int8 rows or nf4 blocks, one matrix at a time; and whole checkpoints on disk.

A checkpoint quantized here keeps the hub's names and layout: a quantized matrix stands under its own name, its scales
beside it (`precision.stored_tensors`). The same function quantizes while loading, so both give the same bits.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from ernie_cli.errors import InputError, ModelError
from ernie_cli.runtime.config import QUANT_METHOD, expected_tensors
from ernie_cli.runtime.kernels.bits import bitsandbytes
from ernie_cli.runtime.precision import ABSMAX, SCALE, Kind, Precision, block_of, kind_of, weigh
from ernie_cli.runtime.verify import INDEX, SINGLE, check_checkpoint, header, hub_name, shards_of

if TYPE_CHECKING:
    from ernie_cli.runtime.checkpoint import Checkpoint


class Progress(Protocol):
    """Who is told of each file: that it begins, with its bytes, how many of them are done, that it ends."""

    def begin(self, name: str, size: int) -> None: ...
    def advance(self, size: int) -> None: ...
    def end(self) -> None: ...


SHARD_BYTES = 4_000_000_000
# Beside the weights, everything that is needed to open them; nothing that could be run.
SMALL_FILES = ("*.json", "*.jinja", "tokenizer.model", "*.ttf", "LICENSE*")


def require_bitsandbytes() -> Any:
    """bitsandbytes' functions, which nf4 is made with. Raises ModelError where it does not work."""
    package = bitsandbytes()
    if package is None:
        raise ModelError("bitsandbytes does not work here, and nf4 needs it.", "Install it again, or use int8 or bf16.")
    return package.functional


def quantize(weight: Tensor, kind: Kind) -> dict[str, Tensor]:
    """A matrix (rows, columns) as its parts by the suffix of their names.

    `int8`: int8 (rows, columns) and float32 (rows,), so that weight = int8 * scale; bit for bit what bitsandbytes'
    `int8_vectorwise_quant` gives on a CPU, but on CUDA that one takes float16 alone. `nf4`: uint8 (rows, columns / 2),
    two codes a byte, the first in the high half, and float32 (rows, columns / block), the largest of each block. The
    other kinds leave it as it is.
    """
    if kind == "int8":
        numbers = weight.float()
        largest = numbers.abs().amax(1)
        steps = torch.where(largest > 0, 127 / largest, 0.0)
        return {"": (numbers * steps[:, None]).round().to(torch.int8), SCALE: largest / 127}
    if kind == "nf4":
        block = block_of(weight.shape[1])
        # On Apple's GPU, bitsandbytes would fetch a kernel from the hub.
        there = weight.cpu() if weight.device.type == "mps" else weight
        packed, state = require_bitsandbytes().quantize_4bit(
            there.contiguous(), blocksize=block, quant_type="nf4", compress_statistics=False
        )
        rows = len(weight)
        parts = {"": packed.view(rows, -1), ABSMAX: state.absmax.view(rows, -1)}
        return {suffix: part.to(weight.device) for suffix, part in parts.items()}
    return {"": weight}


def quantize_checkpoint(source: Checkpoint, out: Path, precision: Precision, progress: Progress | None = None) -> int:
    """Writes `source` at `precision` into the folder `out`, one shard after the other, and returns its bytes.

    No more than a shard is in memory. `progress` is told each shard that is read. Raises ModelError
    for a source that is broken or quantized already, InputError for a folder that cannot be written or is not empty.
    """
    config = source.config
    if problems := check_checkpoint(source):
        raise ModelError(f"The checkpoint {source.name} cannot be read: {problems[0].what}", problems[0].hint)
    if getattr(config, "quantization_config", None):
        raise ModelError(f"{source.name} is quantized already.", "Quantize the checkpoint it was made from.")
    if precision == "nf4":
        require_bitsandbytes()
    out = out.resolve()
    part = out.with_name(f".{out.name}.part")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} is there already.", "Name a new folder.")
        shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
        part.mkdir(parents=True)
        room = shutil.disk_usage(part).free
        if room < (needed := weigh(config, precision).total):
            what = f"{out.parent} has {room / 1e9:.1f} GB free, and the checkpoint takes {needed / 1e9:.1f} GB."
            raise InputError(what, "Choose a folder on a larger disk.")
        written = _write_shards(_quantized(source, precision, progress), part)
        _write_small_files(source.folder, part, precision)
        part.replace(out)
    except OSError as failed:
        raise InputError(f"{out} cannot be written: {failed.strerror or failed}.", "Choose another folder.") from failed
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return written


def _quantized(source: Checkpoint, precision: Precision, progress: Progress | None) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a checkpoint under its name on the hub, as it is to be stored."""
    from safetensors import safe_open

    needed = expected_tensors(source.config)  # not the copy of tied embeddings, nor strays such as mtp_*
    for shard in shards_of(source.folder):
        path = source.folder / shard
        if progress:
            progress.begin(shard, path.stat().st_size)
        with safe_open(path, "pt") as file:
            for stored in header(path):
                name = hub_name(stored)
                if name.startswith("model.language_model."):
                    what = f"{source.name} has transformers' names in memory ({name}), with the experts in one tensor."
                    raise ModelError(what, "Quantize a checkpoint with the names that the hub has.")
                if name not in needed:
                    continue
                weight = file.get_tensor(stored)
                kind = kind_of(name, precision, source.config)
                if kind in ("int8", "nf4"):
                    weight = weight.to(torch.bfloat16)  # as it is while loading
                yield from ((name + suffix, part) for suffix, part in quantize(weight, kind).items())
                if progress:
                    progress.advance(weight.nbytes)
        if progress:
            progress.end()


def _write_shards(tensors: Iterator[tuple[str, Tensor]], out: Path) -> int:
    """Tensors into files of at most `SHARD_BYTES`, with the index that finds them; returns their bytes."""
    from safetensors.torch import save_file

    shards: list[list[str]] = []
    waiting: dict[str, Tensor] = {}
    total = held = 0

    def write() -> None:
        save_file(waiting, out / f"model-{len(shards) + 1:05}.safetensors", metadata={"format": "pt"})
        shards.append(list(waiting))
        waiting.clear()

    for name, tensor in tensors:
        if waiting and held + tensor.nbytes > SHARD_BYTES:
            write()
            held = 0
        waiting[name] = tensor.contiguous()
        held += tensor.nbytes
        total += tensor.nbytes
    write()
    if len(shards) == 1:
        (out / "model-00001.safetensors").rename(out / SINGLE)
        return total
    places: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        (out / f"model-{number:05}.safetensors").rename(out / file)
        places |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    (out / INDEX).write_text(json.dumps(index, indent=2) + "\n")
    return total


def _write_small_files(source: Path, out: Path, precision: Precision) -> None:
    """Everything beside the weights, and `config.json` with a word about them."""
    for pattern in SMALL_FILES:
        for path in source.glob(pattern):
            if path.name not in (INDEX, "config.json"):
                shutil.copyfile(path, out / path.name)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": QUANT_METHOD, "precision": precision}
    # Whoever loads this needs this program, and not the code the original came with.
    config.pop("auto_map", None)
    (out / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
