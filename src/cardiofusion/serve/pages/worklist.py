"""The worklist: every case, the newest first; search; its table as CSV."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from cardiofusion.serve.export import MEDIA_TYPE, worklist_csv
from cardiofusion.serve.guard import require
from cardiofusion.serve.rendering import page
from cardiofusion.serve.store import PAGE, Search

router = APIRouter(include_in_schema=False, dependencies=[Depends(require("reader"))])

STATUSES = ("", "received", "assessed", "refused")
Text = Annotated[str, Query(max_length=200)]
Status = Annotated[str, Query(pattern="^(received|assessed|refused|)$")]
RandomId = Annotated[str, Query(pattern="^[0-9a-f]{0,32}$")]


@router.get("/")
def worklist(
    request: Request,
    text: Text = "",
    status: Status = "",
    patient: RandomId = "",
    batch: RandomId = "",
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """The whole page, or its table alone where htmx asks for that."""
    search = Search(text=text, status=status, batch=batch, patient=patient, page=number)
    store = request.app.state.clinic.store
    cases, total = store.search(search)
    return page(
        request,
        "worklist_table.html" if request.headers.get("hx-target") == "worklist" else "worklist.html",
        cases=cases,
        total=total,
        search=search,
        pages=max(1, -(-total // PAGE)),
        statuses=STATUSES,
        patient=store.patient(patient) if patient else None,
    )


@router.get("/export.csv")
def export(request: Request, text: Text = "", status: Status = "", patient: RandomId = "") -> Response:
    """The cases that a search finds, as CSV."""
    clinic = request.app.state.clinic
    clinic.audit.write(request.state.actor.name, "worklist.export", "")
    lines = worklist_csv(clinic.store, Search(text=text, status=status, patient=patient))
    kept = {"Content-Disposition": "attachment; filename=cardiofusion.csv"}
    return StreamingResponse(lines, media_type=MEDIA_TYPE, headers=kept)
