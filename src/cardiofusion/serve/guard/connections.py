"""Connections: a limit of how many, and of how long a client may take over a request's head or over reading.

uvicorn waits for ever for the end of a head, and for a client that reads nothing. Here each wait ends.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from cardiofusion.serve.settings import Settings

HEAD_SECONDS = 10.0  # from the connection, or the first byte of a further request, to the end of the head
WRITE_SECONDS = 60.0  # a client reads nothing, and the buffers are full
HEAD_BYTES = 16 * 1024
CONNECTIONS = 512
CONNECTIONS_EACH = 64  # of one address: a browser has six. Those of this machine count only together
IDLE_SECONDS = 10  # between two requests
STOP_SECONDS = 10  # for requests that run when the server is told to stop


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 with deadlines."""

    head_seconds = HEAD_SECONDS
    write_seconds = WRITE_SECONDS
    connections_each = CONNECTIONS_EACH

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._head_deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection: cut at once where its client has too many, else its head has a deadline."""
        super().connection_made(transport)
        if self._crowded():
            transport.abort()
        else:
            self._watch_head()

    def data_received(self, data: bytes) -> None:
        """More of a head or a body; a head that comes byte by byte gains no time."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end: nothing is left to be watched."""
        self._head_deadline = cancelled(self._head_deadline)
        self._write_deadline = cancelled(self._write_deadline)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The buffers are full: from here the client has to read."""
        super().pause_writing()
        self._write_deadline = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        self._write_deadline = cancelled(self._write_deadline)
        super().resume_writing()

    def on_response_complete(self) -> None:
        """An answer is written: a connection that ends with it gets a deadline."""
        super().on_response_complete()
        self._end_soon()

    def timeout_keep_alive_handler(self) -> None:
        """No further request came: closed, with a deadline as well."""
        super().timeout_keep_alive_handler()
        self._end_soon()

    def _end_soon(self) -> None:
        """A connection that closes first sends what is left: not for ever, where nobody reads it."""
        if self.transport.is_closing():
            self.loop.call_later(self.write_seconds, self.transport.abort)

    def _watch_head(self) -> None:
        """A deadline while the client owes a head, or the rest of a body that was answered already."""
        answered = self.cycle is not None and self.cycle.response_complete
        owing = self.conn.their_state is h11.IDLE or (self.conn.their_state is h11.SEND_BODY and answered)
        if not owing:
            self._head_deadline = cancelled(self._head_deadline)
        elif self._head_deadline is None:
            self._head_deadline = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _crowded(self) -> bool:
        """Whether this client has more connections than one may have."""
        if self.client is None or self.client[0] in ("127.0.0.1", "::1"):
            return False
        others = (getattr(other, "client", None) for other in self.connections)
        same = sum(client is not None and client[0] == self.client[0] for client in others)
        return bool(same > self.connections_each)


def cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """No timer any more."""
    if timer is not None:
        timer.cancel()
    return None


def server_config(app: ASGIApp, settings: Settings, **changed: Any) -> uvicorn.Config:
    """How uvicorn runs a guarded app: `uvicorn.Server(server_config(guarded(app, clinic), settings)).run()`.

    Its own access log prints addresses, and forwarding fields could name any client: both are off.
    """
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "http": GuardedProtocol,
        "ws": "none",
        "access_log": False,
        "log_config": None,
        "proxy_headers": False,
        "server_header": False,
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "limit_concurrency": CONNECTIONS,
        "timeout_keep_alive": IDLE_SECONDS,
        "timeout_graceful_shutdown": STOP_SECONDS,
        "ssl_certfile": settings.certificate,
        "ssl_keyfile": settings.key,
    }
    return uvicorn.Config(app, **{**options, **changed})
