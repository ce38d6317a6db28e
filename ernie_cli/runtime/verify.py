"""Whether a checkpoint folder is whole, told from its small files and the headers of its weights.

Nothing is loaded and no tensor is read, unless a deep check is asked for; then every byte is, a block at a time. What a
checkpoint must hold follows from its configuration by arithmetic, not from building the model.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_cli.errors import ModelError
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.config import Shape, decode_json
from ernie_cli.runtime.precision import stated_precision, stored_tensors
from ernie_cli.runtime.prompt import IMAGE_PATCH

if TYPE_CHECKING:
    from transformers import Ernie4_5_VLMoeConfig

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
LONGEST_HEADER = 100_000_000  # bytes; the safetensors library refuses longer ones too
BLOCK = 1 << 24  # bytes read at a time by the deep check
ITEM_BYTES = {
    **{"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2},
    **{"I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8},
}
# How numpy reads a float of that type, and its bits that are all set in infinities and NaN, and only in them.
EXPONENT_BITS = {"BF16": ("<u2", 0x7F80), "F16": ("<u2", 0x7C00), "F32": ("<u4", 0x7F80_0000)}
AGAIN = "Fetch this file again; the download may have been cut off."


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file of a checkpoint: what, and what to do."""

    file: str
    what: str
    hint: str


@dataclass(frozen=True)
class Tensor:
    """A tensor as a safetensors header describes it; `start` and `end` are offsets in the file, in bytes."""

    dtype: str
    shape: Shape
    start: int
    end: int


class Broken(Exception):
    """What was expected of a file is not so."""

    def __init__(self, file: str, what: str, hint: str = AGAIN) -> None:
        super().__init__(what)
        self.problem = Problem(file, what, hint)


def check(folder: Path, deep: bool = False) -> list[Problem]:
    """What is wrong with the checkpoint in `folder`, the most basic first; nothing if it can be run.

    `deep` reads every weight and looks for infinities and NaN, within a few dozen MB of memory.
    """
    return check_checkpoint(Checkpoint(folder, folder.name), deep)


def check_checkpoint(checkpoint: Checkpoint, deep: bool = False) -> list[Problem]:
    """The same for a checkpoint whose tokenizer and configuration are perhaps already read."""
    found = list(_small_files(checkpoint))
    shards: dict[str, dict[str, Tensor]] = {}
    try:
        promised = shards_of(checkpoint.folder)
    except Broken as broken:
        return [*found, broken.problem]
    for shard, names in promised.items():
        try:
            shards[shard] = header(checkpoint.folder / shard)
        except Broken as broken:
            found.append(broken.problem)
            continue
        if missing := sorted(names - shards[shard].keys()):
            what = f"{shard} lacks {_some(missing)}, which {INDEX} says it holds."
            found.append(Problem(shard, what, "Fetch this file and the index again."))
    if not found:
        # What is missing altogether can only be told once every file is in order.
        found = list(_contents(checkpoint.config, shards))
    if deep:
        for shard, tensors in shards.items():
            found += _values(checkpoint.folder / shard, tensors)
    return found


def _small_files(checkpoint: Checkpoint) -> Iterator[Problem]:
    """Configuration and tokenizer: each readable, and made for each other."""
    name = "config.json"
    try:
        config = checkpoint.config
        name = "generation_config.json"
        _ = checkpoint.generation
        name = "preprocessor_config.json"
        _ = checkpoint.budgets
    except ModelError as error:
        # The configuration needs the tokenizer's ids, so that an error may be the tokenizer's.
        name = next((file for file in ("tokenizer.model", "tokenizer.json") if file in error.message), name)
        yield Problem(name, error.message, error.hint)
        return
    tokenizer = checkpoint.tokenizer
    if len(tokenizer) > config.text_config.vocab_size:
        what = f"The tokenizer has {len(tokenizer)} tokens, but the model only {config.text_config.vocab_size}."
        yield Problem("config.json", what, "The two belong to different models; fetch both again.")
    if tokenizer.id(IMAGE_PATCH) != config.image_token_id:
        what = f"config.json has pictures as token {config.image_token_id}, the tokenizer {tokenizer.id(IMAGE_PATCH)}."
        yield Problem("config.json", what, "The two belong to different models; fetch both again.")


