"""What is written reads back the same, or is refused: each format by the table of what it can carry."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cardiofusion.readers import find_recordings, read_recording
from cardiofusion.records import LEADS, MEASUREMENTS, OTHER_LEADS, Recording, RecordingError
from cardiofusion.writers import FORMAT_NAMES, write_recording

EXAMPLES = 2_000 if os.environ.get("CARDIOFUSION_SLOW") == "1" else 50
EDF_SPAN = 65.535  # mV that 16 bits of 1 uV hold


@dataclass(frozen=True)
class Carried:
    """suffix: of the file. fields: of Recording, equal when read again. notes: keys of notes that are.

    age: years by which the age may be off; None where it is lost. uncalibrated, gaps: whether it has a mark.
    """

    suffix: str
    fields: frozenset[str]
    notes: frozenset[str]
    age: float | None
    uncalibrated: bool
    gaps: bool


PATIENT = frozenset({"record_id", "patient_id", "sex", "time"})
FILTERS = frozenset({"high-pass filter", "low-pass filter", "mains filter"})
WORDS = frozenset({"device", "interpretation"})
CARRIED = {
    "wfdb": Carried(".hea", PATIENT, FILTERS | WORDS, 0.0005, uncalibrated=True, gaps=True),
    "edf": Carried(".edf", PATIENT, FILTERS | {"device"}, None, uncalibrated=False, gaps=False),
    "dicom": Carried(".dcm", PATIENT | {"measured"}, FILTERS | WORDS, 1.0, uncalibrated=True, gaps=True),
    "aecg": Carried(".xml", PATIENT | {"measured"}, FILTERS | WORDS, 1e-8, uncalibrated=False, gaps=True),
    "fhir": Carried(".json", PATIENT | {"measured"}, WORDS, 0.0, uncalibrated=False, gaps=True),
    "csv": Carried(".csv", PATIENT, frozenset(), 0.0005, uncalibrated=False, gaps=True),
}


def quantum(kind: str, recording: Recording) -> np.ndarray:
    """mV a step [lead, 1], from the formats' descriptions, not from the writers."""
    steps = np.full((len(recording.leads), 1), 0.0 if kind == "csv" else 0.001)
    if kind == "wfdb" and not recording.calibrated:
        steps[:] = 1 / 200
    if kind == "edf":
        spans = np.ptp(recording.signal, axis=1) / EDF_SPAN
        beyond = (recording.signal < -32.768).any(axis=1) | (recording.signal > 32.767).any(axis=1)
        steps[beyond, 0] = [0.001 * ceil(max(span * 1.001, 1e-9)) for span in spans[beyond]]
    return steps


def same(read: Recording, recording: Recording, kind: str) -> None:
    """Fails where `read` is not what the format promises."""
    carried = CARRIED[kind]
    rows = read.signal[[read.leads.index(lead) for lead in recording.leads]]
    assert rows.shape == recording.signal.shape
    np.testing.assert_array_equal(np.isnan(rows), np.isnan(recording.signal))
    off = np.abs(rows.astype(np.float64) - recording.signal)
    allowed = 0.5 * quantum(kind, recording) + 2e-7 * (1.0 + np.abs(recording.signal))
    assert not (off > allowed).any(), np.nanmax(off)
    assert abs(read.sampling_rate / recording.sampling_rate - 1.0) * rows.shape[1] < 0.5
    assert read.calibrated == recording.calibrated
    for name in carried.fields:
        assert getattr(read, name) == getattr(recording, name), name
    for key in carried.notes:  # "50Hz" and "50 Hz" are one filter
        assert read.notes.get(key, "").replace(" ", "") == recording.notes.get(key, "").replace(" ", "")
    if carried.age is None or recording.age is None:
        assert read.age is None
    else:
        assert read.age is not None
        assert abs(read.age - recording.age) <= carried.age


