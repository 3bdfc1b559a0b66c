"""One case: its sheet, its original files, what turned out to be true, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from cardiofusion.records import (
    Assessment,
    ClinicalError,
    ClinicalSchema,
    Column,
    InputError,
    Recording,
    RecordingError,
    StorageError,
    assessment_from_json,
)
from cardiofusion.report.verdicts import label_name, task_title
from cardiofusion.runtime.admission import PATIENT_KEYS
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.desk import stated_number
from cardiofusion.serve.drawing import PaperChoice
from cardiofusion.serve.fhir import MEDIA_TYPE, case_export, resource_bytes
from cardiofusion.serve.guard import require
from cardiofusion.serve.headline import headline_words
from cardiofusion.serve.pages.assessing import stated
from cardiofusion.serve.rendering import language_of, local, page
from cardiofusion.serve.sheet import SimilarCase, sheet_context
from cardiofusion.serve.similar import similar_cases
from cardiofusion.serve.store import Case, damaged_answer, unknown, unpack

router = APIRouter(include_in_schema=False)

Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
READER = [Depends(require("reader"))]
CLINICIAN = [Depends(require("clinician"))]
ADMIN = [Depends(require("admin"))]
UNDRAWN = "The original of this ECG cannot be read: it is not drawn."
ALWAYS_ASKED = ("age", "sex")  # in a correction: what ECG and row can disagree on
MAX_FIELDS = 200


def _paper(
    layout: Annotated[str, Query(pattern=r"^(3x4\+II|12x1|6x2)$")] = "3x4+II",
    speed: Annotated[float, Query(ge=1, le=100)] = 25.0,
    gain: Annotated[float, Query(ge=1, le=100)] = 10.0,
    start: Annotated[float, Query(ge=0, le=86400)] = 0.0,
) -> PaperChoice:
    """The paper that an address asks for."""
    return PaperChoice(layout, speed, gain, start)


@router.get("/cases/{case_id}", dependencies=READER)
def show(
    request: Request,
    case_id: Id,
    paper: Annotated[PaperChoice, Depends(_paper)],
    wanted: Annotated[bool, Query(alias="open")] = False,
) -> Response:
    """The sheet; or that it waits, or why it was refused. open: with what is closed, for a clinician."""
    clinic: Clinic = request.app.state.clinic
    case = clinic.store.case(case_id)
    if case.status == "received":
        return page(request, "case_waiting.html", case=case)
    if case.status == "refused":
        return page(request, "case_refused.html", case=case, refusal=case.refusal)
    try:
        assessment = _assessment(case)
    except StorageError as error:
        refusal = {"code": error.code, "message": error.message, "hint": error.hint}
        return page(request, "case_refused.html", case=case, refusal=refusal)
    actor = request.state.actor
    opened = wanted and actor.may("clinician")
    clinic.audit.write(actor.name, "case.gate" if opened else "case.view", case_id)
    sheet = _sheet(request, case, assessment, paper, opened)
    return page(request, "case.html", **sheet, **_around(clinic, case))


def _sheet(
    request: Request, case: Case, assessment: Assessment, paper: PaperChoice, opened: bool
) -> dict[str, Any]:
    """What the sheet of an assessed case shows, the patient's previous ECG beside it."""
    clinic: Clinic = request.app.state.clinic
    recording, undrawn = _recording(clinic, case)
    if undrawn:
        assessment = replace(assessment, warnings=(UNDRAWN, *assessment.warnings))
    before = clinic.store.earlier(case)
    earlier = None if before is None else _previous(clinic, before)
    context = sheet_context(
        assessment,
        recording,
        **asdict(paper),
        earlier=earlier,
        similar=[_similar(*found) for found in similar_cases(clinic.store, case)],
        assessed=local(case.created),
        say=language_of(request).say,
        opened=opened,
        may_open=request.state.actor.may("clinician"),
    )
    unread = before is not None and earlier is None
    return context | {"undrawn": undrawn, "earlier_case": before, "earlier_unread": unread}


def _around(clinic: Clinic, case: Case) -> dict[str, Any]:
    """What can be entered and corrected beneath the sheet."""
    return {
        "case": case,
        "targets": _targets(case),
        "number": _number(case),
        "corrections": [_corrected(one) for one in case.corrections or ()],
        "fields": list(_correctable(case, clinic.columns)),
    }


