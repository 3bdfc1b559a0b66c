"""How large and how slow a request's body may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardiofusion.serve.guard.refusal import Refusal
from cardiofusion.serve.guard.request import header

SMALL_BYTES = 1 << 20  # of a route that takes no uploads
GRACE_SECONDS = 20.0  # a body may be waited for so long,
MIN_BYTES_SECOND = 4096  # and longer by what has come at this rate: slower than any line that is in use
HINT = "send fewer or smaller files at a time"
SLOW = Refusal(408, "access.slow", "the request's body came too slowly", "try again", closes=True)


@dataclass(frozen=True)
class Pace:
    """See GRACE_SECONDS and MIN_BYTES_SECOND."""

    grace: float = GRACE_SECONDS
    rate: float = MIN_BYTES_SECOND


class Bodies:
    """Refuses a body that is declared too large (before it is read), grows too large or comes too slowly.

    limit: how many bytes a request may have. Whatever the app makes of the cut body, the refusal is answered.
    """

    def __init__(self, app: ASGIApp, limit: Callable[[Scope], int], pace: Pace | None = None) -> None:
        self._app, self._limit, self._pace = app, limit, pace or Pace()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self._limit(scope)
        declared = header(scope, "content-length") or "0"
        if not declared.isdecimal() or int(declared) > limit:
            await too_large(limit)(scope, receive, send)
            return
        body = _Body(receive, send, limit, self._pace)
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            if body.refusal is None:
                raise
        if body.refusal is not None and not body.answered:
            await body.refusal(scope, receive, send)


def too_large(limit: int) -> Refusal:
    """413, with the limit in words."""
    message = f"the request is larger than {limit / (1 << 20):.0f} MiB"
    return Refusal(413, "access.large", message, HINT, closes=True)


@dataclass
class _Body:
    """One request's body on its way: bytes so far, seconds waited for it, and how it was refused."""

    read: Receive
    write: Send
    limit: int
    pace: Pace
    size: int = 0
    waited: float = 0.0
    complete: bool = False
    answered: bool = False
    refusal: Refusal | None = field(default=None)

    async def receive(self) -> Message:
        """The next piece of the body, counted; a disconnect once it is too long or too slow."""
        if self.complete:
            return await self.read()
        if self.refusal is not None:
            return {"type": "http.disconnect"}
        message = await self._next()
        self.size += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        if self.size > self.limit:
            self._refuse(too_large(self.limit))
        return message if self.refusal is None else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """The app's answer, unless the body was refused before it began."""
        if self.refusal is None or self.answered:
            self.answered = True
            await self.write(message)

    async def _next(self) -> Message:
        """The next piece. Only waiting counts, not what the app does in between."""
        began = time.monotonic()
        allowed = self.pace.grace + self.size / self.pace.rate - self.waited
        try:
            return await asyncio.wait_for(self.read(), max(0.0, allowed))
        except TimeoutError:
            self._refuse(SLOW)
            return {"type": "http.disconnect"}
        finally:
            self.waited += time.monotonic() - began

    def _refuse(self, refusal: Refusal) -> None:
        self.refusal, self.complete = refusal, False
