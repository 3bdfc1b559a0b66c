"""One case: its sheet, its original files, what turned out to be true, and its end."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from cardiofusion.records import Assessment, Recording, assessment_from_json
from cardiofusion.report.verdicts import label_name, task_title
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.fhir import MEDIA_TYPE, case_export, resource_bytes
from cardiofusion.serve.guard import require
from cardiofusion.serve.headline import headline_words
from cardiofusion.serve.rendering import language_of, local, page
from cardiofusion.serve.sheet import SimilarCase, sheet_context
from cardiofusion.serve.similar import similar_cases
from cardiofusion.serve.store import Case, unknown, unpack

router = APIRouter(include_in_schema=False)

Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
READER = [Depends(require("reader"))]
CLINICIAN = [Depends(require("clinician"))]
ADMIN = [Depends(require("admin"))]


@router.get("/cases/{case_id}", dependencies=READER)
def show(
    request: Request,
    case_id: Id,
    layout: Annotated[str, Query(pattern=r"^(3x4\+II|12x1|6x2)$")] = "3x4+II",
    speed: Annotated[float, Query(ge=1, le=100)] = 25.0,
    gain: Annotated[float, Query(ge=1, le=100)] = 10.0,
    start: Annotated[float, Query(ge=0, le=86400)] = 0.0,
    wanted: Annotated[bool, Query(alias="open")] = False,
) -> Response:
    """The sheet; or that it waits, or why it was refused. open: with what is closed, for a clinician."""
    clinic: Clinic = request.app.state.clinic
    case = clinic.store.case(case_id)
    if case.status != "assessed":
        template = "case_waiting.html" if case.status == "received" else "case_refused.html"
        return page(request, template, case=case)
    actor = request.state.actor
    opened = wanted and actor.may("clinician")
    clinic.audit.write(actor.name, "case.gate" if opened else "case.view", case_id)
    earlier = clinic.store.earlier(case)
    context = sheet_context(
        _assessment(case),
        _recording(clinic, case),
        layout=layout,
        speed=speed,
        gain=gain,
        start=start,
        earlier=None if earlier is None else (_assessment(earlier), _recording(clinic, earlier)),
        similar=[_similar(*found) for found in similar_cases(clinic.store, case)],
        assessed=local(case.created),
        say=language_of(request).say,
        opened=opened,
        may_open=actor.may("clinician"),
    )
    targets = [
        (f"{task}/{target}", f"{task_title(task)}: {label_name(target)}")
        for task, target, *_ in (case.headline or {}).get("findings", [])
    ]
    return page(request, "case.html", case=case, earlier_case=earlier, targets=targets, **context)


@router.get("/cases/{case_id}/waits", dependencies=READER)
def waits(request: Request, case_id: Id) -> Response:
    """For the page of a case that waits: nothing while it does, then that the page is to be loaded anew."""
    done = request.app.state.clinic.store.case(case_id).status != "received"
    return Response(status_code=204, headers={"HX-Refresh": "true"} if done else {})


@router.get("/cases/{case_id}/files/{position}", dependencies=READER)
def original(request: Request, case_id: Id, position: Annotated[int, Path(ge=0, le=100_000)]) -> Response:
    """An original file, byte for byte."""
    clinic: Clinic = request.app.state.clinic
    case = clinic.store.case(case_id)
    found = next((file for file in case.files if file.position == position), None)
    if found is None:
        raise unknown("file")
    clinic.audit.write(request.state.actor.name, "case.original", case_id, file=position)
    return Response(
        clinic.store.originals.read(found.sha256),
        media_type="application/octet-stream",
        headers={"Content-Disposition": attachment(found.name)},
    )


@router.get("/cases/{case_id}/fhir", dependencies=READER)
def as_fhir(request: Request, case_id: Id) -> Response:
    """The case as a FHIR bundle."""
    clinic: Clinic = request.app.state.clinic
    content = resource_bytes(case_export(clinic, case_id))
    clinic.audit.write(request.state.actor.name, "case.export", case_id)
    name = attachment(f"{case_id}.fhir.json")
    return Response(content, media_type=MEDIA_TYPE, headers={"Content-Disposition": name})


@router.post("/cases/{case_id}/outcome", dependencies=CLINICIAN)
def outcome(
    request: Request,
    case_id: Id,
    target: Annotated[str, Form(max_length=200, description="task/target")],
    verdict: Annotated[str, Form(pattern="^(present|absent|unknown)$")],
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Enter a confirmed diagnosis or outcome."""
    clinic: Clinic = request.app.state.clinic
    task, _, name = target.partition("/")
    clinic.store.add_outcome(case_id, task, name, verdict, note, request.state.actor.name)
    clinic.audit.write(request.state.actor.name, "case.outcome", case_id, verdict=verdict)
    return RedirectResponse(f"/cases/{case_id}#outcome", 303)


@router.post("/cases/{case_id}/again", dependencies=CLINICIAN)
def again(request: Request, case_id: Id) -> Response:
    """Assess it anew."""
    clinic: Clinic = request.app.state.clinic
    clinic.store.again(case_id)
    clinic.desk.submit(case_id, urgent=True)
    clinic.audit.write(request.state.actor.name, "case.again", case_id)
    return RedirectResponse(f"/cases/{case_id}", 303)


@router.post("/cases/{case_id}/delete", dependencies=ADMIN)
def delete(request: Request, case_id: Id) -> Response:
    """Remove it for ever."""
    clinic: Clinic = request.app.state.clinic
    clinic.store.delete(case_id)
    clinic.audit.write(request.state.actor.name, "case.delete", case_id)
    return RedirectResponse("/", 303)


def attachment(name: str) -> str:
    """A Content-Disposition that saves a file under its own name, whatever that is (RFC 6266)."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


def _assessment(case: Case) -> Assessment:
    return assessment_from_json(unpack(case.assessment or b""))


def _recording(clinic: Clinic, case: Case) -> Recording | None:
    """The case's ECG, read again from its original: what is drawn is what was sent."""
    return clinic.desk.read(clinic.store.files_of(case)) if case.files else None


def _similar(case: Case, likeness: float) -> SimilarCase:
    return SimilarCase(
        href=f"/cases/{case.id}",
        who=case.patient.identifier if case.patient else (case.files[0].name if case.files else case.id[:8]),
        when=local(case.recorded or case.created),
        headline=headline_words(case.headline or {"findings": []}),
        likeness=likeness,
        outcomes=tuple(f"{outcome.target}: {outcome.verdict}" for outcome in case.outcomes),
    )
