from __future__ import annotations

import base64
import io
import socket
import time
from typing import Any

import pytest

from ernie_cli import __version__
from ernie_cli.errors import InputError
from ernie_cli.media import Limits, load
from ernie_cli.media.fetch import display_name, fetch, is_url

from .helpers import encoded, sketch

SMALL = Limits(bytes=1000)
HASTY = Limits(seconds=0.4)
PNG = encoded(sketch(), "PNG")


def failure(url: str, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught:
        fetch(url, limits or Limits())
    assert caught.value.hint
    assert caught.value.message.endswith(".")
    return caught.value.message


def test_fetches_with_its_own_user_agent(server: Any, site: str) -> None:
    assert fetch(f"{site}/picture", Limits()) == PNG
    assert server.seen == [("/picture", f"ernie/{__version__}")]


@pytest.mark.parametrize("page", ["once", "three"])
def test_follows_up_to_three_redirects(site: str, page: str) -> None:
    assert fetch(f"{site}/{page}", Limits()) == PNG


def test_fourth_redirect_is_not_followed(server: Any, site: str) -> None:
    assert failure(f"{site}/three?4") == f"{site}/three?4 redirects more than 3 times."
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    ("page", "limits", "message"),
    [
        ("nowhere", Limits(), "answers 404 Not Found."),
        ("declared", SMALL, "is larger than 0.000954 MiB."),
        ("endless", SMALL, "is larger than 0.000954 MiB."),
        ("loop", Limits(), "redirects more than 3 times."),
        ("tofile", Limits(), "redirects to file://, which is not followed."),
        ("dripping", HASTY, "took longer than 0.4 seconds."),
        ("silent", HASTY, "took longer than 0.4 seconds."),
    ],
)
def test_what_can_go_wrong_on_the_web(site: str, page: str, limits: Limits, message: str) -> None:
    assert failure(f"{site}/{page}", limits) == f"{site}/{page} {message}"


def test_a_body_cut_short_is_an_error(site: str) -> None:
    assert failure(f"{site}/cut").startswith(f"{site}/cut could not be fetched: ")


def test_the_time_limit_is_for_everything_together(site: str) -> None:
    start = time.monotonic()
    failure(f"{site}/dripping", HASTY)
    assert time.monotonic() - start < 0.8


def test_time_in_name_look_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2))
    start = time.monotonic()
    assert failure("http://slow.example/a.png", HASTY) == "http://slow.example/a.png took longer than 0.4 seconds."
    assert time.monotonic() - start < 1.0


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert failure("http://nowhere.invalid/a.png") == "The host name in http://nowhere.invalid/a.png is not known."


def test_refused_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/a.png"
        assert failure(url) == f"{url} refused the connection."


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1/a.png", "http://host:port/a.png", "https://\x00/", "http:///a"]
)
def test_nonsense_addresses(url: str) -> None:
    failure(url)


@pytest.mark.parametrize("scheme", ["ftp", "file", "s3", "ssh"])
def test_other_schemes_are_refused(scheme: str) -> None:
    message = failure(f"{scheme}://host/a.png")
    assert message == f"{scheme}://host/a.png cannot be fetched: only http, https and data URLs can."


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64," + base64.b64encode(PNG).decode(),
        "data:;base64," + base64.b64encode(PNG).decode().rstrip("="),
        "DATA:image/png;charset=x;BASE64,\n" + base64.encodebytes(PNG).decode(),
        "data:image/png;base64," + base64.b64encode(PNG).decode().replace("+", "%2B").replace("/", "%2F"),
        "data:image/png," + "".join(f"%{byte:02x}" for byte in PNG),
    ],
)
def test_data_urls(url: str) -> None:
    assert fetch(url, Limits()) == PNG


def test_broken_data_urls() -> None:
    assert failure("data:image/png;base64") == "The data URL has no comma, after which its data would begin."
    assert failure("data:image/png;base64,iVBO*w0K").startswith("The base64 of the data URL is broken")
    assert failure("data:image/png;base64,iVBOR").startswith("The base64 of the data URL is broken")
    assert failure("data:text/plain;base64," + "QUFB" * 400, SMALL).endswith("is larger than 0.000954 MiB.")
    assert failure("data:text/plain," + "A" * 1001, SMALL).endswith("is larger than 0.000954 MiB.")


def test_names_hide_passwords_and_data() -> None:
    assert display_name("https://me:secret@host/a@b.png") == "https://host/a@b.png"
    assert display_name("data:image/png;base64,AAAA") == "the data URL (image/png)"


@pytest.mark.parametrize(
    "path", [r"C:\photos\a.png", "C://photos/a.png", "a:b.png", "http", "photos//a.png", "datafile"]
)
def test_odd_paths_are_no_urls(path: str) -> None:
    assert not is_url(path)


def test_pictures_from_the_web(site: str) -> None:
    [picture] = load([f"{site}/picture"], stdin=io.BytesIO())
    assert (picture.name, picture.image.tobytes()) == (f"{site}/picture", sketch().tobytes())


@pytest.mark.parametrize(("page", "message"), [("page", "is a web page, not a picture."), ("empty", "is empty.")])
def test_the_web_gives_no_picture(site: str, page: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(load([f"{site}/{page}"], stdin=io.BytesIO()))
