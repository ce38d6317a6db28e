"""What is found in the cache once something was fetched into it."""

from __future__ import annotations

import shutil

import pytest

from ernie_cli.errors import ModelError
from ernie_cli.runtime.checkpoint import NANO, NANO_FOLDER, find
from ernie_cli.runtime.hub import checksums
from ernie_cli.runtime.snapshots import matches, snapshots

from .test_hub import FILES, FIRST, REPO, FakeHub, Watched, pulled, serving_hub  # noqa: F401


def test_names_of_what_is_here(hub: FakeHub) -> None:
    folder = pulled()
    for name in (REPO, "ernie-tiny", f"{REPO}@main", f"ERNIE-Tiny@{FIRST[:8]}", str(folder)):
        assert find(name).folder == folder
    assert find("ernie-tiny").name == REPO
    assert find(NANO).folder == NANO_FOLDER


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("someone/else", "Fetch it with: ernie pull someone/else"),
        ("someone/else@v2", "Fetch it with: ernie pull someone/else --revision v2"),
        ("erni-tiny", "Did you mean baidu/ERNIE-Tiny"),
        ("ernie-nan", "Did you mean ernie-nano"),
        ("./here/or/there", "Give the folder of a checkpoint"),
        (f"{REPO}@v2", f"ernie pull {REPO} --revision v2"),
    ],
)
def test_names_of_what_is_not_here(hub: FakeHub, name: str, hint: str) -> None:
    pulled()
    hub.log.clear()
    with pytest.raises(ModelError) as told:
        find(name)
    assert hint in told.value.hint
    assert hub.log == []


def test_a_name_two_owners_have_is_told(hub: FakeHub) -> None:
    home = pulled().parents[1]
    shutil.copytree(home, home.with_name("models--other--ERNIE-Tiny"), symlinks=True)
    with pytest.raises(ModelError, match="may mean baidu/ERNIE-Tiny or other/ERNIE-Tiny"):
        find("ernie-tiny")


def test_other_models_in_the_cache_are_not_ours(hub: FakeHub) -> None:
    home = pulled().parents[1]
    other = home.with_name("models--google--bert") / "snapshots" / FIRST
    other.mkdir(parents=True)
    (other / "config.json").write_text('{"model_type": "bert"}')
    assert [snapshot.repo for snapshot in snapshots()] == [REPO]


def test_checksums_come_from_the_hub_or_from_the_cache(hub: FakeHub) -> None:
    pulled()
    (snapshot,) = snapshots()
    online = checksums(snapshot)
    assert online.keys() == FILES.keys()
    hub.refusal = (503, {})
    assert checksums(snapshot) == online
    for name, checksum in online.items():
        assert matches(snapshot.folder / name, checksum, Watched().advance)
    assert not matches(snapshot.folder / "LICENSE", online["README.md"], Watched().advance)
