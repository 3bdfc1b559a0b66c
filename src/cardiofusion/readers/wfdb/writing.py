"""Writing one recording as WFDB format 16: 1 uV a step, checksums included (header(5), signal(5))."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cardiofusion.records import Recording, RecordingError, write_bytes, write_text

STEPS_PER_MV = 1000
MISSING = -32768


def write_wfdb(recording: Recording, folder: Path | str) -> Path:
    """Write NAME.hea and NAME.dat, NAME being the record id; the header's path.

    Raises RecordingError where 16 bits of 1 uV (+-32.7 mV) cannot hold the signal or the id is no file name,
    StorageError where the disk refuses.
    """
    name, folder = recording.record_id, Path(folder)
    if not name or not all(letter.isalnum() or letter in "-_" for letter in name):
        raise RecordingError(
            "recording.name", f"{name!r} cannot name a WFDB record", "letters, digits, - and _"
        )
    steps = np.rint(recording.signal * STEPS_PER_MV)
    if np.nanmax(np.abs(steps), initial=0.0) > 32767:
        raise RecordingError("recording.range", f"{name} exceeds 32.767 mV", "check its gain")
    samples = np.where(np.isnan(steps), MISSING, steps).astype("<i2")
    write_bytes(folder / f"{name}.dat", samples.T.tobytes())
    header = folder / f"{name}.hea"
    write_text(header, "\n".join(_header(recording, samples)) + "\n")
    return header


def _header(recording: Recording, samples: np.ndarray) -> list[str]:
    name = recording.record_id
    lines = [f"{name} {len(samples)} {recording.sampling_rate:g} {samples.shape[1]}"]
    for lead, row in zip(recording.leads, samples, strict=True):
        checksum = int(row.astype(np.int64).sum()) & 0xFFFF
        signed = checksum - 0x10000 if checksum >= 0x8000 else checksum
        lines.append(f"{name}.dat 16 {STEPS_PER_MV}(0)/mV 16 0 {row[0]} {signed} 0 {lead}")
    if recording.age is not None:
        lines.append(f"# Age: {recording.age:g}")
    if recording.sex is not None:
        lines.append(f"# Sex: {recording.sex.capitalize()}")
    if recording.patient_id is not None:
        lines.append(f"# Patient ID: {recording.patient_id}")
    return lines
