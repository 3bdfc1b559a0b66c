"""Many recordings as one job."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Request, UploadFile
from starlette.concurrency import run_in_threadpool

from cardiofusion.readers import group_files
from cardiofusion.records import InputError
from cardiofusion.serve.api.answers import AsciiJSON
from cardiofusion.serve.api.models import CaseList, Id, Job, problems, summary
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.guard import require
from cardiofusion.serve.pages.assessing import take_into
from cardiofusion.serve.store import Search

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], default_response_class=AsciiJSON)
READER = [Depends(require("reader"))]
CLINICIAN = [Depends(require("clinician", uploads=True))]
Files = Annotated[list[UploadFile], File(description="ECGs of any format; WFDB records with all their files")]


@router.post("", status_code=202, dependencies=CLINICIAN, response_model=Job, responses=problems())
async def begin(request: Request, files: Files) -> Any:
    """Keep many recordings, and have them assessed one after the other."""
    clinic: Clinic = request.app.state.clinic
    groups = group_files([(given.filename or "ecg", await given.read()) for given in files])
    if not groups:
        raise InputError("input.nothing", "there is no file", "send some")
    batch = await run_in_threadpool(clinic.store.new_batch, "", request.state.actor.name)
    await run_in_threadpool(take_into, clinic, batch, groups)
    await run_in_threadpool(
        clinic.audit.write, request.state.actor.name, "batch.accept", batch, cases=len(groups)
    )
    return await run_in_threadpool(_state, clinic, batch)


@router.post(
    "/{job}/files", status_code=202, dependencies=CLINICIAN, response_model=Job, responses=problems(404)
)
async def add(request: Request, job: Id, files: Files) -> Any:
    """More recordings of a job."""
    clinic: Clinic = request.app.state.clinic
    await run_in_threadpool(clinic.store.batch, job)  # is there one?
    groups = group_files([(given.filename or "ecg", await given.read()) for given in files])
    await run_in_threadpool(take_into, clinic, job, groups)
    await run_in_threadpool(
        clinic.audit.write, request.state.actor.name, "batch.accept", job, cases=len(groups)
    )
    return await run_in_threadpool(_state, clinic, job)


@router.get("/{job}", dependencies=READER, response_model=Job, responses=problems(404))
def state(request: Request, job: Id) -> Any:
    """How far it is."""
    return _state(request.app.state.clinic, job)


@router.get("/{job}/cases", dependencies=READER, response_model=CaseList, responses=problems(404))
def cases(request: Request, job: Id, page: int = 1) -> Any:
    """Its cases; refused ones say why."""
    store = request.app.state.clinic.store
    store.batch(job)
    found, total = store.search(Search(batch=job, page=max(1, min(page, 100_000))))
    return {"total": total, "cases": [summary(case) for case in found]}


def _state(clinic: Clinic, job: str) -> dict[str, Any]:
    _, counts = clinic.store.batch(job)
    return {"id": job} | {status: counts.get(status, 0) for status in ("received", "assessed", "refused")}