def ends_are_gaps(signal: np.ndarray) -> bool:
    missing = np.isnan(signal)
    return bool(missing.all(axis=0)[[0, -1]].any() or missing.all(axis=1).any())


def refused(kind: str, recording: Recording) -> bool:
    """Whether the format cannot carry this recording."""
    carried, missing = CARRIED[kind], np.isnan(recording.signal)
    never = (not recording.calibrated and not carried.uncalibrated) or (missing.any() and not carried.gaps)
    if kind != "wfdb" and missing.all():
        return True
    if kind == "edf":
        identifier = recording.patient_id or ""
        return never or not identifier.isascii() or "_" in identifier or float(recording.signal.min()) < -9999
    if kind == "aecg":
        return never or recording.duration < 1.0 or ends_are_gaps(recording.signal)
    return never


NUMBERS = st.sampled_from([0.0, 0.0004, -0.0006, 1.5, -3.25, 32.767, -32.768, 40.0, -300.25, 2500.0])
SIGNALS = st.tuples(
    st.integers(1, 4), st.integers(1, 60), st.sampled_from([0.001, 1.0, 30.0, 900.0]), st.booleans()
)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    count, samples, scale, gaps = draw(SIGNALS)
    elements = st.floats(-1, 1, width=32).map(lambda value: value * scale) | NUMBERS
    if gaps:
        elements |= st.just(float("nan"))
    signal = draw(arrays(np.float32, (count, samples), elements=elements))
    rate = draw(st.sampled_from([10.0, 49.0, 100.0, 128.0, 256.0, 360.0, 500.0, 977.0, 1000.0, 10_000.0]))
    leads = draw(st.permutations(LEADS + OTHER_LEADS))[:count]
    measured = draw(
        st.dictionaries(st.sampled_from(MEASUREMENTS), st.integers(1, 900).map(float), max_size=4)
    )
    return Recording(
        signal=np.repeat(signal, draw(st.sampled_from([1, 17])), axis=1),
        sampling_rate=rate,
        leads=tuple(leads),
        record_id="any",
        patient_id=draw(st.sampled_from([None, "17", "P-0001", "patient 7", "A_1", "Müller", "0"])),
        age=draw(st.none() | st.integers(0, 120).map(float) | st.floats(0, 120)),
        sex=draw(st.sampled_from([None, "female", "male"])),
        time=draw(st.none() | st.datetimes(datetime(1985, 1, 2), datetime(2199, 1, 1))),
        calibrated=draw(st.sampled_from([True, True, False])),
        measured=measured,
        notes=draw(st.sampled_from([{}, {"device": "ELI 350"}, {"low-pass filter": "40.5 Hz"}])),
    )


