"""A whole clinic with the shipped bundle, opened once a session, and a client of it; files to send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cardiofusion.records import LEADS, Recording
from cardiofusion.runtime import System
from cardiofusion.serve.app import create_app
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.desk import Desk
from cardiofusion.serve.guard import guarded
from cardiofusion.serve.settings import Settings
from cardiofusion.serve.store import Store
from cardiofusion.simulate import virtual_cohort
from cardiofusion.writers import write_recording

ROW = {"age": 61, "sex": "male", "systolic": 150, "diastolic": 90}


class Api:
    """Speaks to the guarded application without a socket, as a program with the token does."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.app = create_app(clinic)
        self.guarded = guarded(self.app, clinic)
        self.headers = {"Authorization": f"Bearer {clinic.token}"}

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        return asyncio.run(self._ask(method, path, given))

    async def _ask(self, method: str, path: str, given: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.guarded, raise_app_exceptions=False)
        address = f"http://127.0.0.1:{self.clinic.settings.port}"
        async with httpx.AsyncClient(base_url=address, transport=transport, headers=self.headers) as http:
            return await http.request(method, path, **given)

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.ask("GET", path, **given)

    def post(
        self, path: str, files: dict[str, bytes] | None = None, row: Any = None, **data: Any
    ) -> httpx.Response:
        """A form with files by name, and a row that is no text yet."""
        if row is not None:
            data["row"] = row if isinstance(row, str) else json.dumps(row)
        sent = [("files", item) for item in (files or {}).items()]
        return self.ask("POST", path, files=sent or None, data=data)


@pytest.fixture(scope="session")
def shipped() -> System:
    """The bundle that a new installation has."""
    return System.load("reference")


@pytest.fixture(scope="session")
def open_clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Clinic]]:
    """Each call: another clinic over an empty folder, with settings as given."""
    with ExitStack() as ending:

        def make(**changed: Any) -> Clinic:
            folder = tmp_path_factory.mktemp("clinic")
            clinic = Clinic.open(Settings(**{"data": folder, "examples": False, **changed}))
            ending.callback(clinic.close)
            return clinic

        yield make


@pytest.fixture(scope="session")
def api(open_clinic: Callable[..., Clinic]) -> Api:
    """A client of a clinic that all tests of the session share: its worklist is not empty."""
    return Api(open_clinic())


@pytest.fixture
def new_desk(shipped: System, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Each call: a desk of one thread over the store of one folder, closed at the test's end."""
    with ExitStack() as ending:

        def make(threads: int = 1) -> Desk:
            store = Store(tmp_path, f"sqlite:///{tmp_path / 'cardiofusion.db'}")
            ending.callback(store.close)
            desk = Desk(shipped, store, threads=threads)
            ending.callback(desk.close)
            return desk

        yield make


def files_of(recording: Recording, suffix: str, folder: Path) -> dict[str, bytes]:
    """A recording as the files of a format."""
    write_recording(recording, folder / f"ecg{suffix}")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="session")
def recording() -> Recording:
    """A virtual patient's 12-lead ECG, 10 s."""
    return virtual_cohort(1, 20_011, sampling_rate=500.0).recordings[0].read()


@pytest.fixture(scope="session")
def dicom(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """That ECG as a DICOM file."""
    return files_of(recording, ".dcm", tmp_path_factory.mktemp("dicom"))


@pytest.fixture(scope="session")
def wfdb(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """That ECG as a WFDB record: two files."""
    return files_of(recording, ".hea", tmp_path_factory.mktemp("wfdb"))


@pytest.fixture(scope="session")
def loose(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """An ECG of electrodes that touch nobody: unfit to be read."""
    return files_of(
        Recording(np.zeros((12, 5000), np.float32), 500.0, LEADS), ".edf", tmp_path_factory.mktemp("loose")
    )
