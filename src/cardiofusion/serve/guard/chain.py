"""The guard around the app: what every request passes, from the outside in.

Journal           a request id, the access log, what becomes of an exception
SecurityHeaders   on every answer, refusals too
Addresses         allowed hosts, plain paths
Crowds            how often a client may ask (shared servers)
Origins           no other site's page speaks for the user
Bodies            size and pace
Admission         who asks, and whether the route is theirs
"""

from __future__ import annotations

from typing import Protocol

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from cardiofusion.serve.guard.accounts import Accounts
from cardiofusion.serve.guard.address import Addresses
from cardiofusion.serve.guard.bodies import SMALL_BYTES, Bodies
from cardiofusion.serve.guard.buckets import Buckets
from cardiofusion.serve.guard.headers import SecurityHeaders
from cardiofusion.serve.guard.identity import Admission, Identity, LocalIdentity, SharedIdentity, too_often
from cardiofusion.serve.guard.journal import FAILED, Journal
from cardiofusion.serve.guard.origin import Origins
from cardiofusion.serve.guard.refusal import Refused
from cardiofusion.serve.guard.request import client
from cardiofusion.serve.guard.routes import Demands
from cardiofusion.serve.guard.throttle import Throttle
from cardiofusion.serve.settings import Settings

CLIENT_RATE, CLIENT_BURST = 200.0, 2000  # requests a second of one address of a shared server


class Guardable(Protocol):
    """What the guard needs of a clinic."""

    @property
    def settings(self) -> Settings:
        """How the server is set up: one user of this machine, or a shared server."""

    @property
    def token(self) -> str:
        """This start's token, which the one user of a local server has."""

    @property
    def accounts(self) -> Accounts:
        """Who may use a shared server."""


class Crowds:
    """429 for a client that asks too often."""

    def __init__(self, app: ASGIApp, buckets: Buckets) -> None:
        self._app, self._buckets = app, buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wait = self._buckets.take(client(scope))
        if wait:
            return await too_often(wait)(scope, receive, send)
        return await self._app(scope, receive, send)


def guarded(app: FastAPI, clinic: Guardable) -> ASGIApp:
    """The app behind all of the guard. Raises AccessError "access.undeclared", see `routes`."""
    settings, demands = clinic.settings, Demands(app)
    app.state.throttle = Throttle()
    # The framework's own answer to what went wrong is two words; it throws on to the journal afterwards.
    app.exception_handlers.setdefault(Exception, lambda *_: Refused(FAILED))

    def limit(scope: Scope) -> int:
        demand = demands.of(scope)
        large = demand is not None and demand.permission is not None and demand.permission.uploads
        return settings.max_upload_bytes if large else SMALL_BYTES

    inner: ASGIApp = Admission(app, identity(clinic), demands)
    inner = Origins(Bodies(inner, limit))
    if settings.shared:
        inner = Crowds(inner, Buckets(CLIENT_RATE, CLIENT_BURST))
    guard = Journal(SecurityHeaders(Addresses(inner, settings), settings.secure))
    return only_http(guard, app)


def identity(clinic: Guardable) -> Identity:
    """How this clinic knows who asks."""
    if clinic.settings.shared:
        return SharedIdentity(clinic.accounts, clinic.settings)
    return LocalIdentity(clinic.token, clinic.settings)


def only_http(guard: ASGIApp, app: ASGIApp) -> ASGIApp:
    """The server's start and stop go to the app, requests to the guard, and there are no web sockets."""

    async def entrance(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app  # as the framework has it: refusals are pages, in the reader's language
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] == "http":
            await guard(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    return entrance
