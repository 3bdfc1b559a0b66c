"""One file of a published release over HTTP: resumed where it stopped, kept only when its SHA-256 is right.

A download grows in `NAME.part` and is renamed once whole, so a file under its own name is complete. Nothing
is synced to disk: what a power cut spoils has another SHA-256, and the next run fetches it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from threading import Event
from typing import IO, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from cardiofusion import __version__
from cardiofusion.records import FetchError, InputError, storage_errors

TIMEOUT = 30.0  # seconds without a byte
PAUSES = (1.0, 3.0, 9.0)  # seconds before each further try
BLOCK = 1 << 16  # bytes
MAX_BYTES = 1 << 28  # of one file
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
PARTIAL, BEYOND_THE_END = 206, 416

T = TypeVar("T")


class _CutError(Exception):
    """This try failed; the next may do better."""


class _NeverLessSafe(HTTPRedirectHandler):
    """Follows a redirection to https or within http; any other is an answer like a 404."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        safe = urlsplit(newurl).scheme in ("https", req.type)
        return super().redirect_request(req, fp, code, msg, headers, newurl) if safe else None


class Server:
    """A folder on a web server.

    stop: once set, every transfer ends at its next block; what has arrived stays in its part.
    """

    def __init__(self, url: str) -> None:
        """Raises InputError where `url` is no http or https address."""
        self.url = url.rstrip("/")
        self.stop = Event()
        self._opener = build_opener(_NeverLessSafe)
        if not _is_web_address(url):
            raise InputError("input.url", f"{url!r} is no web address", "http:// or https://, then a host")

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FetchError."""

        def once() -> bytes:
            with self._open(name) as response:
                return b"".join(self._blocks(response, name))

        return self._persistently(once, name)

    def download(self, name: str, path: Path, sha256: str) -> bool:
        """Make `path` the server's file `name`, which has this SHA-256; False where it was there already.

        Raises FetchError: "fetch.server" after some tries, "fetch.refused" (404 and the like),
        "fetch.large", "fetch.checksum" (what came is removed). Raises StorageError.
        """
        with storage_errors(path):
            if _has(path, sha256):
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        self._persistently(lambda: self._complete(part, name, sha256), name)
        with storage_errors(path):
            part.replace(path)
        return True

    def _complete(self, part: Path, name: str, sha256: str) -> None:
        """Add to `part` what it lacks. Anew where the server ignores ranges or has no such byte."""
        with storage_errors(part):
            start = part.stat().st_size if part.is_file() else 0
            if start and _has(part, sha256):
                return
        with self._open(name, start) as response:
            resumed = response.status == PARTIAL
            with storage_errors(part), part.open("ab" if resumed else "wb") as handle:
                handle.writelines(self._blocks(response, name))
        with storage_errors(part):
            if _has(part, sha256):
                return
            part.unlink()
        if resumed:  # the part may be of another release: only a whole file can be called wrong
            raise _CutError("it does not continue the part that was there")
        raise FetchError(
            "fetch.checksum",
            f"{name} does not have the SHA-256 that its publisher lists",
            "what came is removed; the same command fetches it again",
        )

    def _open(self, name: str, start: int = 0) -> HTTPResponse:
        """The answer from byte `start` on; from the first where there is no byte `start`."""
        headers = {"User-Agent": f"cardiofusion/{__version__}"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            request = Request(f"{self.url}/{quote(name)}", headers=headers)  # noqa: S310 (checked: http or https)
            response: HTTPResponse = self._opener.open(request, timeout=TIMEOUT)
            return response
        except HTTPError as error:
            error.close()
            if start and error.code == BEYOND_THE_END:
                return self._open(name)
            if error.code in TRY_AGAIN:
                raise _CutError(f"{error.code} {error.reason}") from error
            raise FetchError(
                "fetch.refused",
                f"{self.url} does not give {name}: {error.code} {error.reason}",
                "check the address that --base-url names",
            ) from error
        except (OSError, HTTPException, ValueError) as error:
            raise _CutError(_words(error)) from error

    def _blocks(self, response: HTTPResponse, name: str) -> Iterator[bytes]:
        promised, came = response.length, 0
        while block := self._block(response):
            came += len(block)
            if came > MAX_BYTES:
                raise FetchError(
                    "fetch.large", f"{name} is larger than {MAX_BYTES >> 20} MiB", "is this the right server?"
                )
            yield block
        if promised is not None and came < promised:  # http.client says nothing of it
            raise _CutError(f"the connection ended after {came:,} of {promised:,} bytes")

    def _block(self, response: HTTPResponse) -> bytes:
        try:
            block = response.read(BLOCK)
        except (OSError, HTTPException) as error:
            raise _CutError(_words(error)) from error
        if self.stop.is_set():
            raise _CutError("stopped")
        return block

    def _persistently(self, once: Callable[[], T], name: str) -> T:
        """Try, and try again after each pause."""
        for pause in (*PAUSES, None):
            try:
                return once()
            except _CutError as cut:
                if pause is None or self.stop.wait(pause):
                    raise FetchError(
                        "fetch.server",
                        f"{self.url} did not give {name}: {cut}",
                        "check the network (proxies go in https_proxy); the same command goes on from there",
                    ) from cut
        raise AssertionError("the last try returns or raises")


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _has(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() == sha256


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error or type(error).__name__)
