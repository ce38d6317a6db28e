"""A web server on this machine, good and bad, for the tests of `media/`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .helpers import encoded, sketch


class _Pages(BaseHTTPRequestHandler):
    picture = encoded(sketch(), "PNG")

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["User-Agent"]))  # type: ignore[attr-defined]
        name = self.path.strip("/").split("?")[0]
        getattr(self, f"_{name}", self._missing)()

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _missing(self) -> None:
        self._answer(404)

    def _picture(self) -> None:
        self._answer(200, self.picture, Content_Length=str(len(self.picture)))

    def _page(self) -> None:
        self._answer(200, b"<!DOCTYPE html><html><p>Hello")

    def _empty(self) -> None:
        self._answer(200)

    def _declared(self) -> None:
        self._answer(200, b"x" * 10, Content_Length="5000")

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x" * 1000)

    def _cut(self) -> None:
        self._answer(200, self.picture[:50], Content_Length=str(len(self.picture)))

    def _dripping(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(50):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def _silent(self) -> None:
        time.sleep(5)

    def _once(self) -> None:
        self._answer(302, Location="/picture")

    def _three(self) -> None:
        left = int(self.path.partition("?")[2] or 3)
        self._answer(302, Location=f"/three?{left - 1}" if left > 1 else "/picture")

    def _loop(self) -> None:
        self._answer(302, Location="/loop")

    def _tofile(self) -> None:
        self._answer(302, Location="file:///etc/hostname")

    def log_message(self, format: str, *values: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that hang up are what the tests are about


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setenv("NO_PROXY", "*")
    server = _Server(("127.0.0.1", 0), _Pages)
    server.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"
