"""Header fields that tell a browser to trust nothing but this server."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = "/static/"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
NOT_USED = ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "serial", "usb")
FIELDS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in NOT_USED),
}
CONTENT_POLICY = b"content-security-policy"
TLS_ONLY = "max-age=31536000"  # a year


class SecurityHeaders:
    """Sets the fields above on every answer, whatever the app set. Nothing of a patient stays in a cache.

    One thing the app may decide: a page with a content policy of its own keeps it (the model card, by hash).
    """

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self._app = app
        fields = FIELDS | ({"strict-transport-security": TLS_ONLY} if secure else {})
        self._fields = [(name.encode(), value.encode()) for name, value in fields.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Pages change with a new version under the same names: a browser asks, and is told "not modified".
        caching = b"no-cache" if scope["path"].startswith(STATIC) else b"no-store"
        fields = [*self._fields, (b"cache-control", caching)]
        ours = {name for name, _ in fields}

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                own = {name.lower() for name, _ in given} & {CONTENT_POLICY}
                kept = [field for field in given if field[0].lower() not in ours - own]
                message["headers"] = kept + [field for field in fields if field[0] not in own]
            await send(message)

        await self._app(scope, receive, adding)
