"""Checkpoints on the Hugging Face hub: which files of one are wanted, and how they come to the cache on this machine.

The transfer is huggingface_hub's, and so are the cache (`HF_HOME`), the token (`HF_TOKEN`), the mirror (`HF_ENDPOINT`)
and the offline mode (`HF_HUB_OFFLINE`). This module chooses the files, pins the commit, and tells what went wrong as a
ModelError; it prints nothing. Always: no code is fetched, and a name such as `main` moves on to a new commit only once
all of that commit is here, so an interrupted update leaves the old one in use. What lies in the cache already,
snapshots.py knows.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ernie_cli.errors import ErnieError, ModelError, UsageError
from ernie_cli.runtime.checkpoint import FULL
from ernie_cli.runtime.config import HUB_TYPE, NATIVE_TYPE
from ernie_cli.runtime.snapshots import (
    DEFAULT_REVISION,
    Snapshot,
    cache_folder,
    decoded,
    home_of,
    size_text,
    snapshots,
)

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

WANTED = (
    *("config.json", "generation_config.json", "preprocessor_config.json", "video_preprocessor_config.json"),
    *("processor_config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "added_tokens.json"),
    *("special_tokens_map.json", "chat_template.jinja", "chat_template.json", "*.safetensors"),
    *("*.safetensors.index.json", "LICENSE*", "README.md", "*.ttf"),
)
GO_ON = "Run the same command again: it goes on where it stopped."


class RemoteFile(NamedTuple):
    """A file on the hub: its size in bytes, the hub's checksum of it, and whether it is in the cache already."""

    name: str
    size: int
    checksum: str
    here: bool


