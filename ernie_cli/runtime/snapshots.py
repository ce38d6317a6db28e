"""Checkpoints in the Hugging Face cache on this machine: which there are, what a name means, what they lack.

The cache's layout is huggingface_hub's: `models--OWNER--NAME` with `snapshots/COMMIT`, whose files are links to blobs,
and `refs`, which say what commit a branch or tag means. This module reads it and removes from it; it asks nobody and
fetches nothing, which is hub.py's part.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ernie_cli.errors import ModelError
from ernie_cli.runtime.config import HUB_TYPE, NATIVE_TYPE

DEFAULT_REVISION = "main"
WEIGHTS_INDEX = "model.safetensors.index.json"

# Without this, huggingface_hub tells the hub which machine learning libraries are installed here.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True)
class Snapshot:
    """One commit of a checkpoint in the cache, and the branches and tags that mean it."""

    repo: str
    commit: str
    names: tuple[str, ...]
    folder: Path

    @property
    def name(self) -> str:
        """What to call the revision: `main` or another name where there is one, else the commit."""
        return DEFAULT_REVISION if DEFAULT_REVISION in self.names else next(iter(self.names), self.commit)

    @property
    def missing(self) -> list[str]:
        """The weight files that should be here and are not."""
        if not (self.folder / WEIGHTS_INDEX).exists():
            shards = sorted(self.folder.glob("*.safetensors"))
            return [] if shards and not re.search(r"-of-\d+\.", shards[0].name) else ["model.safetensors"]
        places = decoded(self.folder / WEIGHTS_INDEX).get("weight_map")
        shards_named = {str(shard) for shard in places.values()} if isinstance(places, dict) else {WEIGHTS_INDEX}
        return sorted(name for name in shards_named if not (self.folder / name).exists())

    def is_meant_by(self, revision: str) -> bool:
        """Whether a branch, a tag, a commit, or at least seven of its digits mean this one."""
        return revision in self.names or (len(revision) >= 7 and self.commit.startswith(revision))


def snapshots() -> list[Snapshot]:
    """Every checkpoint of this architecture in the cache, whole or not, the newest of each first."""
    found = []
    for config in cache_folder().glob("models--*--*/snapshots/*/config.json"):
        folder, home = config.parent, config.parents[2]
        if decoded(config).get("model_type") in (HUB_TYPE, NATIVE_TYPE):
            references = [path for path in (home / "refs").rglob("*") if path.is_file()]
            meaning = [path for path in references if path.read_text(encoding="utf-8").strip() == folder.name]
            names = sorted(path.relative_to(home / "refs").as_posix() for path in meaning)
            repo = home.name.removeprefix("models--").replace("--", "/")
            found.append(Snapshot(repo, folder.name, tuple(names), folder))
    return sorted(found, key=lambda snapshot: (snapshot.repo, -snapshot.folder.stat().st_mtime))


def locate(wanted: str) -> list[Snapshot]:
    """The snapshots of `owner/name` or `name`, all or those of `@revision`, first the one in use. Raises ModelError."""
    name, _, revision = wanted.partition("@")
    here = snapshots()
    chosen = [found for found in here if name.lower() in (found.repo.lower(), found.repo.split("/")[-1].lower())]
    repos = sorted({snapshot.repo for snapshot in chosen})
    if not repos:
        raise ModelError(f"There is no model {wanted!r} on this machine.", _advice(wanted, here))
    if len(repos) > 1:
        raise ModelError(f"{name!r} may mean {' or '.join(repos)}.", "Give the whole name.")
    if revision and not (chosen := [snapshot for snapshot in chosen if snapshot.is_meant_by(revision)]):
        raise ModelError(
            f"{repos[0]} is on this machine, but not at revision {revision}.",
            f"Fetch it: ernie pull {repos[0]} --revision {revision}",
        )
    return sorted(chosen, key=lambda snapshot: DEFAULT_REVISION not in snapshot.names)


def require_whole(snapshot: Snapshot) -> None:
    """Raises ModelError if weights are missing."""
    if missing := snapshot.missing:
        more = f" and {len(missing) - 1} more are" if missing[1:] else " is"
        raise ModelError(
            f"{snapshot.repo} is on this machine only in part: {missing[0]}{more} missing.",
            f"Fetch the rest: {fetching(snapshot)}",
        )


def fetching(snapshot: Snapshot) -> str:
    """The command that fetches a snapshot, or what is missing of it."""
    return f"ernie pull {snapshot.repo}" + ("" if snapshot.name == DEFAULT_REVISION else f" --revision {snapshot.name}")


def matches(path: Path, checksum: str, advance: Callable[[int], None]) -> bool:
    """Whether a file has the checksum the hub gives it: SHA-256 for large files, git's blob id for small ones."""
    is_git = len(checksum) == 40
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size) if is_git else hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest() == checksum


def remove(chosen: Sequence[Snapshot]) -> tuple[int, Callable[[], None]]:
    """The bytes that removing snapshots of one repository frees, and a call that does it. Raises ModelError."""
    from huggingface_hub import scan_cache_dir

    repo = chosen[0].repo
    cache = scan_cache_dir(cache_folder())
    # A copy of a repository under another name has the same commits, and must stay.
    only = replace(cache, repos=frozenset(entry for entry in cache.repos if entry.repo_id == repo))
    if not only.repos:
        raise ModelError(
            f"The cache of {repo} is damaged, so huggingface_hub does not remove it.",
            f"Delete the folder yourself: {home_of(repo)}",
        )
    strategy = only.delete_revisions(*(snapshot.commit for snapshot in chosen))
    return strategy.expected_freed_size, strategy.execute


def cache_folder() -> Path:
    """Where huggingface_hub keeps what it fetches."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def home_of(repo: str) -> Path:
    """The cache's folder of a repository."""
    return cache_folder() / f"models--{repo.replace('/', '--')}"


def size_text(size: int) -> str:
    """Bytes as a person reads them, in powers of 1000 as disks are sold: `59.3 GB`."""
    from rich.filesize import decimal

    return decimal(size)


def decoded(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one for what cannot be read or is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _advice(wanted: str, here: list[Snapshot]) -> str:
    name, _, revision = wanted.partition("@")
    if re.fullmatch(r"\w[\w.-]*/[\w.-]+", name):
        return f"Fetch it with: ernie pull {name}{revision and f' --revision {revision}'}"
    known = {snapshot.repo.split("/")[-1].lower(): snapshot.repo for snapshot in here} | {"ernie-nano": "ernie-nano"}
    near = [known[match] for match in get_close_matches(name.lower(), known, cutoff=0.5)]
    asked = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{asked}Give the folder of a checkpoint, or a name that `ernie models` lists."
