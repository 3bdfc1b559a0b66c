"""What goes wrong, over HTTP: a problem body (RFC 9457) for programs, a page for people; no traceback."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from cardiofusion.records import AccessError, CardioFusionError, InputError, StorageError
from cardiofusion.serve.rendering import page

log = logging.getLogger(__name__)

STATUS = {
    "serve.unknown": 404,
    "recording.size": 413,
    "recording.too_large": 413,
    "storage.newer": 503,
    "extra.missing": 422,  # a format that this installation does not read
    "fhir.json": 400,
    "fhir.media": 415,
    "fhir.size": 413,
    "access.role": 403,
    "access.busy": 503,
}
HINTS = {
    401: "sign in, or open the address that CardioFusion printed when it started",
    403: "ask an administrator of this server",
    404: "check the address; it may have been deleted",
    405: "see /api/v1/openapi.json",
    413: "send less at a time",
    429: "wait a moment",
}
PROBLEM = "application/problem+json"


def add_problems(app: FastAPI) -> None:
    """Let an application answer all errors so."""
    app.add_exception_handler(CardioFusionError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_a_fault)


def status_of(error: CardioFusionError) -> int:
    """422 for what was given, 503 for what this machine refuses, others by their code."""
    if error.code in STATUS:
        return STATUS[error.code]
    if isinstance(error, StorageError):
        return 503
    if isinstance(error, AccessError):
        return 403
    return 422 if isinstance(error, InputError) else 500


def problem(request: Request, status: int, detail: str, code: str, hint: str) -> Response:
    """The answer to a request that went wrong, as its client reads answers."""
    if wants_page(request):
        told = {"status": status, "title": detail, "code": code, "hint": hint}
        return page(request, "problem.html", status, fragment="hx-request" in request.headers, **told)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "hint": hint,
    }
    # In ASCII: what is quoted of a request may hold half a surrogate pair, which UTF-8 cannot say.
    return Response(json.dumps(body), status, media_type=PROBLEM)


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page."""
    programs = request.url.path.startswith(("/api/", "/fhir", "/cds-services"))
    page_like = "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers
    return page_like and not programs


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, CardioFusionError)
    return problem(request, status_of(error), error.message, error.code, error.hint)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    where = "; ".join(
        f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}" for found in error.errors()[:5]
    )
    return problem(request, 422, f"the request is not as described: {where}"[:500], "request", HINTS[405])


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, OSError):  # while an upload was put aside: not the client's mistake
        hint = "make room on the disk; nothing was kept"
        return problem(request, 503, "the disk refuses what was sent", "storage.upload", hint)
    hint = HINTS.get(error.status_code, "see /api/v1/openapi.json")
    answer = problem(request, error.status_code, str(error.detail).lower(), f"http.{error.status_code}", hint)
    answer.headers.update(error.headers or {})
    return answer


async def _of_a_fault(request: Request, error: Exception) -> Response:
    # Only what kind of error it is: its words may hold what a file says of a patient.
    log.error("%s in %s", type(error).__name__, request.scope.get("route", request.scope["type"]))
    return problem(request, 500, "CardioFusion made a mistake", "internal", "report it; nothing was lost")
