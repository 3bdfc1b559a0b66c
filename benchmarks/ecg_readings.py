"""One ECG file through our reader and through the packages others use, as plain arrays to compare.

wfdb, pydicom and pyEDFlib come with the development environment; each is loaded only where it reads.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers import read_bytes, read_recording
from cardiofusion.records import LEADS, OTHER_LEADS, Recording, lead_name

MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "v": 1e3}
TOLERANCE_MV = 0.0051  # one step of the virtual ECG, or of any of the samples


@dataclass(frozen=True)
class Reading:
    """rows: lead -> its samples in mV. rate: Hz. recording: the whole of it, where it is ours."""

    rows: Mapping[str, NDArray[Any]]
    rate: float
    recording: Recording | None = None

    def difference(self, other: Reading) -> float:
        """The largest in mV; infinite where rate, leads, lengths or missing samples differ."""
        return float("inf") if self.apart(other) else max(map(_largest, *_paired(self, other)), default=0.0)

    def apart(self, other: Reading) -> str:
        """The first of "leads", "rate", "length", "missing" in which the readings differ; "" for none."""
        if self.rows.keys() != other.rows.keys():
            return "leads"
        if self.rate != other.rate:
            return "rate"
        pairs = list(zip(*_paired(self, other), strict=True))
        if any(len(one) != len(two) for one, two in pairs):
            return "length"
        gaps = any(not np.array_equal(np.isnan(one), np.isnan(two)) for one, two in pairs)
        return "missing" if gaps else ""

    def same(self, other: Reading) -> bool:
        """Whether rate and leads are the same, and every sample within TOLERANCE_MV."""
        return self.difference(other) <= TOLERANCE_MV


def _paired(one: Reading, two: Reading) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """The rows of both, lead by lead."""
    return list(one.rows.values()), [two.rows[lead] for lead in one.rows]


def _largest(one: NDArray[Any], two: NDArray[Any]) -> float:
    return float(np.nanmax(np.abs(one.astype(np.float64) - two), initial=0.0))


class OtherUnitError(ValueError):
    """A signal in a unit that says itself that it is no voltage."""


def ours(files: Mapping[str, bytes]) -> Reading:
    """Raises RecordingError, ExtraMissingError."""
    name, content = next(iter(files.items()))
    if len(files) == 1 and not name.endswith(".hea"):
        return as_reading(read_bytes(content, name))
    with TemporaryDirectory() as folder:
        return as_reading(read_recording(_laid_out(files, folder)))


def as_reading(recording: Recording) -> Reading:
    rows = dict(zip(recording.leads, recording.signal, strict=True))
    return Reading(rows, recording.sampling_rate, recording)


def by_wfdb(files: Mapping[str, bytes]) -> Reading:
    with TemporaryDirectory() as folder:
        return wfdb_record(_laid_out(files, folder))


def wfdb_record(header: Path) -> Reading:
    """A record on disk."""
    import wfdb

    record = wfdb.rdrecord(str(header.with_suffix("")))
    rows = {}
    for name, unit, row in zip(record.sig_name, record.units, record.p_signal.T, strict=True):
        rows[lead_name(name) or name] = row * _factor(unit)
    return Reading(rows, float(record.fs))


def by_pydicom(files: Mapping[str, bytes]) -> Reading:
    """The first group of samples; channels by what their source is said to mean."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(next(iter(files.values()))))
        item = dataset.WaveformSequence[0]
        values = dataset.waveform_array(0).T
    rows = {}
    for definition, row in zip(item.ChannelDefinitionSequence, values, strict=True):
        source = definition.ChannelSourceSequence[0]
        unit = definition.ChannelSensitivityUnitsSequence[0].CodeValue
        rows[lead_name(source.CodeMeaning.split("(")[0]) or source.CodeMeaning] = row * _factor(unit)
    return Reading(rows, float(item.SamplingFrequency))


def by_pyedflib(files: Mapping[str, bytes]) -> Reading:
    """Signals that are named as a lead; all of one rate."""
    import pyedflib

    name, content = next(iter(files.items()))
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        with pyedflib.EdfReader(str(path)) as reader:
            rows, rates = {}, set()
            for k, label in enumerate(reader.getSignalLabels()):
                rows[lead_name(label) or label] = reader.readSignal(k) * _factor(
                    reader.getPhysicalDimension(k)
                )
                rates.add(float(reader.getSampleFrequency(k)))
    if len(rates) != 1:
        raise OtherUnitError("several sampling rates")
    return Reading(rows, rates.pop())


def _factor(unit: str) -> float:
    factor = MILLIVOLTS.get(unit.strip().casefold())
    if factor is None:
        raise OtherUnitError(unit)
    return factor


def _laid_out(files: Mapping[str, bytes], folder: str) -> Path:
    for name, content in files.items():
        (Path(folder) / name).write_bytes(content)
    return Path(folder) / next(iter(files))


def is_sound(reading: Reading) -> bool:
    """What every Recording promises: finite or missing samples, a rate that is one, names we know."""
    rows = np.stack(list(reading.rows.values()))
    known = set(reading.rows) <= {*LEADS, *OTHER_LEADS}
    return known and 10.0 <= reading.rate <= 10_000.0 and not np.isinf(rows).any()


READERS: dict[str, Callable[[Mapping[str, bytes]], Reading]] = {
    "cardiofusion": ours,
    "pyEDFlib": by_pyedflib,
    "pydicom": by_pydicom,
    "wfdb": by_wfdb,
}
PEERS = {"DICOM": "pydicom", "EDF": "pyEDFlib", "WFDB": "wfdb"}