@pytest.mark.parametrize("kind", FORMAT_NAMES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recording=recordings())
def test_any_recording_reads_back_the_same_or_is_refused(
    kind: str, scratch: Path, recording: Recording
) -> None:
    path = scratch / f"any{CARRIED[kind].suffix}"
    path.unlink(missing_ok=True)
    if refused(kind, recording):
        with pytest.raises(RecordingError) as caught:
            write_recording(recording, path, overwrite=True)
        assert caught.value.code == "recording.unwritable"
        assert not path.exists()
        return
    same(read_recording(write_recording(recording, path, overwrite=True)), recording, kind)


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_every_field_that_a_format_has_comes_back(kind: str, tmp_path: Path, make_recording) -> None:
    recording = make_recording()
    read = read_recording(write_recording(recording, tmp_path / f"rec{CARRIED[kind].suffix}"))
    assert read.leads == recording.leads
    assert read.sampling_rate == 500.0
    same(read, recording, kind)


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_what_is_not_known_stays_unknown(kind: str, tmp_path: Path, make_recording) -> None:
    nothing = make_recording(patient_id=None, age=None, sex=None, time=None, measured={}, notes={})
    read = read_recording(write_recording(nothing, tmp_path / f"rec{CARRIED[kind].suffix}"))
    assert (read.patient_id, read.age, read.sex, read.time) == (None, None, None, None)
    assert not read.measured


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_what_is_not_calibrated_never_turns_into_millivolts(
    kind: str, tmp_path: Path, make_recording
) -> None:
    path = tmp_path / f"rec{CARRIED[kind].suffix}"
    if CARRIED[kind].uncalibrated:
        assert not read_recording(write_recording(make_recording(calibrated=False), path)).calibrated
        return
    with pytest.raises(RecordingError, match="calibrated"):
        write_recording(make_recording(calibrated=False), path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_a_recording_without_an_age_in_whole_years(kind: str, tmp_path: Path, make_recording) -> None:
    """The day of birth, a newborn of three days, and a child of 30 months."""
    for age in (0.0, 3 / 365.25, 2.5):
        recording = make_recording(age=age)
        read = read_recording(
            write_recording(recording, tmp_path / f"rec{CARRIED[kind].suffix}", overwrite=True)
        )
        if CARRIED[kind].age is not None:
            assert read.age == pytest.approx(age, abs=0.005)


@pytest.mark.parametrize("kind", [kind for kind, carried in CARRIED.items() if carried.gaps])
def test_gaps_of_leads_far_from_zero(kind: str, tmp_path: Path, make_recording) -> None:
    """An electrode's offset takes 32 bits, where the lowest number would be two million millivolts."""
    recording = make_recording(scale=100.0)
    recording.signal[2, 100:140] = np.nan
    same(read_recording(write_recording(recording, tmp_path / f"rec{CARRIED[kind].suffix}")), recording, kind)


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_a_time_with_a_zone_is_the_local_time(kind: str, tmp_path: Path, make_recording) -> None:
    aware = make_recording(time=datetime(2024, 5, 30, 16, 32, 18, tzinfo=timezone(timedelta(hours=2))))
    read = read_recording(write_recording(aware, tmp_path / f"rec{CARRIED[kind].suffix}"))
    assert read.time == datetime(2024, 5, 30, 16, 32, 18)


def test_wfdb_keeps_measurements_as_notes(tmp_path: Path, make_recording) -> None:
    read = read_recording(write_recording(make_recording(), tmp_path / "rec.hea"))
    assert (read.notes["heart_rate"], read.notes["qrs_axis"]) == ("72", "-31")


def real_files(folder: Path) -> list[Path]:
    found = [*find_recordings(folder / "ptb-xl")[:3], *find_recordings(folder / "ptb-xl" / "records500")[:3]]
    found += [*find_recordings(folder / "cinc2021")[:10], folder / "mitdb" / "100.hea"]
    return [*found, *find_recordings(folder / "formats")]


@pytest.mark.data
@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_real_files_of_every_format_keep_their_millivolts(kind: str, data_dir: Path, scratch: Path) -> None:
    written = 0
    for path in real_files(data_dir):
        try:
            recording = read_recording(path)
        except RecordingError:
            continue  # files that must be refused: tests/readers
        minute = recording.signal[:, : round(60 * recording.sampling_rate)]
        recording = replace(recording, signal=minute, record_id="real")
        target = scratch / f"real{CARRIED[kind].suffix}"
        read = read_recording(write_recording(recording, target, overwrite=True))
        assert set(recording.leads) <= set(read.leads)
        assert read.sampling_rate == recording.sampling_rate
        rows = read.signal[[read.leads.index(lead) for lead in recording.leads]]
        assert np.abs(rows - recording.signal).max() <= 0.0005 + 1e-6
        fields = [name for name in CARRIED[kind].fields if name != "measured"]
        assert [getattr(read, name) for name in fields] == [getattr(recording, name) for name in fields]
        if "measured" in CARRIED[kind].fields:
            assert read.measured == pytest.approx(recording.measured)
        written += 1
    assert written >= 30
