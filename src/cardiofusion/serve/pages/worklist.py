"""The worklist: every case, the newest first; search; its table as CSV.

What is searched for may be a patient's number. It comes in a request's body alone: addresses stay in a
browser's history and in the logs of whatever stands between.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response, StreamingResponse

from cardiofusion.serve.export import MEDIA_TYPE, worklist_csv
from cardiofusion.serve.guard import require
from cardiofusion.serve.rendering import page
from cardiofusion.serve.store import PAGE, Search

router = APIRouter(include_in_schema=False, dependencies=[Depends(require("reader"))])

LONGEST_TEXT = 200
STATUS = "^(received|assessed|refused|)$"
RANDOM_ID = "^[0-9a-f]{0,32}$"
LAST_PAGE = 100_000


@router.get("/")
def worklist(
    request: Request,
    status: Annotated[str, Query(pattern=STATUS)] = "",
    patient: Annotated[str, Query(pattern=RANDOM_ID)] = "",
    batch: Annotated[str, Query(pattern=RANDOM_ID)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=LAST_PAGE)] = 1,
) -> Response:
    """All cases, or those of a status, patient or batch, which addresses name by random ids."""
    return _shown(request, Search(status=status, batch=batch, patient=patient, page=number))


def searched(
    text: Annotated[str, Form(max_length=LONGEST_TEXT)] = "",
    status: Annotated[str, Form(pattern=STATUS)] = "",
    patient: Annotated[str, Form(pattern=RANDOM_ID)] = "",
    batch: Annotated[str, Form(pattern=RANDOM_ID)] = "",
    number: Annotated[int, Form(alias="page", ge=1, le=LAST_PAGE)] = 1,
) -> Search:
    """What a form asks for."""
    return Search(text=text, status=status, batch=batch, patient=patient, page=number)


@router.post("/")
def search(request: Request, wanted: Annotated[Search, Depends(searched)]) -> Response:
    """What a search finds; that somebody searched is audited, without the words."""
    if wanted.text.strip():
        request.app.state.clinic.audit.write(request.state.actor.name, "worklist.search")
    return _shown(request, wanted)


@router.post("/export.csv")
def export(request: Request, wanted: Annotated[Search, Depends(searched)]) -> Response:
    """All cases that a search finds, as CSV."""
    clinic = request.app.state.clinic
    clinic.audit.write(request.state.actor.name, "worklist.export", "")
    kept = {"Content-Disposition": "attachment; filename=cardiofusion.csv"}
    return StreamingResponse(worklist_csv(clinic.store, wanted), media_type=MEDIA_TYPE, headers=kept)


def _shown(request: Request, wanted: Search) -> Response:
    """The whole page, or its table alone where htmx asks for that."""
    store = request.app.state.clinic.store
    cases, total = store.search(wanted)
    return page(
        request,
        "worklist_table.html" if request.headers.get("hx-target") == "worklist" else "worklist.html",
        cases=cases,
        total=total,
        search=wanted,
        pages=max(1, -(-total // PAGE)),
        patient=store.patient(wanted.patient) if wanted.patient else None,
    )
