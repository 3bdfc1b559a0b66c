"""The application: every way in, put together behind the guard."""

from __future__ import annotations

from importlib.resources import files

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from cardiofusion import __version__
from cardiofusion.serve import api, cds, fhir, guard, pages
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.problems import add_problems

OPENAPI = "/api/v1/openapi.json"
ABOUT = (
    "Assess ECGs and clinical rows on this machine. For research use only: not a medical device, not "
    "an emergency alarm. Programs send `Authorization: Bearer TOKEN`. What goes wrong is answered with a "
    "problem body (RFC 9457)."
)


def create_app(clinic: Clinic) -> FastAPI:
    """All pages and interfaces of a clinic, without the guard (see `guard.guarded`)."""
    app = FastAPI(
        title="CardioFusion",
        version=__version__,
        description=ABOUT,
        openapi_url=None,  # of ours, below: it demands a role like any route
        docs_url=None,  # its pages fetch from elsewhere
        redoc_url=None,
    )
    app.state.clinic = clinic
    add_problems(app)
    app.mount("/static", StaticFiles(directory=str(files("cardiofusion.serve") / "static")), name="static")
    app.add_api_route("/health", health, include_in_schema=False)
    app.add_api_route(
        OPENAPI, description, include_in_schema=False, dependencies=[Depends(guard.require("reader"))]
    )
    for router in (guard.router, *pages.ROUTERS, *api.ROUTERS, fhir.router, cds.router):
        app.include_router(router)
    return app


async def description(request: Request) -> JSONResponse:
    """The HTTP API, as OpenAPI."""
    app: FastAPI = request.app
    return JSONResponse(app.openapi())


async def health() -> JSONResponse:
    """Whether it runs."""
    return JSONResponse({"status": "ok", "version": __version__})
