"""Signing in and out: `/open` for the one user of a local server, `/login` and `/logout` for accounts."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cardiofusion.serve.guard.actor import Actor, require
from cardiofusion.serve.guard.credentials import LONGEST
from cardiofusion.serve.guard.identity import NOBODY_LOCAL, cookie_name, cookie_value, same, too_often
from cardiofusion.serve.guard.refusal import Refusal, Refused
from cardiofusion.serve.guard.request import client
from cardiofusion.serve.guard.throttle import Throttle
from cardiofusion.serve.rendering import page

HOME, LOGIN = "/", "/login"
ELSEWHERE = Refusal(404, "serve.unknown", "there is no such page", "start at /")
# A page of ours, not a redirect: a browser that came from a file or another site sends a strict cookie only
# with what a page of ours asks for.
ONWARD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="refresh" content="0;url=/">
<title>CardioFusion</title></head><body><a href="/">CardioFusion</a></body></html>
"""

router = APIRouter(include_in_schema=False)


@router.get("/open")
def open_local(request: Request, token: str = "") -> Response:
    """The local server's key in the address becomes a cookie, and leaves the address."""
    clinic: Any = request.app.state.clinic
    if clinic.settings.shared:
        return Refused(ELSEWHERE)
    if not same(token, clinic.token):
        return Refused(NOBODY_LOCAL)
    direct = request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    response: Response = RedirectResponse(HOME, 303) if direct else HTMLResponse(ONWARD)
    _set_cookie(response, clinic, cookie_value(clinic.token))
    return response


@router.get(LOGIN)
def login_page(request: Request) -> Response:
    """The form for name and password."""
    if not request.app.state.clinic.settings.shared:
        return Refused(ELSEWHERE)
    return _form(request)


@router.post(LOGIN)
async def log_in(request: Request) -> Response:
    """Name and password become a session. Never says which of the two was wrong."""
    clinic: Any = request.app.state.clinic
    if not clinic.settings.shared:
        return Refused(ELSEWHERE)
    async with request.form(max_files=0, max_fields=8) as form:
        name, password = str(form.get("name", "")), str(form.get("password", ""))
    return await to_thread.run_sync(_log_in, request, clinic, name, password)


@router.post("/logout")
def log_out(request: Request, actor: Annotated[Actor, Depends(require("reader"))]) -> Response:
    """The session ends, here and in the database."""
    clinic: Any = request.app.state.clinic
    secret = request.cookies.get(cookie_name(clinic.settings), "")
    if clinic.settings.shared:
        clinic.accounts.credentials.end_session(secret)
        clinic.audit.write(actor.name, "session.closed", actor.account_id or "")
    response = RedirectResponse(LOGIN if clinic.settings.shared else HOME, 303)
    response.delete_cookie(cookie_name(clinic.settings), secure=clinic.settings.secure, httponly=True)
    return response


def _log_in(request: Request, clinic: Any, name: str, password: str) -> Response:
    throttle: Throttle = request.app.state.throttle
    who = client(request.scope)
    wait = throttle.begin(name, who)
    if wait:
        return Refused(too_often(wait))
    account_id = clinic.accounts.id_of(name)
    actor = clinic.accounts.check(name, password)
    if actor is None:
        clinic.audit.write("server", "session.refused", account_id)
        return _form(request, refused=True)
    throttle.succeeded(name, who)
    secret = clinic.accounts.credentials.new_session(
        actor.account_id, request.cookies.get(cookie_name(clinic.settings))
    )
    clinic.audit.write(actor.name, "session.opened", account_id)
    response = RedirectResponse(HOME, 303)
    _set_cookie(response, clinic, secret, int(LONGEST.total_seconds()))
    return response


def _form(request: Request, refused: bool = False) -> Response:
    return page(request, "login.html", 401 if refused else 200, refused=refused)


def _set_cookie(response: Response, clinic: Any, value: str, seconds: int | None = None) -> None:
    """Strict for the local server. A shared one is entered by links of a record system: lax."""
    response.set_cookie(
        cookie_name(clinic.settings),
        value,
        max_age=seconds,
        secure=clinic.settings.secure,
        httponly=True,
        samesite="lax" if clinic.settings.shared else "strict",
    )
