"""The bytes behind an http(s) or data URL.

Only what the user named is asked for, and nothing of this machine is sent along but a User-Agent. Everything that goes
wrong is an `InputError`.
"""
# httpx is imported where it is used, so that `ernie --help` stays fast.

from __future__ import annotations

import base64
import binascii
import re
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from ernie_cli import __version__
from ernie_cli.errors import InputError
from ernie_cli.media.limits import MIB, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

# Two letters or more, so that C:\photos and C://photos stay paths.
_URL = re.compile(r"data:|(?P<scheme>[a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/?#@]*@")


def is_url(argument: str) -> bool:
    """Whether an argument is a URL of any scheme; one that cannot be fetched is for `check_scheme` to refuse."""
    return _URL.match(argument) is not None


def display_name(url: str) -> str:
    """What to call the URL in messages: without a password in it, and without the data it carries."""
    if url[:5].lower() == "data:":
        kind = re.split("[;,]", url[5:], maxsplit=1)[0][:40]
        return f"the data URL ({kind})" if kind else "the data URL"
    return _CREDENTIALS.sub("", url)


def check_scheme(url: str) -> None:
    """Raise `InputError` unless the URL is http, https or data."""
    found = _URL.match(url)
    scheme = (found["scheme"] or "data").lower() if found else ""
    if scheme in {"http", "https", "data"}:
        return
    hint = (
        "Give the path of the file itself." if scheme == "file" else "Download it first, and give the path of the file."
    )
    raise InputError(f"{display_name(url)} cannot be fetched: only http, https and data URLs can.", hint)


def fetch(url: str, limits: Limits) -> bytes:
    """What is at the URL, at most `limits.bytes` of it, within `limits.seconds`."""
    check_scheme(url)
    return _decode(url, limits) if url[:5].lower() == "data:" else _download(url, limits)


def _decode(url: str, limits: Limits) -> bytes:
    header, comma, body = url[5:].partition(",")
    if not comma:
        raise InputError("The data URL has no comma, after which its data would begin.", _DATA_HINT)
    if len(body) > 3 * limits.bytes:  # even a byte written as %41 takes no more
        raise _too_large(url, limits)
    data = unquote_to_bytes(body)
    if header.lower().rstrip().endswith(";base64"):
        data = _unbase64(data)
    if len(data) > limits.bytes:
        raise _too_large(url, limits)
    return data


def _unbase64(text: bytes) -> bytes:
    packed = b"".join(text.split()).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error as error:
        raise InputError(f"The base64 of the data URL is broken: {error}.", _DATA_HINT) from error


def _download(url: str, limits: Limits) -> bytes:
    # In a thread, since neither the look-up of a name nor headers that trickle in obey the timeouts of httpx.
    result: Future[bytes] = Future()
    threading.Thread(target=_deliver, args=(result, url, limits), daemon=True).start()
    try:
        return result.result(limits.seconds)
    except FutureTimeout as error:
        raise _too_slow(url, limits) from error


def _deliver(result: Future[bytes], url: str, limits: Limits) -> None:
    try:
        result.set_result(_request(url, limits))
    except BaseException as error:  # the waiting thread raises it
        result.set_exception(error)


def _request(url: str, limits: Limits) -> bytes:
    import httpx

    try:
        headers = {"User-Agent": f"ernie/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
        with httpx.Client(headers=headers, timeout=limits.seconds) as client:
            return _follow(client, client.build_request("GET", url), limits)
    except httpx.TimeoutException as error:
        raise _too_slow(url, limits) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise InputError(f"{display_name(url)} is not a valid address.", "Check how the URL is written.") from error
    except (httpx.HTTPError, OSError, ValueError, ImportError) as error:  # the last two for odd proxies
        raise _unreachable(url, error) from error


def _follow(client: httpx.Client, request: httpx.Request, limits: Limits) -> bytes:
    """The body at the end of the redirects, followed here since each one's scheme is to be checked."""
    first, deadline = str(request.url), time.monotonic() + limits.seconds
    for _ in range(limits.redirects + 1):
        response = client.send(request, stream=True)
        try:
            if response.next_request is None:
                return _body(response, first, limits, deadline)
            request = response.next_request
        finally:
            response.close()
        if request.url.scheme not in {"http", "https"}:
            raise InputError(
                f"{display_name(first)} redirects to {request.url.scheme}://, which is not followed.",
                "Download the file yourself, and give its path.",
            )
    raise InputError(
        f"{display_name(first)} redirects more than {limits.redirects} times.",
        "Open it in a browser, and give the address where it ends.",
    )


def _body(response: httpx.Response, url: str, limits: Limits, deadline: float) -> bytes:
    if not response.is_success:
        status = f"{response.status_code} {response.reason_phrase}".strip()
        raise InputError(f"{display_name(url)} answers {status}.", "Check the URL in a browser; it may need a login.")
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > limits.bytes:
        raise _too_large(url, limits)
    body = bytearray()
    for chunk in _until(deadline, response.iter_bytes(), url, limits):
        body += chunk
        if len(body) > limits.bytes:
            raise _too_large(url, limits)
    return bytes(body)


def _until(deadline: float, chunks: Iterator[bytes], url: str, limits: Limits) -> Iterator[bytes]:
    for chunk in chunks:
        if time.monotonic() > deadline:
            raise _too_slow(url, limits)
        yield chunk


def _too_large(url: str, limits: Limits) -> InputError:
    size = f"{limits.bytes / MIB:.3g} MiB"
    return InputError(
        f"{display_name(url)} is larger than {size}.", "Download it first, and give the path of the file."
    )


def _too_slow(url: str, limits: Limits) -> InputError:
    return InputError(
        f"{display_name(url)} took longer than {limits.seconds:g} seconds.",
        "Try again, or download it first and give the path of the file.",
    )


def _unreachable(url: str, error: BaseException) -> InputError:
    import socket
    import ssl

    name, causes = display_name(url), list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return InputError(f"The host name in {name} is not known.", "Check its spelling and your network connection.")
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return InputError(
            f"{name} has no valid certificate.", "Download it in a way you trust, and give the path of the file."
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return InputError(f"{name} refused the connection.", "Check the host and port of the URL.")
    return InputError(f"{name} could not be fetched: {str(error).rstrip('.')}.", "Try again, or download it first.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_DATA_HINT = "It should read like data:image/png;base64,iVBORw0K…"
