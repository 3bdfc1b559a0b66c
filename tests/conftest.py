"""Fixtures every room's tests share."""

from __future__ import annotations

import csv
import hashlib
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from cardiofusion.records import Recording
from cardiofusion.runtime import System
from cardiofusion.simulate import virtual_cohort
from cardiofusion.study import Silent, read_study
from cardiofusion.writers import write_recording

ROOT = Path(__file__).resolve().parent.parent
NEWCOMER = (3, 20_011)  # n and seed of virtual patients that no study of the tests has met

# Few patients, few rounds: the answers are poor, but every part of the system is there and real.
TINY_STUDY = """
[study]
name = "tiny"
title = "A tiny virtual study"
seed = 7
threads = 1
[data]
dataset = "virtual"
patients = 640
[tasks.event]
[tasks.findings]
[tasks.survival]
[pretrain]
virtual = 200
epochs = 2
[split]
train = 0.35
calibrate = 0.5
test = 0.15
probability = 0.2
[booster]
cross_validation = 2
[cmaf]
epochs = 3
[phenotypes]
bootstraps = 2
[evaluation]
bootstraps = 50
label_shuffles = 2
"""


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: CARDIOFUSION_DATA, else ../shared/data beside the repository."""
    folder = Path(os.environ.get("CARDIOFUSION_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ptb-xl").is_dir():
        pytest.skip(f"no real data: neither CARDIOFUSION_DATA nor {folder.name} beside the repository")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny study run to its end: `tiny.toml`, `bundle`, `bundle.work` and `report.html`. Leave it as it is.

    Trained once a session: the workers of pytest-xdist wait for the first that comes.
    """
    from cardiofusion.study import train_study  # torch: only for who asks for a bundle

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "tiny-study"
    with FileLock(shared / "tiny-study.lock"):
        if not (folder / "report.html").exists():
            folder.mkdir(exist_ok=True)
            (folder / "tiny.toml").write_text(TINY_STUDY, encoding="utf-8")
            train_study(read_study(folder / "tiny.toml"), folder / "bundle", Silent())
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tiny_folder: Path) -> Path:
    """The bundle of the tiny study."""
    return tiny_folder / "bundle"


@pytest.fixture(scope="session")
def tiny_system(tiny_bundle: Path) -> System:
    """The tiny study's bundle, loaded."""
    return System.load(tiny_bundle)


@dataclass(frozen=True, eq=False)
class VirtualPatient:
    """A patient whom no bundle has met: as Python values, and as the files a clinic would have."""

    recording: Recording
    row: dict[str, Any]
    header: Path
    table: Path


@pytest.fixture(scope="session")
def virtual_patient(tmp_path_factory: pytest.TempPathFactory) -> VirtualPatient:
    cohort = virtual_cohort(*NEWCOMER)
    recording = cohort.recordings[0].read()
    assert cohort.table is not None
    row = {k: v for k, v in cohort.table.schema.decode(cohort.table.values[0]).items() if v is not None}
    folder = tmp_path_factory.mktemp("patient")
    with (folder / "patient.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([list(row), list(row.values())])
    header = write_recording(recording, folder / f"{recording.record_id}.hea")
    return VirtualPatient(recording, row, header, folder / "patient.csv")


@dataclass(eq=False)
class Mirror:
    """A web server with a small release as PhysioNet lays it out, and the ways in which it may misbehave.

    listed: further lines of its list of checksums. served: name -> content in place of the true one.
    statuses: name -> status codes of its next answers. cuts: name -> after how many bytes the connection
    ends in its next answers. moved: name -> where to. silent: names it never answers. asked: (name, Range
    header) of every request.
    """

    files: dict[str, bytes]
    url: str = ""
    ranges: bool = True
    listed: list[str] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    statuses: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    cuts: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    moved: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def content(self, name: str) -> bytes | None:
        lines = [f"{hashlib.sha256(content).hexdigest()} {name}" for name, content in self.files.items()]
        sums = {"SHA256SUMS.txt": "\n".join([*lines, *self.listed, ""]).encode()}
        return (sums | self.files | self.served).get(name)


class MirrorHandler(BaseHTTPRequestHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        name, wanted = self.path.removeprefix("/release/"), self.headers["Range"]
        self.mirror.asked.append((name, wanted))
        content = self.mirror.content(name)
        if name in self.mirror.silent:
            self.mirror.closing.wait()
            return
        if name in self.mirror.moved:
            self.send_response(302)
            self.send_header("Location", self.mirror.moved[name])
            self.end_headers()
            return
        if content is None or self.mirror.statuses[name]:
            self.send_error(self.mirror.statuses[name].pop(0) if content is not None else 404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.mirror.ranges else 0
        if start >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = self.mirror.cuts[name].pop(0) if self.mirror.cuts[name] else len(content)
        self.wfile.write(content[start : max(start, end)])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A local mirror of a release with two recordings at either rate; its `url` is for --base-url."""
    names = ["ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt", "RECORDS", "example_physionet.py"]
    for record in ("00001", "00002"):
        for rate in ("records100/00000/{}_lr", "records500/00000/{}_hr"):
            names += [rate.format(record) + suffix for suffix in (".hea", ".dat")]
    mirror = Mirror({name: name.encode() * 20_000 for name in names})
    handler = type("Handler", (MirrorHandler,), {"mirror": mirror})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        mirror.url = f"http://127.0.0.1:{server.server_port}/release/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield mirror
        mirror.closing.set()
        server.shutdown()
        thread.join()
