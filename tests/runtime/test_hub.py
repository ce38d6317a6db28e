"""Fetching from a hub that runs here."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import namedtuple
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from ernie_cli.errors import ModelError, UsageError
from ernie_cli.runtime import hub as fetching
from ernie_cli.runtime.checkpoint import find

REPO = "baidu/ERNIE-Tiny"
FIRST, SECOND = "a" * 40, "b" * 40
CONFIG = {
    **{"model_type": "ernie4_5_moe_vl", "num_hidden_layers": 2, "hidden_size": 64, "moe_num_experts": [4, 4]},
    **{"moe_k": 2, "vocab_size": 512, "max_position_embeddings": 4096, "torch_dtype": "bfloat16"},
    "vision_config": {"depth": 2, "hidden_size": 32},
}
SHARDS = {f"model-0000{n}-of-00003.safetensors": bytes([n]) * (1000 * n) for n in (1, 2, 3)}
NAMES = tuple(SHARDS)
FILES = {
    "config.json": json.dumps(CONFIG).encode(),
    "model.safetensors.index.json": json.dumps(
        {"weight_map": {f"layer.{n}": shard for n, shard in enumerate(SHARDS)}}
    ).encode(),
    "tokenizer.model": b"pieces",
    "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
    **{"LICENSE": b"free", "README.md": b"# Tiny", "Roboto-Regular.ttf": b"font", **SHARDS},
}
UNWANTED = {
    **{"modeling_tiny.py": b"raise SystemExit", "pytorch_model.bin": b"pickle", "model.pdparams": b"paddle"},
    **{".gitattributes": b"", "onnx/model.safetensors": b"twice", "figure.png": b"png"},
}


@dataclass
class FakeHub:
    """Answers what huggingface_hub asks of the real one, and remembers each request."""

    files: dict[str, dict[str, bytes]] = field(default_factory=lambda: {FIRST: FILES | UNWANTED})
    branches: dict[str, str] = field(default_factory=lambda: {"main": FIRST})
    log: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    refusal: tuple[int, dict[str, str]] | None = None
    endpoint: str = ""
    stalled: Event = field(default_factory=Event)
    resume: Event = field(default_factory=Event)

    def fetched(self, method: str = "GET") -> list[str]:
        """The files whose content was asked for."""
        return [path.rsplit("/", 1)[1] for verb, path, _ in self.log if verb == method and "/resolve/" in path]


class Answer(BaseHTTPRequestHandler):
    """Of the paths `/api/models/REPO/revision/REV` and `/REPO/resolve/COMMIT/FILE`."""

    hub: FakeHub

    def do_GET(self) -> None:
        self.hub.log.append((self.command, self.path, dict(self.headers)))
        parts = self.path.split("?")[0].strip("/").split("/")
        with suppress(ConnectionError):
            if self.hub.refusal:
                self.send(*self.hub.refusal)
            elif "/".join(parts[2:4] if parts[0] == "api" else parts[:2]) != REPO:
                self.send(404, {"X-Error-Code": "RepoNotFound"})
            elif parts[0] == "api":
                self.describe(parts[5])
            else:
                self.serve(parts[3], "/".join(parts[4:]))

    do_HEAD = do_GET

    def describe(self, revision: str) -> None:
        commit = self.hub.branches.get(revision, revision)
        if commit not in self.hub.files:
            self.send(404, {"X-Error-Code": "RevisionNotFound"})
            return
        siblings = [sibling(name, data) for name, data in self.hub.files[commit].items()]
        info = {"id": REPO, "sha": commit, "siblings": siblings, "config": {"model_type": "ernie4_5_moe_vl"}}
        self.send(200, {}, json.dumps(info).encode())

    def serve(self, commit: str, name: str) -> None:
        data = self.hub.files[commit][name]
        large = name.endswith(".safetensors")
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag(name, data)}"', "Accept-Ranges": "bytes"}
        headers |= {"X-Linked-Size": str(len(data)), "X-Linked-Etag": headers["ETag"]} if large else {}
        start = int(self.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
        part = data[start:]
        fault = "" if self.command == "HEAD" else self.hub.broken.get(name)
        if fault == "short":
            part = part[: len(part) // 2]
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        promised = len(part)
        if fault == "dropped":
            part = part[: len(part) // 2]
            del self.hub.broken[name]
        if fault == "stalled":
            self.hub.stalled.set()
            self.hub.resume.wait(30)
        self.send(206 if start else 200, headers, part, promised)

    def send(self, status: int, headers: dict[str, str], body: bytes = b"", length: int | None = None) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body) if length is None else length)}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


def etag(name: str, data: bytes) -> str:
    if name.endswith(".safetensors"):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sibling(name: str, data: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": etag("", data)}
    if name.endswith(".safetensors"):
        entry["lfs"] = {"sha256": etag(name, data), "size": len(data), "pointerSize": 130}
    return entry


@pytest.fixture(name="hub")
def serving_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub on this machine, for this process and those it starts, with an empty cache in `tmp_path`."""
    from huggingface_hub import constants

    fake = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Answer,), {"hub": fake}))
    fake.endpoint = f"http://127.0.0.1:{server.server_port}"
    for variable in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HF_ENDPOINT", fake.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    # In this process huggingface_hub has read the variables long ago.
    monkeypatch.setattr(constants, "ENDPOINT", fake.endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", fake.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield fake
    fake.resume.set()
    server.shutdown()
    server.server_close()
    thread.join()


class Watched:
    """A progress bar that counts."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.bytes = 0

    def begin(self, name: str, size: int) -> None:
        self.names.append(name)

    def advance(self, size: int) -> None:
        self.bytes += size

    def end(self) -> None:
        pass


def pulled(revision: str = "main") -> Path:
    return fetching.fetch(fetching.plan(REPO, revision), Watched())


def test_only_the_wanted_files_are_asked_for_config_first_and_weights_last(hub: FakeHub) -> None:
    plan, bar = fetching.plan(REPO), Watched()
    assert (plan.commit, plan.size, plan.need) == (FIRST, sum(map(len, FILES.values())), plan.size)
    folder = fetching.fetch(plan, bar)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert bar.names == [file.name for file in plan.files] == hub.fetched()
    assert (bar.names[0], bar.names[-3:]) == ("config.json", list(SHARDS))
    assert bar.bytes == plan.size


def test_a_second_time_nothing_is_fetched(hub: FakeHub) -> None:
    pulled()
    hub.log.clear()
    plan = fetching.plan(REPO)
    assert (plan.missing, plan.need) == ((), 0)
    fetching.fetch(plan, Watched())
    assert [verb for verb, _, _ in hub.log] == ["GET"]
    assert hub.fetched() == []


def test_a_lost_connection_is_taken_up_within_the_file(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100)
    shard = NAMES[1]
    hub.broken[shard] = "dropped"
    assert (pulled() / shard).read_bytes() == SHARDS[shard]
    ranges = [headers.get("Range") for verb, path, headers in hub.log if verb == "GET" and path.endswith(shard)]
    assert ranges == [None, "bytes=1000-"]


def test_a_cut_off_file_is_told_and_the_next_time_only_the_rest_comes(hub: FakeHub) -> None:
    shard = NAMES[1]
    hub.broken[shard] = "short"
    with pytest.raises(ModelError, match="Fetching baidu/ERNIE-Tiny failed") as told:
        pulled()
    assert "goes on where it stopped" in told.value.hint
    with pytest.raises(ModelError, match=r"only in part: model-00002-of-00003\.safetensors and 1 more are missing"):
        find(REPO)
    hub.broken.clear()
    hub.log.clear()
    pulled()
    assert tuple(hub.fetched()) == NAMES[1:]


def test_a_file_that_was_damaged_here_is_fetched_again(hub: FakeHub) -> None:
    shard = NAMES[2]
    damaged = pulled() / shard
    damaged.resolve().write_bytes(b"half")
    hub.log.clear()
    assert [file.name for file in fetching.plan(REPO).missing] == [shard]
    pulled()
    assert hub.fetched() == [shard]
    assert damaged.read_bytes() == SHARDS[shard]


def test_a_damaged_file_that_a_person_linked_from_elsewhere_is_left_alone(hub: FakeHub, tmp_path: Path) -> None:
    link, elsewhere = pulled() / NAMES[2], tmp_path / "elsewhere.safetensors"
    elsewhere.write_bytes(b"mine")
    link.unlink()
    link.symlink_to(elsewhere)
    pulled()
    assert (elsewhere.read_bytes(), link.read_bytes()) == (b"mine", SHARDS[NAMES[2]])


def test_what_another_process_has_fetched_meanwhile_stays(hub: FakeHub) -> None:
    early = fetching.plan(REPO)
    pulled()
    hub.log.clear()
    fetching.fetch(early, Watched())
    assert hub.fetched() == []


def test_a_mirror_without_sizes_fetches_nothing_twice(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sibling
    monkeypatch.setattr(f"{__name__}.sibling", lambda name, data: whole(name, data) | {"size": None})
    pulled()
    hub.log.clear()
    pulled()
    assert hub.fetched() == []


@pytest.mark.parametrize("name", ["..\\up.safetensors", "../up.safetensors", "c:up.safetensors"])
def test_names_that_lead_elsewhere_are_not_wanted(hub: FakeHub, name: str) -> None:
    hub.files[FIRST] = FILES | {name: b"evil"}
    assert {file.name for file in fetching.plan(REPO).files} == set(FILES)


def test_a_commit_that_is_none_is_refused(hub: FakeHub) -> None:
    hub.files["../../outside"] = FILES
    hub.branches["main"] = "../../outside"
    with pytest.raises(ModelError, match="names no commit"):
        fetching.plan(REPO)


def test_a_branch_is_asked_anew_and_only_what_changed_comes(hub: FakeHub) -> None:
    old = pulled()
    hub.files[SECOND] = FILES | {"README.md": b"# Tiny 2"}
    hub.branches["main"] = SECOND
    assert find(REPO).folder == old
    hub.log.clear()
    new = pulled()
    assert hub.fetched() == ["README.md"]
    assert (new.name, find(REPO).folder, find(f"{REPO}@{FIRST[:7]}").folder) == (SECOND, new, old)


def test_an_interrupted_update_leaves_the_old_commit_in_use(hub: FakeHub) -> None:
    old = pulled()
    hub.files[SECOND] = FILES | {"model-00003-of-00003.safetensors": b"new" * 500}
    hub.branches["main"] = SECOND
    hub.broken["model-00003-of-00003.safetensors"] = "short"
    with pytest.raises(ModelError):
        pulled()
    assert find(REPO).folder == old
    with pytest.raises(ModelError, match="only in part") as told:
        find(f"{REPO}@{SECOND}")
    assert told.value.hint == f"Fetch the rest: ernie pull {REPO} --revision {SECOND}"


def test_a_pinned_commit_moves_no_branch(hub: FakeHub) -> None:
    folder = pulled(FIRST)
    assert not (folder.parents[1] / "refs").exists()
    assert find(REPO).folder == folder


REFUSALS = [
    ((404, {"X-Error-Code": "RepoNotFound"}), "no model baidu/ERNIE-Tiny on the hub", "HF_TOKEN"),
    ((401, {}), "no model baidu/ERNIE-Tiny on the hub", "HF_TOKEN"),
    ((403, {"X-Error-Code": "GatedRepo"}), "is gated", "Accept its terms"),
    ((404, {"X-Error-Code": "RevisionNotFound"}), "has no revision main", "a tag or a commit"),
    ((401, {"X-Error-Message": "Invalid credentials in Authorization header"}), "refused access", "token may be wrong"),
    ((503, {}), "answered HTTP 503", "Run the same command again"),
]


@pytest.mark.parametrize(("refusal", "what", "hint"), REFUSALS)
def test_what_the_hub_refuses_is_told(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, refusal: tuple[int, dict[str, str]], what: str, hint: str
) -> None:
    hub.refusal = refusal
    if "token" in hint:
        monkeypatch.setenv("HF_TOKEN", "hf_old")
    with pytest.raises(ModelError, match=what) as told:
        fetching.plan(REPO)
    assert hint in told.value.hint


def test_a_gate_before_the_files_is_told(hub: FakeHub) -> None:
    plan = fetching.plan(REPO)
    hub.refusal = (403, {"X-Error-Code": "GatedRepo"})
    with pytest.raises(ModelError, match="is gated"):
        fetching.fetch(plan, Watched())


def test_a_portal_that_answers_for_the_hub_is_told(hub: FakeHub) -> None:
    hub.refusal = (200, {})
    with pytest.raises(ModelError, match="Fetching baidu/ERNIE-Tiny failed"):
        fetching.plan(REPO)


def test_another_architecture_is_refused_before_its_weights(hub: FakeHub) -> None:
    hub.files[FIRST] = FILES | {"config.json": b'{"model_type": "bert"}'}
    with pytest.raises(ModelError, match="of type 'bert'"):
        pulled()
    assert hub.fetched() == ["config.json"]


@pytest.mark.parametrize("lacking", ["config.json", *SHARDS])
def test_a_repository_without_config_or_weights_is_refused(hub: FakeHub, lacking: str) -> None:
    dropped = set(SHARDS) if lacking in SHARDS else {lacking}
    hub.files[FIRST] = {name: data for name, data in FILES.items() if name not in dropped}
    with pytest.raises(ModelError, match="nothing in it to run"):
        fetching.plan(REPO)


@pytest.mark.parametrize(("repo", "revision"), [("gpt2", "main"), ("a/b/c", "main"), (REPO, "../../x"), ("a /b", "m")])
def test_a_name_that_cannot_be_is_a_usage_error(repo: str, revision: str) -> None:
    with pytest.raises(UsageError):
        fetching.plan(repo, revision)


def test_too_little_space_is_told_with_both_numbers(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda place: usage(9000, 4000, 5000))
    with pytest.raises(ModelError, match=r"needs 6\.\d kB more, and the disk of .* has 5\.0 kB free"):
        fetching.check_space(fetching.plan(REPO))
    monkeypatch.setattr("shutil.disk_usage", lambda place: usage(9000, 0, 9000))
    fetching.check_space(fetching.plan(REPO))


def test_a_disk_that_fills_up_is_told(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    plan = fetching.plan(REPO)
    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(ModelError, match="is full") as told:
        fetching.fetch(plan, Watched())
    assert "goes on where it stopped" in told.value.hint


def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"The hub at http://127\.0\.0\.1:9 cannot be reached"):
        fetching.plan(REPO)


def test_a_bar_for_the_hub_passes_bytes_on_and_draws_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

    report = SimpleNamespace(total_bytes_completed=700, total_transfer_bytes_completed=500, total_bytes=1000)
    report.total_bytes_completion_rate = report.total_transfer_bytes_completion_rate = 1.0
    watched = Watched()
    bar = fetching._silent_bar(watched.advance)
    options = {"reconstruction_desc": "a", "transfer_desc": "b", "total": 1000, "log_level": 30}
    with XetDownloadProgressReporter(**options, name="xet_get", tqdm_class=bar) as reporter:
        reporter.update_progress(report, {})
    assert watched.bytes == 700
    assert capfd.readouterr().err == ""
