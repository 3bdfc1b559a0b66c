"""A small app behind the guard, in memory and under the real server."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Request, UploadFile
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.staticfiles import StaticFiles

from cardiofusion.serve.audit import Audit
from cardiofusion.serve.guard import Accounts, Actor, guarded, new_token, require, router, server_config
from cardiofusion.serve.guard.passwords import Passwords
from cardiofusion.serve.settings import Settings
from cardiofusion.serve.store.migrating import open_database

PASSWORD = "correct horse battery"
QUICK = Passwords(memory_kib=64, passes=1)  # argon2id all the same: what it costs is tested elsewhere


@dataclass
class Clinic:
    """What the guard needs of a clinic."""

    settings: Settings
    token: str
    accounts: Accounts
    audit: Audit
    engine: Any


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables, made once."""
    settings = Settings(data=tmp_path_factory.mktemp("empty"))
    open_database(settings.database_url).dispose()
    return settings.data / "cardiofusion.db"


@pytest.fixture
def clinic_of(tmp_path: Path, empty_database: Path) -> Iterator[Callable[..., Clinic]]:
    opened: list[Clinic] = []

    def make(**changed: Any) -> Clinic:
        settings = Settings(data=tmp_path, **changed)
        if not (tmp_path / "cardiofusion.db").exists():
            shutil.copy(empty_database, tmp_path)
        engine = open_database(settings.database_url)
        opened.append(Clinic(settings, new_token(), Accounts(engine, QUICK), Audit(engine), engine))
        return opened[-1]

    yield make
    for clinic in opened:
        clinic.engine.dispose()


@pytest.fixture
def clinic(clinic_of: Callable[..., Clinic]) -> Clinic:
    """A local one."""
    return clinic_of()


@pytest.fixture
def shared(clinic_of: Callable[..., Clinic]) -> Clinic:
    """A shared one with a person of each role, all with PASSWORD."""
    clinic = clinic_of(shared=True)
    for role in ("reader", "clinician", "admin"):
        clinic.accounts.add(f"the.{role}", role, PASSWORD)
    return clinic


def app_of(clinic: Clinic) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.state.clinic = clinic
    app.include_router(router)
    static = clinic.settings.data / "static"
    static.mkdir(exist_ok=True)
    (static / "app.css").write_text("body { color: black }")
    (clinic.settings.data / "secret.txt").write_text("SECRET")
    app.mount("/static", StaticFiles(directory=static))

    @app.get("/")
    def home(actor: Annotated[Actor, Depends(require("reader"))]) -> PlainTextResponse:
        return PlainTextResponse(f"{actor.name} {actor.role}")

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/case/{case_id}", dependencies=[Depends(require("reader"))])
    def case(case_id: str) -> PlainTextResponse:
        return PlainTextResponse("a case", headers={"cache-control": "public, max-age=9"})

    @app.post("/case/{case_id}/outcome", dependencies=[Depends(require("clinician"))])
    async def outcome(case_id: str, request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    @app.post("/upload", dependencies=[Depends(require("clinician", uploads=True))])
    async def upload(files: list[UploadFile]) -> dict[str, int]:
        return {"size": sum(file.size or 0 for file in files)}

    @app.delete("/case/{case_id}", dependencies=[Depends(require("admin"))])
    def delete(case_id: str) -> dict[str, str]:
        return {"deleted": case_id}

    @app.get("/broken/{number}", dependencies=[Depends(require("reader"))])
    def broken(number: str) -> None:
        raise RuntimeError(f"no place for {number}")

    @app.get("/much", dependencies=[Depends(require("reader"))])
    def much() -> StreamingResponse:
        return StreamingResponse(b"x" * 65536 for _ in range(1000))

    return app


class Client:
    """Speaks to the guarded app without a socket; keeps cookies as a browser does."""

    def __init__(self, clinic: Clinic, **given: Any) -> None:
        self.app = app_of(clinic)
        scheme = "https" if clinic.settings.secure else "http"
        options = {
            "base_url": f"{scheme}://127.0.0.1:{clinic.settings.port}",
            "transport": httpx.ASGITransport(guarded(self.app, clinic)),
        }
        self.http = httpx.AsyncClient(**{**options, **given})
        self.origin = {"origin": str(self.http.base_url).rstrip("/")}

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        return asyncio.run(self.http.request(method, path, **given))

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.ask("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        """As a form of a page of ours posts."""
        headers = self.origin | given.pop("headers", {})
        return self.ask("POST", path, headers=headers, **given)

    def log_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("/login", data={"name": name, "password": password})


@pytest.fixture
def client_of() -> Callable[..., Client]:
    return Client


@pytest.fixture
def local(clinic: Clinic) -> Client:
    """A browser of the one user of a local server, signed in."""
    client = Client(clinic)
    assert client.get("/open", params={"token": clinic.token}).status_code == 303
    return client


@contextmanager
def running(clinic: Clinic, **changed: Any) -> Iterator[int]:
    """The guarded app under uvicorn in a thread; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(server_config(guarded(app_of(clinic), clinic), clinic.settings, **changed))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


@pytest.fixture
def serving() -> Callable[..., Any]:
    return running
