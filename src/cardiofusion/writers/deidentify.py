"""Recordings without what tells whose they are: ids become keyed hashes, dates move, words go.

The patient's id and the record's become HMAC-SHA256 hashes: the same key gives the same ids, so that the
recordings of a patient stay together, and nobody without the key can try ids until one fits. All times of a
patient move by the same whole number of weeks, up to three years either way: intervals, weekday and time of
day stay, as sleep and work show in an ECG. The age stays up to 89 years (45 CFR 164.514(b)(2)(i)(C));
sex, samples and measurements stay. Of the notes only filters stay, as plain frequencies: any other text may
hold a name, a place or a serial number.

The waveform itself stays, and whoever holds another ECG of the same person may recognise it. Shifted dates
are no safe harbour in that regulation's sense, which allows years only: have an expert judge before anything
is published.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from cardiofusion.records import MEASUREMENTS, InputError, Recording, storage_errors
from cardiofusion.writers.writer import cutoffs

MAX_AGE = 89.0  # years
MAX_WEEKS = 156
KEY_BYTES = 32
ID_DIGITS = 20  # 80 bits: two of a million ids share one with a chance of 4e-13

_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", re.ASCII)


def deidentify(recording: Recording, key: bytes) -> Recording:
    """The recording without its patient's identity; one of no known patient is a patient of its own.

    Made of what is allowed, not by taking out what is not: a new field of Recording stays behind.
    """
    patient = recording.patient_id
    over = recording.age is not None and recording.age > MAX_AGE
    filters = {name: f"{hertz} Hz" for name, hertz in cutoffs(recording).items()}
    return Recording(
        signal=recording.signal,
        sampling_rate=recording.sampling_rate,
        leads=recording.leads,
        record_id=pseudonym("record", recording.record_id, key),
        patient_id=None if patient is None else pseudonym("patient", patient, key),
        age=None if over else recording.age,
        sex=recording.sex,
        time=_shifted(recording.time, patient or recording.record_id, key),
        calibrated=recording.calibrated,
        unverified=recording.unverified,
        measured={name: value for name, value in recording.measured.items() if name in MEASUREMENTS},
        notes=filters | ({"age": f"over {MAX_AGE:.0f}"} if over else {}),
    )


def pseudonym(kind: str, identifier: str, key: bytes) -> str:
    """What stands for an identifier: hexadecimal digits. kind: keeps ids of records and patients apart."""
    return _digest(kind, identifier, key).hex()[:ID_DIGITS]


def new_key() -> bytes:
    """A key for one run."""
    return secrets.token_bytes(KEY_BYTES)


def read_key(path: Path) -> bytes:
    """The key in a file, which is made, readable by its owner only, where there is none.

    Raises InputError where the file holds something else, StorageError where it cannot be made.
    """
    if not path.exists():
        _make_key(path)
    try:
        with path.open("rb") as handle:
            text = handle.read(4 * KEY_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _no_key(path) from error
    if not _KEY.fullmatch(text):
        raise _no_key(path)
    return bytes.fromhex(text)


def _make_key(path: Path) -> None:
    with storage_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            handle.write(f"{new_key().hex()}\n")


def _no_key(path: Path) -> InputError:
    return InputError(
        "deidentify.key",
        f"{path.name} holds no key",
        f"a key is a line of {2 * KEY_BYTES} hexadecimal digits; name a new file, and one is made",
    )


def _shifted(time: datetime | None, patient: str, key: bytes) -> datetime | None:
    """The time some weeks away; None where that is beyond the calendar."""
    number = int.from_bytes(_digest("weeks", patient, key)[:8])
    weeks = 1 + number // 2 % MAX_WEEKS  # never 0
    try:
        return None if time is None else time + timedelta(weeks=weeks if number % 2 else -weeks)
    except OverflowError:
        return None


def _digest(kind: str, identifier: str, key: bytes) -> bytes:
    return hmac.digest(key, f"{kind}:{identifier}".encode("utf-8", "surrogatepass"), "sha256")
