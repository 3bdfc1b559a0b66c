"""How the guard says no: problem+json (RFC 9457) to programs, a page to people; nothing of what was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cardiofusion.serve.guard.request import header

PROGRAM_PATHS = ("/api/", "/fhir", "/cds-services", "/health")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - CardioFusion</title><link rel="stylesheet" href="/static/app.css"></head>
<body><main class="refusal"><h1>{message}</h1><p>{hint}</p><p><a href="/">CardioFusion</a></p></main></body>
</html>
"""


@dataclass(frozen=True)
class Refusal:
    """An answer that ends a request. fields: of the head, further ones. closes: so does the connection."""

    status: int
    code: str
    message: str
    hint: str
    fields: tuple[tuple[str, str], ...] = ()
    closes: bool = False

    async def __call__(self, scope: Scope, send: Send) -> None:
        for_people = wants_page(scope)
        content = self._page() if for_people else self._problem()
        fields = [
            ("content-type", "text/html; charset=utf-8" if for_people else "application/problem+json"),
            ("content-length", str(len(content))),
            *self.fields,
            *([("connection", "close")] if self.closes else []),
        ]
        headers = [(name.encode(), value.encode()) for name, value in fields]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase

    def _problem(self) -> bytes:
        fields = {"type": "about:blank", "title": self.title, "status": self.status}
        return json.dumps(fields | {"detail": self.message, "code": self.code, "hint": self.hint}).encode()

    def _page(self) -> bytes:
        words = {"title": self.title, "message": self.message, "hint": self.hint}
        return PAGE.format(**{name: escape(word) for name, word in words.items()}).encode()


class Refused(Response):
    """A refusal as a route's answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(status_code=refusal.status)
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await self._refusal(scope, send)


def wants_page(scope: Scope) -> bool:
    """Whether a person in a browser waits for the answer."""
    path = scope["path"]
    return "text/html" in (header(scope, "accept") or "") and not path.startswith(PROGRAM_PATHS)
