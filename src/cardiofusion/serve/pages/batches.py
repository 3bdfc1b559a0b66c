"""Many files at once: taken in piece by piece, watched while they are assessed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from cardiofusion.readers import group_files
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.guard import require
from cardiofusion.serve.pages.assessing import MAX_FIELDS, MAX_FILES, sent_files, take_into
from cardiofusion.serve.rendering import page
from cardiofusion.serve.store import Search

router = APIRouter(include_in_schema=False)

REPEATED = "x-repeated"  # the page had no answer to these files before: what was kept then is not kept again
Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@router.post("/batches", dependencies=[Depends(require("clinician", uploads=True))])
def begin(request: Request, name: Annotated[str, Form(max_length=200)] = "") -> Response:
    """An empty batch, for a page that sends its files in several requests."""
    clinic: Clinic = request.app.state.clinic
    batch = clinic.store.new_batch(name, request.state.actor.name)
    clinic.audit.write(request.state.actor.name, "batch.begin", batch)
    return JSONResponse({"batch": batch, "href": f"/batches/{batch}"}, 201)


@router.post("/batches/{batch}/files", dependencies=[Depends(require("clinician", uploads=True))])
async def add(request: Request, batch: Id) -> Response:
    """More files of a batch: accepted once this has answered."""
    clinic: Clinic = request.app.state.clinic
    await run_in_threadpool(clinic.store.batch, batch)  # is there one?
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
        files = await sent_files(form)
    groups = group_files(files)
    if request.headers.get(REPEATED):
        groups = await run_in_threadpool(clinic.store.not_in_batch, batch, groups)
    cases = await run_in_threadpool(take_into, clinic, batch, groups)
    await run_in_threadpool(
        clinic.audit.write, request.state.actor.name, "batch.accept", batch, cases=len(cases)
    )
    return JSONResponse({"accepted": len(cases)}, 201)


@router.get("/batches/{batch}", dependencies=[Depends(require("reader"))])
def show(request: Request, batch: Id) -> Response:
    """How far it is, and a table of what was refused; the progress alone where htmx asks."""
    store = request.app.state.clinic.store
    found, counts = store.batch(batch)
    refused, n_refused = store.search(Search(batch=batch, status="refused"))
    return page(
        request,
        "batch_progress.html" if request.headers.get("hx-target") == "progress" else "batch.html",
        batch=found,
        counts={status: counts.get(status, 0) for status in ("received", "assessed", "refused")},
        total=sum(counts.values()),
        refused=refused,
        n_refused=n_refused,
    )
