"""Which addresses are answered: those of an allowed host, with a path that says plainly what it means."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from cardiofusion.serve.guard.refusal import Refusal
from cardiofusion.serve.guard.request import header
from cardiofusion.serve.settings import Settings

OTHER_HOST = Refusal(
    421,
    "access.host",
    "this server is not known by that name",
    "open it as it was shown at its start; other names are given by `hosts` in the settings",
    closes=True,
)
NO_HOST = Refusal(400, "access.host", "the request names no host", "send one Host field", closes=True)
PATH = Refusal(400, "access.path", "this address is not well formed", "use the links of the pages")


class Addresses:
    """Refuses a Host that was not allowed (DNS rebinding) and paths that climb, or hide what they are."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        # An address of numbers cannot be rebound: the one it listens on is always good.
        listening = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._hosts = {host.lower() for host in (*settings.allowed_hosts, listening)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = header(scope, "host")
        if not host:
            return await NO_HOST(scope, receive, send)
        if without_port(host) not in self._hosts:
            return await OTHER_HOST(scope, receive, send)
        if not plain(scope["path"]):
            return await PATH(scope, receive, send)
        return await self._app(scope, receive, send)


def without_port(host: str) -> str:
    """The name in a Host field, lower case; IPv6 keeps its brackets."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()


def plain(path: str) -> bool:
    """Whether a decoded path has no step up, backslash, control character or further escape of those."""
    climbs = any(step in (".", "..") for step in path.split("/"))
    hidden = any(character < " " or character in "\\\x7f" for character in path)
    return path.startswith("/") and not climbs and not hidden and "%2e" not in path.lower()
