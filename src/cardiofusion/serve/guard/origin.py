"""Where a request comes from: the page of another site, or port, may only link to a page of ours.

Fetch Metadata (W3C) where the browser sends it, else the Origin field. Requests with an Authorization field
are let through: no page of another origin can make a browser send one, as this server answers no preflight.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from cardiofusion.serve.guard.refusal import Refusal
from cardiofusion.serve.guard.request import SAFE_METHODS, bearer, header

CROSS_SITE = Refusal(
    403,
    "access.origin",
    "this request came from another site's page",
    "use the pages of this server; programs send an Authorization field",
)


class Origins:
    """Refuses what another origin's page makes a browser send (cross-site request forgery, probing)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if bearer(scope) is None and not own(scope):
            return await CROSS_SITE(scope, receive, send)
        return await self._app(scope, receive, send)


def own(scope: Scope) -> bool:
    """Whether it is the user's own: sent by a page of ours or, to look at a page, by following a link."""
    site, origin = header(scope, "sec-fetch-site"), header(scope, "origin")
    if scope["method"] in SAFE_METHODS:
        return site in (None, "same-origin", "none") or _follows_link(scope)
    if origin is not None and origin not in _origins(scope):
        return False
    return site == "same-origin" or (site is None and origin is not None)


def _follows_link(scope: Scope) -> bool:
    top = header(scope, "sec-fetch-mode") == "navigate" and header(scope, "sec-fetch-dest") == "document"
    return top and scope["method"] == "GET"


def _origins(scope: Scope) -> tuple[str, str]:
    """This server's own: its scheme, or https where something before it speaks TLS."""
    host = header(scope, "host") or ""
    return f"{scope['scheme']}://{host}", f"https://{host}"
