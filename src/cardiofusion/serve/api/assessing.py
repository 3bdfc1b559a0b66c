"""Assess, embed or inspect one ECG; nothing of it is kept unless asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from cardiofusion.readers import group_files
from cardiofusion.records import InputError, RecordingError
from cardiofusion.runtime import System
from cardiofusion.runtime.admission import PATIENT_KEYS
from cardiofusion.runtime.inspection import describe_examined
from cardiofusion.serve.api.answers import AsciiJSON
from cardiofusion.serve.api.models import CaseDetail, Embedded, assessment_response, detail, problems
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.desk import stated_number
from cardiofusion.serve.guard import require
from cardiofusion.signal import canonical

router = APIRouter(prefix="/api/v1", tags=["assess"], default_response_class=AsciiJSON)
T = TypeVar("T")

CLINICIAN = [Depends(require("clinician", uploads=True))]
MAX_ROW = 64 * 1024  # characters
Files = Annotated[
    list[UploadFile], File(description="one ECG of any format, or the files of one WFDB record")
]
Row = Annotated[
    str,
    Form(max_length=MAX_ROW, description='clinical values by column, JSON: {"age": 61, "weight": "180lb"}'),
]


@router.post("/assess", dependencies=CLINICIAN, responses=assessment_response() | problems())
async def assess(
    request: Request,
    files: Files = [],  # noqa: B006 - FastAPI reads it as the default
    row: Row = "{}",
    explain: Annotated[bool, Form(description="with Grad-CAM, SHAP and attention")] = True,
) -> Response:
    """Assess one ECG, one clinical row, or both. Nothing is kept."""
    recording_files = await _one_recording(files)
    values = row_of(row)
    clinic: Clinic = request.app.state.clinic
    await noted(request, "api.assess")

    def work(system: System) -> dict[str, Any]:
        examined = clinic.desk.examine(recording_files) if recording_files else None
        return system.assess_examined(examined, values, explain).assessment.to_json()

    return AsciiJSON(await done(request, work))


@router.post(
    "/cases", status_code=201, dependencies=CLINICIAN, response_model=CaseDetail, responses=problems()
)
async def keep(
    request: Request,
    files: Files = [],  # noqa: B006
    row: Row = "{}",
    wait: Annotated[bool, Form(description="answer when it is assessed, else as soon as it is kept")] = True,
) -> Any:
    """Keep one ECG, one clinical row, or both; it stands on the worklist."""
    clinic: Clinic = request.app.state.clinic
    recording_files = await _one_recording(files)
    values = row_of(row)
    clinic.columns.encode({k: v for k, v in values.items() if k not in PATIENT_KEYS})
    if not recording_files and not values:
        raise InputError("input.nothing", "there is neither an ECG nor a value", "give one of them")
    patient = stated_number(values)
    case = await run_in_threadpool(
        clinic.store.accept,
        recording_files,
        values,
        source="api",
        patient=patient,
    )
    await run_in_threadpool(clinic.audit.write, request.state.actor.name, "case.accept", case)
    answer = clinic.desk.submit(case, urgent=wait)
    if wait:
        await asyncio.shield(asyncio.wrap_future(answer))  # a client that leaves takes no case along
    return detail(await run_in_threadpool(clinic.store.case, case))


@router.post("/embed", dependencies=CLINICIAN, response_model=Embedded, responses=problems())
async def embed(request: Request, files: Files) -> Any:
    """The encoder's numbers for one ECG. Nothing is kept."""
    recording_files = await _one_recording(files)
    clinic: Clinic = request.app.state.clinic
    await noted(request, "api.embed")

    def work(system: System) -> dict[str, Any]:
        """Raises RecordingError for an ECG that is unfit."""
        examined = clinic.desk.examine(recording_files)
        if not examined.fit:
            reasons = " ".join(examined.quality.reasons)
            raise RecordingError("recording.unfit", reasons, "record it again")
        embedding = system.encoder.embed([canonical(examined.recording)])[0]
        return {
            "embedding": embedding.astype(float).tolist(),
            "quality": examined.quality.grade,
            "encoder": system.encoder.hash,
        }

    return await done(request, work)


@router.post("/inspect", dependencies=CLINICIAN, responses=problems())
async def inspect(request: Request, files: Files) -> dict[str, Any]:
    """What an ECG file holds: leads, rate, quality, intervals. Nothing is kept."""
    recording_files = await _one_recording(files)
    clinic: Clinic = request.app.state.clinic
    await noted(request, "api.inspect")
    return await done(request, lambda _: describe_examined(clinic.desk.examine(recording_files)))


async def noted(request: Request, action: str) -> None:
    """A line of the audit log about a patient of whom nothing is kept here: without a subject."""
    clinic: Clinic = request.app.state.clinic
    await run_in_threadpool(clinic.audit.write, request.state.actor.name, action)


async def done(request: Request, work: Callable[[System], T]) -> T:
    """What the desk makes of some work, when its turn comes."""
    clinic: Clinic = request.app.state.clinic
    return await asyncio.wrap_future(clinic.desk.run(work))


def row_of(text: str) -> dict[str, Any]:
    """A clinical row in JSON. Raises InputError "input.row"."""
    wrong = InputError("input.row", "the row is no JSON object of values", 'for example {"age": 61}')
    try:
        row = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise wrong from error
    if not isinstance(row, dict) or any(isinstance(value, dict | list) for value in row.values()):
        raise wrong
    return row


async def _one_recording(files: list[UploadFile]) -> dict[str, bytes]:
    """The files of one recording, none where there are none. Raises InputError "input.several"."""
    named = [(given.filename or "ecg", await given.read()) for given in files]
    groups = group_files(named)
    if len(groups) > 1:
        raise InputError("input.several", "these are several recordings", "use /api/v1/jobs for many")
    return groups[0] if groups else {}
