"""The access log, and what becomes of a request that fails: nothing of a patient is written down."""

from __future__ import annotations

import logging
import secrets
import time
import traceback
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardiofusion.serve.guard.refusal import Refusal

LOG = logging.getLogger("cardiofusion.access")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
FAILED = Refusal(
    500, "serve.failed", "something went wrong on this server", "try again; the server's log names the place"
)


class Journal:
    """Gives each request an id, logs method, route, status, milliseconds and id, and ends what was thrown.

    The route is its template ("/case/{case_id}"), never the address. An exception is logged by its kind and
    place without its message: messages quote values.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:  # noqa: BLE001  # the server's own log would print the message
            LOG.error("%s failed: %s", request_id, place_of(error))
            if not status:
                await FAILED(scope, receive, noting)
        finally:
            spent = 1000 * (time.perf_counter() - began)
            LOG.info("%s %s %d %.1f ms %s", method_of(scope), route_of(scope), status, spent, request_id)


def place_of(error: BaseException) -> str:
    """An exception's kind and where it was thrown, innermost last; not its message."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return f"{type(error).__name__} at {' > '.join(places) or 'an unknown place'}"


def method_of(scope: Scope) -> str:
    """An HTTP method of those that exist: a client may send any word, and the log takes none of it."""
    return scope["method"] if scope["method"] in METHODS else "OTHER"


def route_of(scope: Scope) -> str:
    """The template that the router found, or "-"."""
    route: Any = scope.get("route")
    if route is None and scope["path"].startswith("/static/"):
        return "/static"
    return getattr(route, "path", None) or "-"
