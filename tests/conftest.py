"""Fixtures every room's tests share."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from cardiofusion.readers import write_wfdb
from cardiofusion.records import Recording
from cardiofusion.runtime import System
from cardiofusion.simulate import virtual_cohort
from cardiofusion.study import Silent, read_study

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
    return VirtualPatient(recording, row, write_wfdb(recording, folder), folder / "patient.csv")
