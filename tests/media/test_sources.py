from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from ernie_cli.errors import InputError
from ernie_cli.media import Limits, Source, load, resolve

from .helpers import Terminal, encoded, sketch


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")


def names(*arguments: str) -> list[tuple[str, str]]:
    return [(source.name, source.part) for source in resolve(arguments, stdin=io.BytesIO())]


def failure(*arguments: str, stdin: io.BytesIO | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        resolve(arguments, stdin=stdin or io.BytesIO())
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value


def test_paths_and_parts() -> None:
    touch("a.pdf", "odd#1.png", "odd", "b#2.pdf")
    assert names("a.pdf") == [("a.pdf", "")]
    assert names("a.pdf#3-5") == [("a.pdf", "3-5")]
    assert names("odd#1.png") == [("odd#1.png", "")]
    assert names("b#2.pdf#t=60,90") == [("b#2.pdf", "t=60,90")]


def test_globs_are_sorted_as_people_count() -> None:
    touch("p10.png", "p9.png", "p1.png", "sub/p2.png", ".hidden.png")
    Path("folder.png").mkdir()
    assert names("*.png") == [("p1.png", ""), ("p9.png", ""), ("p10.png", "")]
    assert names("p?.png#2") == [("p1.png", "2"), ("p9.png", "2")]
    assert names("**/p2.png") == [(os.path.join("sub", "p2.png"), "")]


def test_a_file_that_looks_like_a_glob_wins() -> None:
    touch("a[1].png", "a1.png", "what?.png", "whats.png")
    assert names("a[1].png", "what?.png") == [("a[1].png", ""), ("what?.png", "")]


def test_order_and_repetition_are_the_users() -> None:
    touch("b.png", "a.png")
    assert [name for name, _ in names("b.png", "a.png", "b.png")] == ["b.png", "a.png", "b.png"]


def test_missing_files() -> None:
    touch("photo.jpg", "note.md")
    error = failure("phoot.jpg")
    assert (error.message, error.hint) == ("phoot.jpg does not exist.", "Did you mean photo.jpg?")
    assert failure("photo.png").hint == "Did you mean photo.jpg?"
    assert failure("nothere.mp4").hint == "Check the spelling and the current folder."
    assert failure("zzz").hint == "Check the spelling and the current folder."
    assert failure("no/such/a.png").message == "no/such/a.png does not exist, nor does its folder."
    assert failure(r"C:\photos\a.png").message == r"C:\photos\a.png does not exist."
    assert failure("x" * 5000).message.endswith("does not exist.")
    assert failure("a\0b").message.endswith("does not exist.")
    assert failure("").message == "An input has an empty name."


def test_other_names_that_lead_nowhere() -> None:
    Path("scenes").mkdir()
    touch("a.png")
    Path("empty.png").touch()
    assert failure("*.gif").message == "Nothing matches *.gif."
    assert failure("scenes").message == "scenes is a folder."
    assert failure("empty.png").message == "empty.png is empty."
    assert failure("ftp://host/a.png").message.startswith("ftp://host/a.png cannot be fetched")
    assert failure("a.png/b").message == "a.png/b does not exist, nor does its folder."


def test_a_mistyped_name_is_found_before_anything_is_decoded() -> None:
    touch("a.png")  # no picture at all
    with pytest.raises(InputError, match=r"b\.png does not exist"):
        load(["a.png", "b.png"], stdin=io.BytesIO())


def test_urls_keep_their_part() -> None:
    url = "https://me:secret@host/a.pdf?x=1#3-5"
    [source] = resolve([url], stdin=io.BytesIO())
    assert source == Source("https://host/a.pdf?x=1", "3-5", "https://me:secret@host/a.pdf?x=1")


def test_standard_input() -> None:
    data = encoded(sketch(), "JPEG", quality=95)
    [picture] = load(["-"], stdin=io.BytesIO(data))
    assert (picture.name, picture.image.size) == ("standard input", (48, 32))
    [source] = resolve(["-#3"], stdin=io.BytesIO(data))
    assert (source.part, source.origin) == ("3", data)


def test_standard_input_that_cannot_be_read() -> None:
    assert failure("-").message == "Standard input is empty."
    assert failure("-", stdin=Terminal()).message == "Standard input (-) is a terminal."
    assert failure("-", "-#2", stdin=io.BytesIO(b"x")).message == "Standard input (-) is given twice."
    with pytest.raises(InputError, match=r"gives more than 9\.54e-06 MiB"):
        resolve(["-"], stdin=io.BytesIO(b"x" * 11), limits=Limits(bytes=10))


def test_a_terminal_is_no_matter_without_a_dash() -> None:
    touch("a.png")
    assert len(resolve(["a.png"], stdin=Terminal())) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipes() -> None:
    os.mkfifo("pipe")
    data = encoded(sketch(), "PNG")
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(data))
    writer.start()
    [picture] = load(["pipe"], stdin=io.BytesIO())
    writer.join()
    assert picture.image.tobytes() == sketch().tobytes()


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("secret.png")
    Path("secret.png").chmod(0)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    if os.access("secret.png", os.R_OK):  # as root, or on Windows
        monkeypatch.setattr(Path, "open", refuse)
    [source] = resolve(["secret.png"], stdin=io.BytesIO())
    with pytest.raises(InputError, match=r"^There is no permission to read secret.png\.$"):
        source.open(Limits())


def test_a_file_that_vanished_since() -> None:
    touch("a.png")
    pictures = load(["a.png"], stdin=io.BytesIO())
    Path("a.png").unlink()
    with pytest.raises(InputError, match=r"a\.png cannot be read: No such file"):
        next(pictures)


def test_names_that_are_not_utf8_are_made_printable() -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        touch(name)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert names("caf*.png") == [("caf\N{REPLACEMENT CHARACTER}.png", "")]
