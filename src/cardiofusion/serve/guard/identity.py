"""Who is asking: the one user of a local server, or a person or program with an account on a shared one."""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol

from anyio import CapacityLimiter, to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from cardiofusion.serve.guard.accounts import Accounts
from cardiofusion.serve.guard.actor import Actor
from cardiofusion.serve.guard.buckets import Buckets, retry_after
from cardiofusion.serve.guard.refusal import Refusal, wants_page
from cardiofusion.serve.guard.request import bearer, client, cookie, header
from cardiofusion.serve.guard.routes import Demand, Demands
from cardiofusion.serve.settings import Settings

LOCAL = Actor("local", "admin")
STRANGER_RATE, STRANGER_BURST = 5.0, 60  # requests a second of a client that is refused
LOOKING_UP = 8  # threads that look sessions up: not those that pages and assessments are made in

NOBODY_LOCAL = Refusal(
    401,
    "access.unknown",
    "this page needs the key of this start",
    "open CardioFusion from its icon, or the address that `cardiofusion serve` prints",
    (("www-authenticate", 'Bearer realm="CardioFusion"'),),
)
NOBODY_SHARED = Refusal(
    401,
    "access.unknown",
    "nobody has signed in",
    "sign in at /login; programs send `Authorization: Bearer TOKEN`",
    (("www-authenticate", 'Bearer realm="CardioFusion"'),),
)
TO_LOGIN = Refusal(303, "access.unknown", "nobody has signed in", "sign in", (("location", "/login"),))


class Identity(Protocol):
    """How a server knows who asks."""

    nobody: Refusal

    async def actor(self, scope: Scope) -> Actor | None:
        """Who asks; None for nobody that is known."""


class LocalIdentity:
    """Whoever has the token of this start is the one user: as a bearer token, or a cookie made from it."""

    nobody = NOBODY_LOCAL

    def __init__(self, token: str, settings: Settings) -> None:
        self._token, self._cookie = token, cookie_name(settings)

    async def actor(self, scope: Scope) -> Actor | None:
        """The one user, for the right token or the cookie made from it."""
        given = bearer(scope)
        if given is None:
            given, wanted = cookie(scope, self._cookie) or "", cookie_value(self._token)
        else:
            wanted = self._token
        return LOCAL if same(given, wanted) else None


class SharedIdentity:
    """People by the session in their cookie, programs by an API token."""

    nobody = NOBODY_SHARED

    def __init__(self, accounts: Accounts, settings: Settings) -> None:
        self._credentials, self._cookie = accounts.credentials, cookie_name(settings)
        self._threads = CapacityLimiter(LOOKING_UP)

    async def actor(self, scope: Scope) -> Actor | None:
        """The token's or the session's account, looked up in a thread."""
        token = bearer(scope)
        secret = cookie(scope, self._cookie) if token is None else token
        if not secret:
            return None
        look_up = self._credentials.session_actor if token is None else self._credentials.token_actor
        return await to_thread.run_sync(look_up, secret, limiter=self._threads)


class Admission:
    """Lets a request through whose actor has the role of its route; the actor goes into its state."""

    def __init__(self, app: ASGIApp, identity: Identity, demands: Demands) -> None:
        self._app, self._identity, self._demands = app, identity, demands
        self._strangers = Buckets(STRANGER_RATE, STRANGER_BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        demand = self._demands.of(scope)
        actor = await self._identity.actor(scope)
        scope["state"]["actor"] = actor  # also for the page that refuses: it shows who signed in
        refusal = self._refusal(scope, demand, actor)
        if refusal is not None:
            return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, demand: Demand | None, actor: Actor | None) -> Refusal | None:
        if demand is not None and demand.permission is None:
            return None
        if actor is None:
            return self._stranger(scope)
        if demand is not None and demand.permission is not None and not actor.may(demand.permission.role):
            return forbidden(demand.permission.role)
        return None

    def _stranger(self, scope: Scope) -> Refusal:
        wait = self._strangers.take(client(scope))
        if wait:
            return too_often(wait)
        if self._identity.nobody is not NOBODY_SHARED:
            return self._identity.nobody
        if header(scope, "hx-request") == "true":
            fields = (*NOBODY_SHARED.fields, ("hx-redirect", "/login"))
            return Refusal(401, NOBODY_SHARED.code, NOBODY_SHARED.message, NOBODY_SHARED.hint, fields)
        return TO_LOGIN if wants_page(scope) and scope["method"] == "GET" else NOBODY_SHARED


def forbidden(role: str) -> Refusal:
    """403 for an actor whose role may not do this. role: the least that may."""
    return Refusal(403, "access.role", f"this needs the role {role}", "ask an admin of this server")


def too_often(seconds: float) -> Refusal:
    """429 for a stranger who asks again and again. seconds: until the next request is heard."""
    return Refusal(
        429, "access.often", "too many requests in a short time", "wait a little", retry_after(seconds)
    )


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, in a time that says nothing about how much of them is."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def cookie_name(settings: Settings) -> str:
    """Cookies know no ports: two servers of a machine need two names. Under TLS no other host can set it."""
    return f"{'__Host-' if settings.secure else ''}cardiofusion-{settings.port}"


def cookie_value(token: str) -> str:
    """What the local server's cookie holds: made from the token, which it does not betray."""
    return hmac.new(token.encode(), b"cookie", hashlib.sha256).hexdigest()