def shards_of(folder: Path) -> dict[str, set[str]]:
    """The weight files there should be, with the tensors the index promises of each. Raises Broken."""
    if (folder / SINGLE).exists():
        return {SINGLE: set()}  # this is the one transformers reads, even beside an index
    path = folder / INDEX
    if not path.exists():
        what = f"{folder} has neither {SINGLE} nor {INDEX}."
        raise Broken(INDEX, what, "Fetch the checkpoint again, with all its safetensors files.")
    try:
        places = decode_json(path).get("weight_map")
    except ModelError as error:
        raise Broken(INDEX, error.message, error.hint) from error
    if not isinstance(places, dict) or not places:
        raise Broken(INDEX, f"{path} has no weight_map.", "Fetch this file again.")
    shards: dict[str, set[str]] = {}
    for tensor, shard in places.items():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise Broken(INDEX, f"{path} has {tensor} in {shard!r}, which is no file name.", "Fetch this file again.")
        shards.setdefault(shard, set()).add(tensor)
    return dict(sorted(shards.items()))


def header(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name. Raises Broken if it is none, or not as long as its header says.

    The format is 8 bytes with the header's length, little-endian, the header as JSON, then the tensors without gaps.
    """
    shard = path.name
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if start == b"version ":
                hint = "Run `git lfs pull` in the folder, or fetch the file itself."
                raise Broken(shard, f"{shard} is only a git-lfs pointer, not the weights.", hint)
            (length,) = struct.unpack("<Q", start.ljust(8, b"\0"))
            if not 2 <= length <= min(LONGEST_HEADER, size - 8):
                raise Broken(shard, f"{shard} is cut off or no safetensors file ({size} bytes).")
            tensors = _tensors(json.loads(file.read(length)), 8 + length)
    except FileNotFoundError as missing:
        raise Broken(shard, f"{shard} is missing.", "Fetch this file; the index names it.") from missing
    except OSError as unreadable:
        raise Broken(shard, f"{shard} cannot be read: {unreadable.strerror}.") from unreadable
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
        raise Broken(shard, f"{shard} has no valid safetensors header.") from wrong
    expected = max((tensor.end for tensor in tensors.values()), default=8 + length)
    if size != expected:
        raise Broken(shard, f"{shard} has {size} bytes, but its header promises {expected}.")
    return tensors


def _tensors(raw: dict[str, Any], base: int) -> dict[str, Tensor]:
    tensors = {}
    for name, entry in raw.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        tensor = Tensor(entry["dtype"], tuple(entry["shape"]), base + start, base + end)
        width = ITEM_BYTES.get(tensor.dtype)
        if start < 0 or (width is not None and end - start != width * math.prod(tensor.shape)):
            raise ValueError(name)
        tensors[name] = tensor
    return tensors


def _contents(config: Ernie4_5_VLMoeConfig, shards: Mapping[str, Mapping[str, Tensor]]) -> Iterator[Problem]:
    """Tensors the architecture needs and nobody has, or has in another shape. Strays such as `mtp_*` are no matter."""
    held = {hub_name(name): (shard, tensor) for shard, tensors in shards.items() for name, tensor in tensors.items()}
    if any(name.startswith("model.language_model.") for name in held):
        return  # transformers' names in memory, with fused experts: what is missing is told after loading
    needed = stored_tensors(config, stated_precision(config) or "bf16")
    where = INDEX if len(shards) > 1 else next(iter(shards))
    if missing := [name for name in needed if name not in held]:
        what = f"{where} lacks {_some(missing)}, without which the model cannot run."
        yield Problem(where, what, "Fetch the checkpoint again, with all its safetensors files.")
    for name, (dtype, shape) in needed.items():
        shard, tensor = held.get(name, (where, None))
        if tensor is not None and (tensor.shape != shape or dtype not in (None, tensor.dtype)):
            has, asks = (f"{list(size)}" for size in (tensor.shape, shape))
            if dtype not in (None, tensor.dtype):
                has, asks = f"{has} of {tensor.dtype}", f"{asks} of {dtype}"
            what = f"{shard} has {name} in the shape {has}, but config.json asks for {asks}."
            yield Problem(shard, what, "Weights and config.json belong to different models; fetch both again.")
            return


def hub_name(name: str) -> str:
    # transformers writes the tower one level deeper than Baidu does, and reads it from both places.
    return name.removeprefix("model.") if name.startswith("model.vision_model.") else name


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} tensors, such as {names[0]}"


def _values(path: Path, tensors: Mapping[str, Tensor]) -> Iterator[Problem]:
    """The first tensor of a shard that holds an infinity or NaN."""
    import numpy as np

    with path.open("rb") as file:
        for name, tensor in tensors.items():
            kind, bits = EXPONENT_BITS.get(tensor.dtype, ("u1", 0))
            file.seek(tensor.start)
            for start in range(tensor.start, tensor.end, BLOCK):
                block = file.read(min(BLOCK, tensor.end - start))
                if bits and ((np.frombuffer(block, kind) & bits) == bits).any():
                    yield Problem(path.name, f"{path.name} holds infinities or NaN in {name}.", AGAIN)
                    return
