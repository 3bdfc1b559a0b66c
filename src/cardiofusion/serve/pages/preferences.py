"""Settings: language and colours of this browser; what the server was told at its start."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.guard import require
from cardiofusion.serve.language import LANGUAGES
from cardiofusion.serve.rendering import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, page

router = APIRouter(include_in_schema=False, dependencies=[Depends(require("reader"))])

YEAR_SECONDS = 365 * 86400
GOODBYE_SECONDS = 0.5  # so that the page that says goodbye arrives first


@router.get("/settings")
def show(request: Request) -> Response:
    """The form, and what only the administrator changes, with where."""
    clinic: Clinic = request.app.state.clinic
    return page(request, "settings.html", themes=THEMES, database=clinic.store.engine.dialect.name)


@router.post("/settings")
def choose(
    request: Request,
    language: Annotated[str, Form(max_length=8)] = "",
    theme: Annotated[str, Form(max_length=8)] = "",
    back: Annotated[str, Form(max_length=300)] = "/settings",
) -> Response:
    """Kept in this browser, not on the server."""
    # Only a path of ours: what begins with two slashes would lead to another machine.
    ours = back.startswith("/") and not back.startswith(("//", "/\\"))
    answer = RedirectResponse(back if ours else "/settings", 303)
    for name, value, known in ((LANGUAGE_COOKIE, language, LANGUAGES), (THEME_COOKIE, theme, THEMES)):
        if value in known:
            secure = request.app.state.clinic.settings.secure
            answer.set_cookie(name, value, YEAR_SECONDS, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/quit", dependencies=[Depends(require("admin"))])
def quit_server(request: Request) -> Response:
    """End the server of this machine's one user: who started it by its icon has no terminal for that."""
    clinic: Clinic = request.app.state.clinic
    if clinic.settings.shared:
        raise HTTPException(404)
    timer = threading.Timer(GOODBYE_SECONDS, signal.raise_signal, [signal.SIGTERM])
    timer.daemon = True
    timer.start()
    return page(request, "ended.html")
