"""The bodies of the HTTP API, as OpenAPI describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, Field, WithJsonSchema

from cardiofusion.records import assessment_schema
from cardiofusion.serve.problems import PROBLEM
from cardiofusion.serve.store import Case, unpack

Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="as given when it was accepted")]

# RFC 3339's date-time, which "date-time" means, demands a time zone.
LOCAL_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$"
LocalTime = Annotated[datetime, WithJsonSchema({"type": "string", "pattern": LOCAL_TIME})]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="of the status")
    status: int
    detail: str = Field(description="what is wrong, in a sentence")
    code: str = Field(description="stable, for programs")
    hint: str = Field(description="what to do about it")


class FileName(BaseModel):
    """An original file."""

    name: str
    size: int
    sha256: str


class CaseSummary(BaseModel):
    """A case without its assessment."""

    id: str
    status: Literal["received", "assessed", "refused"]
    created: datetime
    source: str
    patient: str | None = Field(description="the patient's number, as the file or the form says it")
    recorded: LocalTime | None = Field(description="the ECG's own local time: a recorder knows no time zone")
    grade: Literal["good", "fair", "unfit"] | None
    files: list[FileName]
    refusal: dict[str, str] | None


class CaseDetail(CaseSummary):
    """A case with what the system says of it."""

    assessment: dict[str, Any] | None


class CaseList(BaseModel):
    """A page of cases, the newest first."""

    total: int
    cases: list[CaseSummary]


class Job(BaseModel):
    """Many recordings assessed one after the other."""

    id: str
    received: int
    assessed: int
    refused: int


class Embedded(BaseModel):
    """Where an ECG lies among others."""

    embedding: list[float]
    quality: Literal["good", "fair", "unfit"]
    encoder: str = Field(description="SHA-256 of the bundle whose encoder it was")


def summary(case: Case) -> dict[str, Any]:
    """A case as `CaseSummary`."""
    return {
        "id": case.id,
        "status": case.status,
        "created": case.created,
        "source": case.source,
        "patient": case.patient.identifier if case.patient else None,
        "recorded": case.recorded,
        "grade": case.grade,
        "files": [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in case.files],
        "refusal": case.refusal,
    }


def detail(case: Case) -> dict[str, Any]:
    """A case as `CaseDetail`."""
    return summary(case) | {"assessment": unpack(case.assessment) if case.assessment else None}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer when something is wrong, for OpenAPI; with those that every route may."""
    content = {PROBLEM: {"schema": Problem.model_json_schema()}}
    every = (400, 401, 403, 408, 413, 422, 429, 503)
    return {status: {"description": "a problem", "content": content} for status in (*every, *statuses)}


def assessment_response() -> dict[int | str, dict[str, Any]]:
    """An Assessment, by its own JSON Schema."""
    return {
        200: {
            "description": "the assessment",
            "content": {"application/json": {"schema": assessment_schema()}},
        }
    }
