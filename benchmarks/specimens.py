"""One virtual ECG as a file of every format, written by the writers of the tests, which share no code with
the readers; and the sample files of other people where they are at hand.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import INDEPENDENT_LEADS, LEADS
from cardiofusion.simulate import virtual_cohort

ROOT = Path(__file__).resolve().parent.parent
PATIENT = 20_011  # a virtual patient whose ECG gives no reason for a warning
STEP_UV = 5  # microvolts a stored step, in every format
SAMPLE_FILES = {
    "DICOM": "dicom/*.dcm",
    "HL7 aECG": "hl7-aecg/*_[012].xml",
    "GE MUSE": "muse/*.xml",
    "Philips": "philips/1_*",
    "Schiller": "schiller/*.xml",
    "SCP-ECG": "scp/Example.scp",
}
REAL_WFDB = ("ptb-xl/records100/00000/00001_lr", "ptb-xl/records500/00000/00001_hr", "cinc2021/JS00001")

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class Specimen:
    """A file, or several of one recording, by name. steps: [lead, sample] as written, where we wrote it."""

    format: str
    files: dict[str, bytes]
    rate: float = 0.0
    steps: Steps | None = None
    leads: tuple[str, ...] = LEADS


def data_folder() -> Path:
    """The folder of real data, which need not be there."""
    return Path(os.environ.get("CARDIOFUSION_DATA", ROOT.parent / "shared" / "data"))


@cache
def writer(name: str) -> ModuleType:
    """A module of the readers' tests, for the writer in it."""
    path = ROOT / "tests" / "readers" / (name if name == "conftest" else f"test_readers_{name}")
    spec = importlib.util.spec_from_file_location(f"specimens_{name}", path.with_suffix(".py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@lru_cache
def steps(rate: float, samples: int) -> Steps:
    """[12 leads, sample] in steps of STEP_UV; the limb leads obey Einthoven's law to a step."""
    source = virtual_cohort(1, PATIENT, sampling_rate=rate).recordings[0].read()
    wanted = np.rint(source.signal[:, :samples] * (1000.0 / STEP_UV)).astype(np.int64)
    one, two = wanted[0], wanted[1]
    wanted[2:6] = two - one, -((one + two) // 2), (2 * one - two) // 2, (2 * two - one) // 2
    return wanted


def synthetic(format_name: str, rate: float = 250.0, seconds: float = 10.0) -> list[Specimen]:
    """The virtual ECG in this format, in each of the ways of writing it that differ in kind."""
    made = WRITERS[format_name](rate, steps(rate, round(rate * seconds)))
    return [replace(specimen, format=format_name) for specimen in made]


def real(format_name: str) -> list[Specimen]:
    """The sample files of other people in this format; none where there is no real data."""
    folder = data_folder()
    if format_name == "WFDB":
        names = [folder / name for name in REAL_WFDB if (folder / f"{name}.hea").is_file()]
        return [Specimen(format_name, {p.name: p.read_bytes() for p in _record(name)}) for name in names]
    paths = sorted((folder / "formats").glob(SAMPLE_FILES.get(format_name, "none/*")))
    return [Specimen(format_name, {path.name: path.read_bytes()}) for path in paths]


def _record(name: Path) -> list[Path]:
    return [path for end in (".hea", ".dat", ".mat") if (path := name.with_suffix(end)).is_file()]


def _one(name: str, content: bytes, rate: float, rows: Steps, leads: tuple[str, ...] = LEADS) -> Specimen:
    return Specimen("", {name: content}, rate, rows, leads)


def _eight(rows: Steps) -> Steps:
    return rows[[LEADS.index(lead) for lead in INDEPENDENT_LEADS]]


def _aecg(rate: float, rows: Steps) -> list[Specimen]:
    w = writer("aecg")
    times = w.time(step=f'value="{1 / rate}" unit="s"')
    named = dict(zip(LEADS, rows.tolist(), strict=True))
    content = w.document(w.series(w.block(named, times, scale=str(STEP_UV))))
    return [_one("a.xml", content, rate, rows)]


def _apple(rate: float, rows: Steps) -> list[Specimen]:
    w = writer("apple")
    header = tuple(line.replace("512 hertz", f"{rate:g} hertz") for line in w.ENGLISH)
    content = w.export(header, rows[0] * float(STEP_UV))
    return [_one("apple.csv", content, rate, rows[:1], ("I",))]


def _csv(rate: float, rows: Steps) -> list[Specimen]:
    w = writer("table")
    declared = w.DECLARED | {"sampling_rate": f"{rate:g}"}
    cells = [[f"{value * STEP_UV / 1000:g}" for value in row] for row in rows.T.tolist()]
    plain, counted = (
        w.written(cells, LEADS, declared | more)
        for more in ({}, {"samples": str(rows.shape[1]), "age": "63"})
    )
    return [_one("t.csv", content, rate, rows) for content in (plain, counted)]


def _dicom(rate: float, rows: Steps) -> list[Specimen]:
    w = writer("dicom")
    forms = ("explicit", "implicit", "deflated", "big")
    files = [w.dicom_bytes([w.group(rows.tolist(), form=_inner(f), rate=f"{rate:g}")], f) for f in forms]
    return [_one("x.dcm", content, rate, rows) for content in files]


def _inner(form: str) -> str:
    return "big" if form == "big" else "explicit"


def _edf(rate: float, rows: Steps) -> list[Specimen]:
    w = writer("edf")
    each = round(rate)
    records = rows.shape[1] // each
    limits = {"physical": (str(-32768 * STEP_UV), str(32767 * STEP_UV))}
    signals = [
        w.Written(f"ECG {lead}", row[: records * each].reshape(records, each).tolist(), **limits)
        for lead, row in zip(LEADS, rows, strict=True)
    ]
    plain = w.edf_bytes(signals)
    plus = w.edf_bytes(signals, reserved="EDF+C", onsets=[f"+{k}" for k in range(records)])
    return [_one("x.edf", content, rate, rows[:, : records * each]) for content in (plain, plus)]


def _fhir(rate: float, rows: Steps) -> list[Specimen]:
    w, parts = writer("fhir"), []
    for name, row in zip(LEADS, rows.tolist(), strict=True):
        data = w.sampled(" ".join(map(str, row)), period=1000 / rate, factor=STEP_UV)
        parts.append({"code": {"text": f"Lead {name}"}, "valueSampledData": data})
    return [_one("a.json", json.dumps(w.observation(*parts)).encode(), rate, rows)]


def _hdf5(rate: float, rows: Steps) -> list[Specimen]:
    del rate  # CODE-15% has one, and one length
    w, rows = writer("hdf5"), np.tile(steps(400.0, 4000), 2)[:, :4096]
    signal = (rows.T * (STEP_UV / 1000.0)).astype(np.float32)[None]
    ways: list[dict[str, object]] = [{}, {"compression": "gzip", "shuffle": True}, {"fletcher32": True}]
    return [_one("e.hdf5", w.written(signal, **how), 400.0, rows) for how in ways]


def _muse(rate: float, rows: Steps) -> list[Specimen]:
    w = writer("muse")
    kept = _eight(rows).astype(np.int16)
    leads = "".join(
        w.lead_xml(lead, row, LeadAmplitudeUnitsPerBit=str(STEP_UV))
        for lead, row in zip(INDEPENDENT_LEADS, kept, strict=True)
    )
    exponents = f"<SampleBase>{rate:g}</SampleBase><SampleExponent>0</SampleExponent>"
    return [_one("m.xml", w.muse(leads, exponents), rate, kept.astype(np.int64), INDEPENDENT_LEADS)]


def _parquet(rate: float, rows: Steps) -> list[Specimen]:
    w = writer("table")
    declared = w.DECLARED | {"sampling_rate": f"{rate:g}", "samples": str(rows.shape[1])}
    columns = dict(zip(LEADS, (rows * STEP_UV / 1000).tolist(), strict=True))
    checked = w.parquet(columns, checksum=0, declared=declared)
    packed = [w.by_polars(columns, declared, compression=how) for how in ("zstd", "snappy")]
    return [_one("t.parquet", content, rate, rows) for content in (checked, *packed)]


def _philips(rate: float, rows: Steps) -> list[Specimen]:
    w = writer("philips")
    content = w.synthetic(w.with_pulse(rows.tolist()), rate=rate)
    return [_one("p.xml", content, rate, rows)]


def _schiller(rate: float, rows: Steps) -> list[Specimen]:
    content = writer("schiller").document(rows.tolist(), rate=f"{rate:g}", step=f"{STEP_UV:.1f}")
    return [_one("s.xml", content, rate, rows)]


def _scp(rate: float, rows: Steps) -> list[Specimen]:
    w, kept = writer("scp"), _eight(rows)
    made = []
    for coding in ("default", "two tables", "plain"):
        ecg = w.Ecg(kept.tolist(), step=STEP_UV * 1000, interval=round(1e6 / rate), coding=coding)
        made.append(_one("a.scp", ecg.write(), rate, kept, INDEPENDENT_LEADS))
    return made


def _wfdb(rate: float, rows: Steps) -> list[Specimen]:
    w, made = writer("conftest"), []
    for sample_format, matlab in ((16, False), (212, False), (24, False), (16, True)):
        with TemporaryDirectory() as folder:
            header = w.write(
                Path(folder), rows.tolist(), sample_format, LEADS, gain=f"{1000 // STEP_UV}(0)/mV",
                matlab=matlab,
                record_line=f"{{name}} {{signals}} {rate:g} {{samples}}",
                comments=["Age: 61", "Sex: F"],
            )  # fmt: skip
            files = {path.name: path.read_bytes() for path in _record(header)}
        made.append(Specimen("", files, rate, rows))
    return made


WRITERS: dict[str, Callable[[float, Steps], list[Specimen]]] = {
    "Apple Health": _apple,
    "CODE-15% HDF5": _hdf5,
    "CSV table": _csv,
    "DICOM": _dicom,
    "EDF": _edf,
    "FHIR": _fhir,
    "GE MUSE": _muse,
    "HL7 aECG": _aecg,
    "Parquet table": _parquet,
    "Philips": _philips,
    "SCP-ECG": _scp,
    "Schiller": _schiller,
    "WFDB": _wfdb,
}
