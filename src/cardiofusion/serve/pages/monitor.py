"""How it is used: cases a day, refusals, quality; answers beside what turned out to be true."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.guard import require
from cardiofusion.serve.monitoring import monitored
from cardiofusion.serve.rendering import page

router = APIRouter(include_in_schema=False, dependencies=[Depends(require("reader"))])


@router.get("/monitor")
def monitor(request: Request) -> Response:
    """Counts only: no patient is named here."""
    clinic: Clinic = request.app.state.clinic
    return page(request, "monitor.html", found=monitored(clinic.store), waiting=clinic.desk.waiting)
