"""Errors as OperationOutcome with a 4xx status; answers as application/fhir+json."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from cardiofusion.records import CardioFusionError, InputError, StorageError
from cardiofusion.serve.fhir.terms import Json
from cardiofusion.serve.fhir.wire import MAX_BODY_BYTES, MEDIA_TYPE, TAKEN_TYPES, resource_bytes

# Our codes -> (status, issue type of FHIR); what stands for none is "invalid".
_KNOWN: Mapping[str, tuple[int, str]] = {
    "access.role": (403, "forbidden"),
    "serve.unknown": (404, "not-found"),
    "fhir.unknown": (404, "not-found"),
    "fhir.json": (400, "structure"),
    "fhir.parameters": (400, "structure"),
    "fhir.search": (400, "not-supported"),
    "fhir.unsupported": (405, "not-supported"),
    "fhir.media": (415, "not-supported"),
    "fhir.accept": (406, "not-supported"),
    "fhir.size": (413, "too-long"),
    "fhir.code": (422, "code-invalid"),
    "clinical.range": (422, "value"),
    "recording.size": (413, "too-long"),
    "recording.too_slow": (422, "too-costly"),
    "recording.too_large": (422, "too-costly"),
}
_BY_STATUS: Mapping[int, str] = {
    401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 413: "too-long", 429: "throttled",
}  # fmt: skip


class FhirError(InputError):
    """A request that this server does not take: an address, a format, a search."""


class FhirResponse(Response):
    """A resource."""

    media_type = f"{MEDIA_TYPE}; charset=utf-8"

    def render(self, content: Any) -> bytes:
        """A resource as JSON in UTF-8."""
        return resource_bytes(content)


class FhirRoute(APIRoute):
    """A route all of whose refusals are OperationOutcomes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with every error of it told as FHIR tells errors."""
        answer = super().get_route_handler()

        async def answer_or_outcome(request: Request) -> Response:
            """The route's answer, else an OperationOutcome."""
            try:
                _check_accepted(request)
                return await answer(request)
            except CardioFusionError as error:
                return refused(error)
            except RequestValidationError as error:
                first = error.errors()[0] if error.errors() else {}
                where = ".".join(str(part) for part in first.get("loc", ()))
                said = f"{where}: {first.get('msg', 'not valid')}"
                return FhirResponse(outcome("invalid", said), 400)
            except HTTPException as error:
                kind = _BY_STATUS.get(error.status_code, "processing")
                detail = error.detail if isinstance(error.detail, str) else "refused"
                return FhirResponse(outcome(kind, detail), error.status_code, dict(error.headers or {}))

        return answer_or_outcome


def refused(error: CardioFusionError) -> FhirResponse:
    """The answer to what one of our errors refuses."""
    default = (507, "no-store") if isinstance(error, StorageError) else (422, "invalid")
    status, kind = _KNOWN.get(error.code, default)
    return FhirResponse(outcome(kind, f"{error.message} ({error.hint})", error.code), status)


def outcome(kind: str, words: str, code: str = "", severity: str = "error") -> Json:
    """An OperationOutcome with one issue. kind: of FHIR's issue types. code: ours, stable."""
    details: Json = {"text": words[:1000]}
    if code:
        details["coding"] = [{"system": "urn:cardiofusion:error", "code": code}]
    issue = {"severity": severity, "code": kind, "details": details, "diagnostics": words[:1000]}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


async def body_of(request: Request) -> bytes:
    """The body of a request, at most MAX_BODY_BYTES. Raises FhirError "fhir.media", "fhir.size"."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in TAKEN_TYPES:
        raise FhirError("fhir.media", f"a body of {kind[:40]!r} is not taken", f"send {MEDIA_TYPE}")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise FhirError("fhir.size", "the body is too large", f"at most {MAX_BODY_BYTES:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _check_accepted(request: Request) -> None:
    """JSON is what there is. Raises FhirError "fhir.accept" where nothing of it is accepted."""
    wanted = request.query_params.get("_format", "") or request.headers.get("accept", "*/*")
    if "json" not in wanted and "*" not in wanted and "text/html" not in wanted:
        raise FhirError("fhir.accept", f"{wanted[:60]!r} is not served", f"ask for {MEDIA_TYPE}")
