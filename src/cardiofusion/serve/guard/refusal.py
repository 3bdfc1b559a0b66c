"""How the guard says no: problem+json (RFC 9457) to programs, an OperationOutcome to those that speak FHIR,
a page to people; nothing of what was sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cardiofusion.serve.guard.request import header
from cardiofusion.serve.rendering import page

PROGRAM_PATHS = ("/api/", "/fhir", "/cds-services", "/health")
PROBLEM = "application/problem+json"
FHIR_PATH = "/fhir/"
FHIR = "application/fhir+json"
# Types of an OperationOutcome's issue (FHIR R4, IssueType).
ISSUES = {401: "login", 403: "forbidden", 404: "not-found", 408: "timeout", 413: "too-long", 429: "throttled"}


@dataclass(frozen=True)
class Refusal:
    """An answer that ends a request. fields: of the head, further ones. closes: so does the connection."""

    status: int
    code: str
    message: str
    hint: str
    fields: tuple[tuple[str, str], ...] = ()
    closes: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        speaks_fhir = scope["path"].startswith(FHIR_PATH)
        answer = (
            self._page(scope) if wants_page(scope) else self._outcome() if speaks_fhir else self._problem()
        )
        answer.headers.update(dict(self.fields))
        if self.closes:
            answer.headers["connection"] = "close"
        await answer(scope, receive, send)

    def _problem(self) -> Response:
        fields: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(self.status).phrase}
        fields |= {"status": self.status, "detail": self.message, "code": self.code, "hint": self.hint}
        return Response(json.dumps(fields), self.status, media_type=PROBLEM)

    def _outcome(self) -> Response:
        details = {"text": f"{self.message} ({self.hint})"}
        issue = {"severity": "error", "code": ISSUES.get(self.status, "security"), "details": details}
        document = {"resourceType": "OperationOutcome", "issue": [issue]}
        return Response(json.dumps(document), self.status, media_type=FHIR)

    def _page(self, scope: Scope) -> Response:
        words = {"title": self.message, "code": self.code, "hint": self.hint, "status": self.status}
        in_part = header(scope, "hx-request") == "true"
        return page(Request(scope), "problem.html", self.status, fragment=in_part, **words)


class Refused(Response):
    """A refusal as a route's answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(status_code=refusal.status)
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._refusal(scope, receive, send)


def wants_page(scope: Scope) -> bool:
    """Whether a person in a browser waits for the answer."""
    asked = "text/html" in (header(scope, "accept") or "") or header(scope, "hx-request") == "true"
    return asked and not scope["path"].startswith(PROGRAM_PATHS)
