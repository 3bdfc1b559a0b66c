"""A clinic behind its guard on a free port, and what a FHIR client sends it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import uvicorn

from cardiofusion.records import Recording
from cardiofusion.runtime import System
from cardiofusion.serve.app import create_app
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.guard import guarded
from cardiofusion.serve.settings import Settings
from cardiofusion.simulate import virtual_cohort
from cardiofusion.writers.fhir import encode

START_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A running server. url: its address; fhir: the base of its FHIR resources."""

    clinic: Clinic
    url: str
    http: httpx.Client

    @property
    def fhir(self) -> str:
        return f"{self.url}/fhir"

    @property
    def authorization(self) -> str:
        return f"Bearer {self.clinic.token}"

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.http.get(f"{self.fhir}/{path}", **given)

    def post(self, path: str, document: Any, **given: Any) -> httpx.Response:
        headers = {"content-type": "application/fhir+json"} | given.pop("headers", {})
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.http.post(f"{self.fhir}/{path}", content=content, headers=headers, **given)

    def wait(self) -> None:
        """Until the desk has nothing left to do."""
        deadline = time.monotonic() + START_SECONDS
        while self.clinic.store.waiting():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture(scope="session")
def system() -> System:
    return System.load()


@pytest.fixture(scope="session")
def recording() -> Recording:
    """A virtual adult's ECG of 10 s that the bundle can read."""
    found = virtual_cohort(8, 20_011).recordings
    adult = next(r for r in (one.read() for one in found) if 30 <= (r.age or 0) <= 70)
    return replace(adult, patient_id="MRN-77")


@pytest.fixture(scope="session")
def observation(recording: Recording) -> dict[str, Any]:
    """The same as a FHIR Observation."""
    document: dict[str, Any] = json.loads(encode(recording))
    return document


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(Settings(data=tmp_path_factory.mktemp("clinic"), examples=False, workers=1)) as found:
        yield found


@contextmanager
def running(settings: Settings) -> Iterator[Server]:
    """A clinic that is served, in this process."""
    clinic = Clinic.open(settings)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            guarded(create_app(clinic), clinic), ws="none", log_config=None, access_log=False, lifespan="off"
        )
        served = uvicorn.Server(config)
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{port}"
        headers = {"authorization": f"Bearer {clinic.token}"}
        with httpx.Client(headers=headers, timeout=30.0) as http:
            yield Server(clinic, url, http)
        served.should_exit = True
        thread.join(START_SECONDS)
    clinic.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A shared server, and the token of an account of each role."""
    folder = tmp_path_factory.mktemp("shared")
    with running(Settings(data=folder, examples=False, workers=1, shared=True)) as found:
        accounts, tokens = found.clinic.accounts, {}
        for role in ("reader", "clinician", "admin"):
            accounts.add(role, role, "correct horse battery")
            tokens[role] = accounts.credentials.new_token(accounts.id_of(role), "ehr", 1)
        yield found, tokens
