"""What is kept: list, look, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from cardiofusion.serve.api.answers import AsciiJSON
from cardiofusion.serve.api.models import CaseDetail, CaseList, Id, detail, problems, summary
from cardiofusion.serve.guard import require
from cardiofusion.serve.store import Search

router = APIRouter(prefix="/api/v1", tags=["cases"], default_response_class=AsciiJSON)
READER = [Depends(require("reader"))]


@router.get("/cases", dependencies=READER, response_model=CaseList, responses=problems())
def cases(
    request: Request,
    text: Annotated[
        str, Query(max_length=200, description="part of a patient's number or a file's name")
    ] = "",
    status: Annotated[str, Query(pattern="^(received|assessed|refused|)$")] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Any:
    """A page of cases, the newest first."""
    clinic = request.app.state.clinic
    found, total = clinic.store.search(Search(text=text, status=status, page=page))
    clinic.audit.write(request.state.actor.name, "api.cases")
    return {"total": total, "cases": [summary(case) for case in found]}


@router.get("/cases/{case_id}", dependencies=READER, response_model=CaseDetail, responses=problems(404))
def case(request: Request, case_id: Id) -> Any:
    """A case with its assessment."""
    clinic = request.app.state.clinic
    found = detail(clinic.store.case(case_id))
    clinic.audit.write(request.state.actor.name, "case.view", case_id)
    return found


@router.delete(
    "/cases/{case_id}",
    status_code=204,
    dependencies=[Depends(require("admin"))],
    responses=problems(404),
)
def delete(request: Request, case_id: Id) -> Response:
    """Remove a case for ever."""
    clinic = request.app.state.clinic
    clinic.store.delete(case_id)
    clinic.audit.write(request.state.actor.name, "case.delete", case_id)
    return Response(status_code=204)
