"""Every real file at hand, and the virtual ECG in every format, read and held against another decoder.

WFDB records against wfdb, DICOM against pydicom. Where no package reads a format, against a second decoder
that shares no code with the reader (those of the tests: a DOM parser, Philips' compression on strings of
bits), and SCP-ECG against the same ECG in HL7 aECG. The virtual ECG is held against what was written.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cardiofusion.readers import find_recordings, read_recording
from cardiofusion.records import RecordingError, lead_name
from ecg_readings import Reading, as_reading, by_pydicom, ours, wfdb_record
from specimens import STEP_UV, WRITERS, Specimen, synthetic, writer

CLOSE_MV = 1e-4  # float32 of 32 mV is good to 2e-6
WFDB_FOLDERS = ("ptb-xl/records100", "ptb-xl/records500", "code15/records", "ludb/data", "cinc2021", "mitdb")
NOT_ECG = (  # of the samples: no ECG in them, another maker's document, pointers against the standard
    "test_generator.edf", "test_subsecond.edf", "test_utf8.edf", "FDA_empty.xml", "FDA_minimum_aecg.xml",
    "FDA_minimum_aecg_nouuid.xml", "invalid-doc-type.xml", "healforce_62.SCP",
)  # fmt: skip

Oracle = Callable[[Path], Reading]


def of_files(name: str, oracle_name: str, paths: Iterable[Path], oracle: Oracle) -> dict[str, Any]:
    """How many files are read as the oracle reads them, and the largest difference in mV."""
    found: dict[str, Any] = {"set": name, "oracle": oracle_name, "files": 0, "right": 0, "oracle_raises": 0}
    largest = 0.0
    for path in paths:
        found["files"] += 1
        reading = as_reading(read_recording(path))
        try:
            difference = oracle(path).difference(reading)
        except Exception:  # noqa: BLE001 - what the other package cannot read is counted
            found["oracle_raises"] += 1
            continue
        found["right"] += difference <= CLOSE_MV
        largest = max(largest, difference)
    return found | {"max_mv": largest}


def of_records(data: Path) -> list[dict[str, Any]]:
    """The WFDB records of six publications."""
    there = [folder for folder in WFDB_FOLDERS if (data / folder).is_dir()]
    names = [folder.removesuffix("/data").removesuffix("/records") for folder in there]
    return [
        of_files(name, "wfdb", find_recordings(data / folder), wfdb_record)
        for name, folder in zip(names, there, strict=True)
    ]


def of_samples(data: Path) -> list[dict[str, Any]]:
    """Other people's sample files, and how many of those that hold no ECG we refuse."""
    found = []
    for folder, (oracle_name, oracle) in ORACLES.items():
        paths = [path for path in sorted((data / "formats" / folder).glob("*")) if path.name not in NOT_ECG]
        if paths:
            found.append(of_files(folder, oracle_name, paths, oracle))
    hopeless = [path for path in sorted((data / "formats").glob("*/*")) if path.name in NOT_ECG]
    refused = sum(map(_is_refused, hopeless))
    return (
        [*found, {"set": "no usable ECG", "files": len(hopeless), "refused": refused}] if hopeless else found
    )


def of_virtual() -> list[dict[str, Any]]:
    """The virtual ECG in every format against what was written."""
    found = []
    for format_name in WRITERS:
        made = synthetic(format_name)
        apart = [_written(specimen).difference(_kept(ours(specimen.files), specimen)) for specimen in made]
        right = sum(difference <= CLOSE_MV for difference in apart)
        row = {
            "set": format_name,
            "oracle": "as written",
            "files": len(made),
            "right": right,
            "max_mv": max(apart),
        }
        found.append(row)
    return found


def _written(specimen: Specimen) -> Reading:
    assert specimen.steps is not None
    rows = specimen.steps * (STEP_UV / 1000.0)
    return Reading(dict(zip(specimen.leads, rows, strict=True)), specimen.rate)


def _kept(reading: Reading, specimen: Specimen) -> Reading:
    """Without the leads that follow from those stored."""
    return Reading({lead: reading.rows[lead] for lead in specimen.leads}, reading.rate)


def _is_refused(path: Path) -> bool:
    try:
        read_recording(path)
    except RecordingError:
        return True
    return False


def _named(rows: dict[str, Any], rate: float) -> Reading:
    return Reading({lead_name(lead) or lead: row for lead, row in rows.items()}, rate)


def _by_dom(path: Path) -> Reading:
    rate, rows = writer("aecg").by_dom(path.read_bytes())
    return _named(rows, rate)


def _by_twin(path: Path) -> Reading:
    return _by_dom(path.parent.parent / "hl7-aecg" / "ECGToolkit_Example.xml")


def _by_slow_philips(path: Path) -> Reading:
    w = writer("philips")
    rows = np.array(w.slow_limbs(w.slow_channels(w.waveform_of(path.read_bytes())))[:12])
    rows = rows[:, : w.SAMPLES[path.name]] * 0.005
    return Reading(dict(zip(w.LEADS, rows, strict=True)), 500.0)


def _by_text_of_schiller(path: Path) -> Reading:
    text = path.read_text("utf-8-sig").split("<type>ECG_RHYTHMS</type>")[1]
    rows = [
        np.array(found.split(","), dtype=float) / 1000 for found in re.findall(r"<data>([^<]*)</data>", text)
    ]
    return Reading(dict(zip(writer("schiller").LEADS, rows, strict=True)), 500.0)


def _by_text_of_muse(path: Path) -> Reading:
    """The eight stored leads, and the four that follow by Einthoven and Goldberger."""
    text = path.read_text("latin-1").split("<WaveformType>Rhythm")[1]
    names, words = (re.findall(pattern, text) for pattern in (r"<LeadID>(\w+)<", r"<WaveFormData>([^<]+)<"))
    stored = [np.frombuffer(base64.b64decode(word), "<i2") * 4.88 / 1000.0 for word in words]
    rows = dict(zip(names, stored, strict=True))
    one, two = rows["I"], rows["II"]
    rows |= {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    return Reading(rows, 500.0)


def _by_pydicom(path: Path) -> Reading:
    return by_pydicom({path.name: path.read_bytes()})


ORACLES: dict[str, tuple[str, Oracle]] = {
    "dicom": ("pydicom", _by_pydicom),
    "hl7-aecg": ("DOM parser", _by_dom),
    "muse": ("text", _by_text_of_muse),
    "philips": ("slow decoder", _by_slow_philips),
    "schiller": ("text", _by_text_of_schiller),
    "scp": ("its twin in aECG", _by_twin),
}