class Bar(Protocol):
    """Watches a transfer, file by file."""

    def begin(self, name: str, size: int) -> None: ...
    def advance(self, size: int) -> None: ...
    def end(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """What fetching a checkpoint comes to: the pinned commit, its folder, and the files in the order they come."""

    repo: str
    revision: str
    commit: str
    folder: Path
    files: tuple[RemoteFile, ...]
    offline: bool = False

    @cached_property
    def missing(self) -> tuple[RemoteFile, ...]:
        """The files that are not here yet."""
        return tuple(file for file in self.files if not file.here)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def need(self) -> int:
        """Bytes of the files that are not here yet."""
        return sum(file.size for file in self.missing)

    @property
    def free(self) -> int:
        """Bytes free on the disk of the cache."""
        existing = next(place for place in (self.folder, *self.folder.parents) if place.exists())
        return shutil.disk_usage(existing).free


# Fetching


def plan(repo: str, revision: str = DEFAULT_REVISION) -> Plan:
    """Asks the hub what there is; in offline mode, the cache. Raises ModelError, UsageError for names that are none."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or not re.fullmatch(r"(?!.*\.\.)[\w./-]+", revision):
        raise UsageError(f"{repo}@{revision} names no model of the hub.", f"A name looks like {FULL}.")
    with _explained(repo, revision):
        try:
            info = HfApi().model_info(repo, revision=revision, timeout=30, files_metadata=True)
        except OfflineModeIsEnabled as offline:
            return _plan_of_cache(repo, revision, offline)
    check_architecture(repo, (info.config or {}).get("model_type"))
    commit = info.sha or ""
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise ModelError(f"The hub names no commit for {repo} at {revision}.", "Check HF_ENDPOINT, if it is set.")
    folder = home_of(repo) / "snapshots" / commit
    files = tuple(_wanted(info.siblings or (), folder))
    if files[:1] != tuple(file for file in files if file.name == "config.json") or not _is_weights(files[-1]):
        raise ModelError(
            f"{repo} has no config.json with safetensors weights, so there is nothing in it to run.",
            f"The checkpoint this program is made for is {FULL}.",
        )
    return Plan(repo, revision, commit, folder, files)


def _wanted(siblings: Iterable[RepoSibling], folder: Path) -> list[RemoteFile]:
    files = []
    for sibling in siblings:
        name, size = sibling.rfilename, sibling.size or 0
        # Only the top folder: subfolders hold the same weights in other formats.
        if any(fnmatchcase(name, wanted) for wanted in WANTED) and not re.search(r"[/\\:]", name):
            checksum = (sibling.lfs.sha256 if sibling.lfs else sibling.blob_id) or ""
            file = RemoteFile(name, size, checksum if re.fullmatch(r"[0-9a-f]{40,64}", checksum) else "", False)
            there = [place for place in _places(folder, file) if place.exists()]
            files.append(file._replace(here=bool(there) and not any(_is_damaged(place, file) for place in there)))
    # The small files first, so that an interrupted download knows what it lacks.
    return sorted(files, key=lambda file: (file.name != "config.json", _is_weights(file), file.name))


def fetch(plan: Plan, bar: Bar) -> Path:
    """Downloads what is missing, one file after another, and returns the folder. Raises ModelError.

    One at a time: nothing is gained by several where the hub sends one file in parallel parts, and an interruption
    costs one file begun instead of eight.
    """
    from huggingface_hub import hf_hub_download

    # Its notes on every lost connection carry URLs with signatures; what matters of them is in our errors.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    for file in plan.files:
        if not file.here:
            bar.begin(file.name, file.size)
            for place in _places(plan.folder, file):
                if _is_damaged(place, file):
                    place.unlink(missing_ok=True)
        with _explained(plan.repo, plan.revision):
            path = hf_hub_download(plan.repo, file.name, revision=plan.commit, tqdm_class=_silent_bar(bar.advance))
        if not file.here:
            bar.end()
        if file.name == "config.json":
            check_architecture(plan.repo, decoded(Path(path)).get("model_type"))
    _let_name_mean(plan)
    return plan.folder


def checksums(snapshot: Snapshot) -> dict[str, str]:
    """The hub's checksums of the files; where it cannot be asked, those that the cache keeps as names of its blobs."""
    from huggingface_hub import HfApi

    try:
        with _explained(snapshot.repo, snapshot.commit):
            info = HfApi().model_info(snapshot.repo, revision=snapshot.commit, timeout=10, files_metadata=True)
        return {file.name: file.checksum for file in _wanted(info.siblings or (), snapshot.folder)}
    except ModelError:
        return {path.name: path.resolve().name for path in snapshot.folder.iterdir() if path.is_symlink()}


def surroundings() -> str:
    """The hub, the token and the cache that huggingface_hub's variables come to; the token itself stays untold."""
    from huggingface_hub import constants, get_token

    return f"Hub {constants.ENDPOINT}, {'a' if get_token() else 'no'} token, cache {cache_folder()}"


def check_space(plan: Plan) -> None:
    """Raises ModelError if the disk cannot take what is missing."""
    if plan.need > (free := plan.free):
        raise ModelError(
            f"{plan.repo} needs {size_text(plan.need)} more, "
            f"and the disk of {cache_folder()} has {size_text(free)} free.",
            "Free some space, or set HF_HOME to a folder on a larger disk.",
        )


def check_architecture(repo: str, kind: str | None) -> None:
    """Raises ModelError for a `model_type` this program does not run; None is not known yet."""
    if kind not in (None, HUB_TYPE, NATIVE_TYPE):
        raise ModelError(
            f"{repo} is a model of type {kind!r}, which this program does not run.",
            f"It runs {HUB_TYPE} and {NATIVE_TYPE}, such as {FULL}.",
        )


def _plan_of_cache(repo: str, revision: str, offline: Exception) -> Plan:
    for snapshot in snapshots():
        if snapshot.repo == repo and snapshot.is_meant_by(revision) and not snapshot.missing:
            found = sorted(path for path in snapshot.folder.iterdir() if path.is_file())
            files = tuple(RemoteFile(path.name, path.stat().st_size, "", True) for path in found)
            return Plan(repo, revision, snapshot.commit, snapshot.folder, files, offline=True)
    raise ModelError(
        f"{repo} at {revision} is not wholly on this machine, and the offline mode keeps it from being fetched.",
        "Unset HF_HUB_OFFLINE and run the same command again.",
    ) from offline


def _let_name_mean(plan: Plan) -> None:
    """Writes the cache's own note of the commit a branch or tag means."""
    if plan.offline or plan.revision == plan.commit:
        return
    reference = home_of(plan.repo) / "refs" / plan.revision
    with _explained(plan.repo, plan.revision):
        reference.parent.mkdir(parents=True, exist_ok=True)
        temporary = reference.with_name(f"{reference.name}.{os.getpid()}")
        temporary.write_text(plan.commit, encoding="utf-8")
        temporary.replace(reference)


def _silent_bar(advance: Callable[[int], None]) -> type[Any]:
    """A progress bar for huggingface_hub that draws nothing and passes the bytes on."""
    from huggingface_hub.utils.tqdm import tqdm

    class Silent(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            # A Xet transfer has two bars: for what is written, and for what comes over the network, compressed.
            self.counts = not str(options.get("name")).endswith(".transfer")
            super().__init__(*args, **{**options, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            if self.counts:
                advance(int(n or 0))

    return Silent


@contextmanager
def _explained(repo: str, revision: str) -> Iterator[None]:
    try:
        yield
    except ErnieError:
        raise
    except Exception as failed:
        # huggingface_hub looks into its cache when a request fails, and then reports that it found nothing there.
        cause = failed.__cause__ if isinstance(failed, FileNotFoundError) and failed.__cause__ else failed
        told = _refusal(cause, repo, revision) or _breakdown(cause, repo)
        if told is None:
            raise
        raise ModelError(*told) from failed


def _refusal(failed: BaseException, repo: str, revision: str) -> tuple[str, str] | None:
    """What the hub's own answer means, as what happened and what to do."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    token = "set HF_TOKEN to a token that may read it"
    answers = {
        GatedRepoError: (f"{repo} is gated.", f"Accept its terms on its page on the hub, then {token}."),
        RepositoryNotFoundError: (
            f"There is no model {repo} on the hub, or it is private.",
            f"Check the name; for a private model, {token}.",
        ),
        RevisionNotFoundError: (f"{repo} has no revision {revision}.", "Give a branch, a tag or a commit of it."),
    }
    for kind, told in answers.items():
        if isinstance(failed, kind):
            return told
    if not isinstance(failed, HfHubHTTPError):
        return None
    status = failed.response.status_code
    if status == 401 and get_token() is None:
        return answers[RepositoryNotFoundError]
    if status in (401, 403):
        return f"The hub refused access to {repo} (HTTP {status}).", f"The token may be wrong or expired: {token}."
    return f"The hub answered HTTP {status} about {repo}.", f"Wait a little. {GO_ON}"


def _breakdown(failed: BaseException, repo: str) -> tuple[str, str] | None:
    """What a broken connection or disk means; None for what is neither."""
    from huggingface_hub import constants

    text = str(failed).strip().split("\n")[0]
    if getattr(failed, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text:
        return f"The disk of {cache_folder()} is full.", f"Free some space. {GO_ON}"
    # Which HTTP library raises depends on huggingface_hub's version: httpx, then httpx2.
    if type(failed).__module__.partition(".")[0] in ("httpx", "httpx2"):
        return (
            f"The hub at {constants.ENDPOINT} cannot be reached, or the connection was lost ({text}).",
            f"Check the network. {GO_ON}",
        )
    if isinstance(failed, PermissionError):
        return f"{failed.filename or cache_folder()} cannot be written.", "Set HF_HOME to a folder of yours."
    if isinstance(failed, OSError | RuntimeError | ValueError) or type(failed).__module__.startswith(
        ("huggingface_hub", "hf_xet")
    ):
        return f"Fetching {repo} failed: {text}", GO_ON
    return None


def _places(folder: Path, file: RemoteFile) -> set[Path]:
    """Where the cache may hold a file: in its snapshot's folder, and as the blob that a link there means."""
    link, blobs = folder / file.name, folder.parents[1] / "blobs"
    places = {link, link.resolve()} | ({blobs / file.checksum} if file.checksum else set())
    # A link that a person has laid to somewhere else stays the person's.
    return {place for place in places if place == link or place.resolve().is_relative_to(cache_folder().resolve())}


def _is_damaged(place: Path, file: RemoteFile) -> bool:
    """Whether it leads to nothing, or to a size that is not the hub's (0 where a mirror does not tell)."""
    return not place.exists() or (file.size > 0 and place.stat().st_size != file.size)


def _is_weights(file: RemoteFile) -> bool:
    return file.name.endswith(".safetensors")
