"""The key of one start of a local server, and how the browser gets it without anybody else seeing it.

Other users of the machine can read the command line of a program, also of a browser that is started with an
address. So the browser opens a file that only this user can read, and the file leads to the address with the
token.
"""

from __future__ import annotations

import os
import secrets
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from cardiofusion.records import StorageError
from cardiofusion.serve.settings import Settings

TOKEN_BYTES = 32
TOKEN_FILE = "token"  # noqa: S105  # for programs of the same user
LAUNCH_FILE = "open.html"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={address}"><title>CardioFusion</title></head>
<body><a href="{address}">CardioFusion</a></body></html>
"""


def new_token() -> str:
    """256 random bits, fit for an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def address(settings: Settings) -> str:
    """Where the server's pages are, as this machine's browser reaches them; without a slash at the end."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    scheme = "https" if settings.secure else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def launch_address(settings: Settings, token: str) -> str:
    """The address that signs the browser in."""
    return f"{address(settings)}/open?{urlencode({'token': token})}"


def write_launch_files(settings: Settings, token: str) -> Path:
    """Write the token, for programs, and the page that a browser is to open; the page's path.

    Both can be read by this user alone. Raises StorageError.
    """
    page = PAGE.format(address=escape(launch_address(settings, token)))
    _write(settings.data / TOKEN_FILE, token + "\n")
    return _write(settings.data / LAUNCH_FILE, page)


def remove_launch_files(settings: Settings) -> None:
    """The server ends: its key opens nothing any more."""
    for name in (TOKEN_FILE, LAUNCH_FILE):
        (settings.data / name).unlink(missing_ok=True)


def _write(path: Path, content: str) -> Path:
    """A new file, private from its first moment, put in place whole."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as handle:
            handle.write(content)
        return beside.replace(path)
    except OSError as error:
        raise StorageError(
            "storage.launch", f"{path.name}: {error.strerror}", "see whether the data folder may be written"
        ) from error