def _corrected(one: dict[str, Any]) -> dict[str, Any]:
    """What stood there before a correction: as it was typed, else under which number the case was filed."""
    number = stated_number(one["row"]) or one["patient"]
    row = {name: value for name, value in one["row"].items() if name not in PATIENT_KEYS}
    return one | {"entered": datetime.fromisoformat(one["entered"]), "number": number, "row": row}


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


@router.post("/cases/{case_id}/correct", dependencies=CLINICIAN)
async def correct(request: Request, case_id: Id) -> Response:
    """Another patient's number and clinical row, and the case assessed anew with them."""
    clinic: Clinic = request.app.state.clinic
    async with request.form(max_files=0, max_fields=MAX_FIELDS) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    row, patient = stated(fields, clinic.columns)
    await run_in_threadpool(_correct, clinic, case_id, row, patient, request.state.actor.name)
    return RedirectResponse(f"/cases/{case_id}", 303)


def _correct(clinic: Clinic, case_id: str, row: dict[str, Any], patient: str, actor: str) -> None:
    case = clinic.store.case(case_id)
    if not row and not case.files:
        raise InputError("input.nothing", "there is neither an ECG nor a value", "give one of them")
    # A number that only stood in the file, left as it was, is not what somebody states beside the file.
    if patient and (stated_number(case.row) or patient != _number(case)):
        row["patient_id"] = patient
    clinic.store.correct(case_id, row, patient, actor)
    clinic.desk.submit(case_id, urgent=True)
    clinic.audit.write(actor, "case.correct", case_id)


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
    """Raises StorageError where the kept answer is damaged."""
    try:
        return assessment_from_json(unpack(case.assessment or b""))
    except InputError as error:
        raise damaged_answer() from error


def _previous(clinic: Clinic, case: Case) -> tuple[Assessment, Recording | None] | None:
    """A previous ECG's answer and the ECG; None where the answer is damaged: that hides no sheet of today."""
    try:
        return _assessment(case), _recording(clinic, case)[0]
    except StorageError:
        return None


def _targets(case: Case) -> list[tuple[str, str]]:
    """(value, words) of what can be confirmed."""
    return [
        (f"{task}/{target}", f"{task_title(task)}: {label_name(target)}")
        for task, target, *_ in (case.headline or {}).get("findings", [])
    ]


def _recording(clinic: Clinic, case: Case) -> tuple[Recording | None, bool]:
    """The case's ECG, read again from its original: what is drawn is what was sent; whether that failed.

    The answer that is kept stands without the drawing.
    """
    try:
        return (clinic.desk.read(clinic.store.files_of(case)) if case.files else None), False
    except (StorageError, RecordingError):
        return None, True


@dataclass(frozen=True)
class _Field:
    """A value of the row that can be corrected, as its field is called and filled."""

    column: Column
    given: str


def _correctable(case: Case, columns: ClinicalSchema) -> Iterator[_Field]:
    """Every value of the row, and what ECG and row can disagree on."""
    for column in columns:
        if column.name in case.row or column.name in ALWAYS_ASKED:
            yield _Field(column, _given(column, case.row.get(column.name)))


def _given(column: Column, value: Any) -> str:
    """A value as it was given; a category by the name that the form has for it."""
    if column.kind != "category":
        return "" if value is None else str(value)
    try:
        return str(column.show(column.parse(value)) or "")
    except ClinicalError:
        return ""


def _number(case: Case) -> str:
    """The patient's number that is stated beside the ECG, else under which the case is filed."""
    return stated_number(case.row) or (case.patient.identifier if case.patient else "")


def _similar(case: Case, likeness: float) -> SimilarCase:
    return SimilarCase(
        href=f"/cases/{case.id}",
        who=case.patient.identifier if case.patient else (case.files[0].name if case.files else case.id[:8]),
        when=local(case.recorded or case.created),
        headline=headline_words(case.headline or {"findings": []}),
        likeness=likeness,
        outcomes=tuple(f"{outcome.target}: {outcome.verdict}" for outcome in case.outcomes),
    )
