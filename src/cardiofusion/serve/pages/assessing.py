"""A new assessment: files of any number, a clinical row, or both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from cardiofusion.readers import group_files
from cardiofusion.records import ClinicalError, ClinicalSchema, InputError
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.guard import require
from cardiofusion.serve.rendering import page

router = APIRouter(include_in_schema=False, dependencies=[Depends(require("clinician", uploads=True))])

MAX_FILES = 2000  # of one request; the page itself sends many files in several
MAX_FIELDS = 200
WAIT_SECONDS = 10.0  # for one answer, before the page that waits is shown
ROW = "row."


@router.get("/new")
def new(request: Request) -> Response:
    """The form."""
    clinic: Clinic = request.app.state.clinic
    own = {column.name for column in clinic.system.manifest.schema or ()}
    return page(
        request,
        "new.html",
        columns=[column for column in clinic.columns if column.name in own],
        for_scores=[column for column in clinic.columns if column.name not in own],
    )


@router.post("/new/check")
async def check(request: Request) -> Response:
    """What is wrong with the one field that is sent, `row.NAME`, in a sentence; else empty.

    In a body, as all that is said of a patient: addresses are kept by browsers and proxies.
    """
    async with request.form(max_files=0, max_fields=1) as form:
        field, value = next(((name, str(text)[:64]) for name, text in form.items()), ("", ""))
    name = field.removeprefix(ROW)
    wrong: ClinicalError | None = None
    try:
        request.app.state.clinic.columns[name].parse(value)
    except ClinicalError as error:
        wrong = error
    return page(request, "new_check.html", wrong=wrong)


@router.post("/new")
async def assess(request: Request) -> Response:
    """Keep what was sent, and lead to its sheet; to the batch where it is several recordings."""
    clinic: Clinic = request.app.state.clinic
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
        files = await sent_files(form)
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    row, patient = stated(fields, clinic.columns)
    place = await _take_in(request, files, row, patient)
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": place})
    return RedirectResponse(place, 303)


async def sent_files(form: FormData) -> list[tuple[str, bytes]]:
    """Name and content of every file of a form; a field without a file is none."""
    return [
        (given.filename, await given.read())
        for given in form.getlist("files")
        if isinstance(given, UploadFile) and given.filename
    ]


def stated(fields: Mapping[str, str], columns: ClinicalSchema) -> tuple[dict[str, str], str]:
    """The clinical row and the patient's number of a form. Raises ClinicalError for an impossible value."""
    row = {
        name.removeprefix(ROW): value.strip()
        for name, value in fields.items()
        if name.startswith(ROW) and value.strip()
    }
    columns.encode(row)
    patient = fields.get("patient_id", "").strip()[:200]
    return row, patient


async def _take_in(
    request: Request, files: Sequence[tuple[str, bytes]], row: dict[str, Any], patient: str
) -> str:
    """Keep everything; the address to go to."""
    clinic: Clinic = request.app.state.clinic
    groups = group_files(files)
    if not groups and not row:
        raise InputError("input.nothing", "there is neither an ECG nor a value", "give one of them")
    if len(groups) > 1:
        if row or patient:
            raise InputError(
                "input.several",
                "a patient number and a clinical row belong to one ECG, and there are several",
                "send several ECGs without them, or one alone",
            )
        return await run_in_threadpool(_take_batch, request, groups)
    if patient:
        row["patient_id"] = patient
    case = await run_in_threadpool(
        clinic.store.accept, groups[0] if groups else {}, row, source="page", patient=patient or None
    )
    await run_in_threadpool(clinic.audit.write, request.state.actor.name, "case.accept", case)
    answer = asyncio.wrap_future(clinic.desk.submit(case, urgent=True))
    await asyncio.wait([answer], timeout=WAIT_SECONDS)
    return f"/cases/{case}"


def _take_batch(request: Request, groups: Sequence[Mapping[str, bytes]]) -> str:
    clinic: Clinic = request.app.state.clinic
    batch = clinic.store.new_batch("", request.state.actor.name)
    take_into(clinic, batch, groups)
    clinic.audit.write(request.state.actor.name, "batch.accept", batch, cases=len(groups))
    return f"/batches/{batch}"


def take_into(clinic: Clinic, batch: str, groups: Sequence[Mapping[str, bytes]]) -> list[str]:
    """Keep recordings as cases of a batch, and have them assessed; their ids."""
    cases = [clinic.store.accept(files, source="batch", batch=batch) for files in groups]
    for case in cases:
        clinic.desk.submit(case)
    return cases
