"""Checkpoints on the Hugging Face hub, and those in its cache on this machine.

The transfer is huggingface_hub's, and so are the cache (`HF_HOME`), the token (`HF_TOKEN`), the mirror (`HF_ENDPOINT`)
and the offline mode (`HF_HUB_OFFLINE`). This module chooses the files, pins the commit, and tells what went wrong as a
ModelError; it prints nothing. Always: no code is fetched, and a name such as `main` moves on to a new commit only once
all of that commit is here, so an interrupted update leaves the old one in use.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ernie_cli.errors import ErnieError, ModelError, UsageError
from ernie_cli.runtime.config import HUB_TYPE, NATIVE_TYPE

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

DEFAULT_REPO = "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"
DEFAULT_REVISION = "main"
WANTED = (
    *("config.json", "generation_config.json", "preprocessor_config.json", "video_preprocessor_config.json"),
    *("processor_config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "added_tokens.json"),
    *("special_tokens_map.json", "chat_template.jinja", "chat_template.json", "*.safetensors"),
    *("*.safetensors.index.json", "LICENSE*", "README.md", "*.ttf"),
)
WEIGHTS_INDEX = "model.safetensors.index.json"
GO_ON = "Run the same command again: it goes on where it stopped."

# Without this, huggingface_hub tells the hub which machine learning libraries are installed here.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


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
        places = _decoded(self.folder / WEIGHTS_INDEX).get("weight_map")
        shards_named = {str(shard) for shard in places.values()} if isinstance(places, dict) else {WEIGHTS_INDEX}
        return sorted(name for name in shards_named if not (self.folder / name).exists())

    def is_meant_by(self, revision: str) -> bool:
        """Whether a branch, a tag, a commit, or at least seven of its digits mean this one."""
        return revision in self.names or (len(revision) >= 7 and self.commit.startswith(revision))


# Fetching


def plan(repo: str, revision: str = DEFAULT_REVISION) -> Plan:
    """Asks the hub what there is; in offline mode, the cache. Raises ModelError, UsageError for names that are none."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or not re.fullmatch(r"(?!.*\.\.)[\w./-]+", revision):
        raise UsageError(f"{repo}@{revision} names no model of the hub.", f"A name looks like {DEFAULT_REPO}.")
    with _explained(repo, revision):
        try:
            info = HfApi().model_info(repo, revision=revision, timeout=30, files_metadata=True)
        except OfflineModeIsEnabled as offline:
            return _plan_of_cache(repo, revision, offline)
    check_architecture(repo, (info.config or {}).get("model_type"))
    commit = info.sha or ""
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise ModelError(f"The hub names no commit for {repo} at {revision}.", "Check HF_ENDPOINT, if it is set.")
    folder = _home(repo) / "snapshots" / commit
    files = tuple(_wanted(info.siblings or (), folder))
    if files[:1] != tuple(file for file in files if file.name == "config.json") or not _is_weights(files[-1]):
        raise ModelError(
            f"{repo} has no config.json with safetensors weights, so there is nothing in it to run.",
            f"The checkpoint this program is made for is {DEFAULT_REPO}.",
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
            check_architecture(plan.repo, _decoded(Path(path)).get("model_type"))
    _let_name_mean(plan)
    return plan.folder


def check_space(plan: Plan) -> None:
    """Raises ModelError if the disk cannot take what is missing."""
    if plan.need > (free := plan.free):
        raise ModelError(
            f"{plan.repo} needs {size_text(plan.need)} more, and the disk of {_cache()} has {size_text(free)} free.",
            "Free some space, or set HF_HOME to a folder on a larger disk.",
        )


def check_architecture(repo: str, kind: str | None) -> None:
    """Raises ModelError for a `model_type` this program does not run; None is not known yet."""
    if kind not in (None, HUB_TYPE, NATIVE_TYPE):
        raise ModelError(
            f"{repo} is a model of type {kind!r}, which this program does not run.",
            f"It runs {HUB_TYPE} and {NATIVE_TYPE}, such as {DEFAULT_REPO}.",
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
    reference = _home(plan.repo) / "refs" / plan.revision
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
        return f"The disk of {_cache()} is full.", f"Free some space. {GO_ON}"
    # Which HTTP library raises depends on huggingface_hub's version: httpx, then httpx2.
    if type(failed).__module__.partition(".")[0] in ("httpx", "httpx2"):
        return (
            f"The hub at {constants.ENDPOINT} cannot be reached, or the connection was lost ({text}).",
            f"Check the network. {GO_ON}",
        )
    if isinstance(failed, PermissionError):
        return f"{failed.filename or _cache()} cannot be written.", "Set HF_HOME to a folder of yours."
    if isinstance(failed, OSError | RuntimeError | ValueError) or type(failed).__module__.startswith(
        ("huggingface_hub", "hf_xet")
    ):
        return f"Fetching {repo} failed: {text}", GO_ON
    return None


# What is on this machine


def snapshots() -> list[Snapshot]:
    """Every checkpoint of this architecture in the cache, whole or not, the newest of each first."""
    found = []
    for config in _cache().glob("models--*--*/snapshots/*/config.json"):
        folder, home = config.parent, config.parents[2]
        if _decoded(config).get("model_type") in (HUB_TYPE, NATIVE_TYPE):
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


def checksums(snapshot: Snapshot) -> dict[str, str]:
    """The hub's checksums of the files; where it cannot be asked, those that the cache keeps as names of its blobs."""
    from huggingface_hub import HfApi

    try:
        with _explained(snapshot.repo, snapshot.commit):
            info = HfApi().model_info(snapshot.repo, revision=snapshot.commit, timeout=10, files_metadata=True)
        return {file.name: file.checksum for file in _wanted(info.siblings or (), snapshot.folder)}
    except ModelError:
        return {path.name: path.resolve().name for path in snapshot.folder.iterdir() if path.is_symlink()}


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
    cache = scan_cache_dir(_cache())
    # A copy of a repository under another name has the same commits, and must stay.
    only = replace(cache, repos=frozenset(entry for entry in cache.repos if entry.repo_id == repo))
    if not only.repos:
        raise ModelError(
            f"The cache of {repo} is damaged, so huggingface_hub does not remove it.",
            f"Delete the folder yourself: {_home(repo)}",
        )
    strategy = only.delete_revisions(*(snapshot.commit for snapshot in chosen))
    return strategy.expected_freed_size, strategy.execute


def size_text(size: int) -> str:
    """Bytes as a person reads them, in powers of 1000 as disks are sold: `59.3 GB`."""
    from rich.filesize import decimal

    return decimal(size)


def _advice(wanted: str, here: list[Snapshot]) -> str:
    name, _, revision = wanted.partition("@")
    if re.fullmatch(r"\w[\w.-]*/[\w.-]+", name):
        return f"Fetch it with: ernie pull {name}{revision and f' --revision {revision}'}"
    known = {snapshot.repo.split("/")[-1].lower(): snapshot.repo for snapshot in here} | {"ernie-nano": "ernie-nano"}
    near = [known[match] for match in get_close_matches(name.lower(), known, cutoff=0.5)]
    asked = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{asked}Give the folder of a checkpoint, or a name that `ernie models` lists."


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def _home(repo: str) -> Path:
    return _cache() / f"models--{repo.replace('/', '--')}"


def _places(folder: Path, file: RemoteFile) -> set[Path]:
    """Where the cache may hold a file: in its snapshot's folder, and as the blob that a link there means."""
    link, blobs = folder / file.name, folder.parents[1] / "blobs"
    places = {link, link.resolve()} | ({blobs / file.checksum} if file.checksum else set())
    # A link that a person has laid to somewhere else stays the person's.
    return {place for place in places if place == link or place.resolve().is_relative_to(_cache().resolve())}


def _is_damaged(place: Path, file: RemoteFile) -> bool:
    """Whether it leads to nothing, or to a size that is not the hub's (0 where a mirror does not tell)."""
    return not place.exists() or (file.size > 0 and place.stat().st_size != file.size)


def _is_weights(file: RemoteFile) -> bool:
    return file.name.endswith(".safetensors")


def _decoded(path: Path) -> dict[str, Any]:
    try:
        decoded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
