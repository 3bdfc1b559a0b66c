"""The monitor: use, whether sets held what turned out true, whether the patients are those it knows."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.coverage import confirmed
from cardiofusion.serve.drift import RECENT_DAYS, drifts
from cardiofusion.serve.guard import require
from cardiofusion.serve.monitoring import monitored
from cardiofusion.serve.pages.knowledge import populations
from cardiofusion.serve.rendering import page
from cardiofusion.serve.shares import ENOUGH

router = APIRouter(include_in_schema=False, dependencies=[Depends(require("reader"))])


@router.get("/monitor")
def monitor(request: Request) -> Response:
    """Counts only: no patient is named here."""
    clinic: Clinic = request.app.state.clinic
    system = clinic.system
    bundle = system.bundle.hash
    horizons = {task.name: task.horizon for task in system.manifest.tasks if task.horizon}
    found = drifts(clinic.store, bundle, populations(clinic))
    return page(
        request,
        "monitor.html",
        found=monitored(clinic.store),
        waiting=clinic.desk.waiting,
        answers=confirmed(clinic.store, bundle, system.calibration_patients, horizons),
        drift=found,
        closed=next((one for one in found if one.kind == "closed"), None),
        moved=sum(bool(one.moved) for one in found),
        enough=ENOUGH,
        days=RECENT_DAYS,
    )
