"""What was written, read again and held against what it was made of.

Samples, leads, rate, calibration and whose and when it is: a file that loses these is refused. Age,
measurements and notes may be lost, and are named. What no checksum covered in the file that was read
(`unverified`) is said of that file only: one that we write has checksums of its own, or none.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose

import numpy as np

from cardiofusion.readers.details import number
from cardiofusion.records import Recording, RecordingError
from cardiofusion.writers.writer import Writer, other_format, unwritable

MAX_AGE_DRIFT = 1 / 12  # years
MAX_DRIFT = 0.5  # samples by which a rate that a format rounds may be off at the recording's end
_FLOAT = 2e-7  # of a sample: float32, and the rounding of a step's multiple


def verify(read: Recording, recording: Recording, writer: Writer) -> None:
    """Raises RecordingError ("recording.unwritable") where `read` is not `recording`.

    Leads that follow from others may have come, and amplitudes may be off by half the format's step.
    """
    lost = next(_lost(read, recording, writer.quantum(recording)), None)
    if lost is not None:
        raise unwritable(writer.title, f"{lost} of {recording.record_id}")


def unreadable(error: RecordingError, recording: Recording, writer: Writer) -> RecordingError:
    """A recording that the format's own reader would refuse."""
    return RecordingError(
        "recording.unwritable",
        f"{recording.record_id} cannot be written as {writer.title}: {error.message}",
        other_format(writer.title),
    )


def left_out(read: Recording, recording: Recording) -> tuple[str, ...]:
    """Words for what a format has no place for, or too little: the age, measurements, notes by their keys."""
    words = []
    if recording.age is not None and (read.age is None or abs(read.age - recording.age) > MAX_AGE_DRIFT):
        words.append("age")
    if any(not _measured_so(read, name, value) for name, value in recording.measured.items()):
        words.append("measurements")
    lost = (key for key, text in recording.notes.items() if _bare(read.notes.get(key, "")) != _bare(text))
    return (*words, *lost)


def _measured_so(read: Recording, name: str, value: float) -> bool:
    """As a measurement, or as a note where the format knows nothing else."""
    stated = read.measured.get(name, number(read.notes.get(name)))
    return stated is not None and isclose(stated, value, rel_tol=1e-6, abs_tol=1e-6)


def _bare(text: str) -> str:
    """Text without spaces, and the _ that EDF+ puts in their place: "50 Hz" is "50Hz"."""
    return "".join(text.replace("_", " ").split())


def _lost(read: Recording, recording: Recording, quantum: float) -> Iterator[str]:
    """Words for each thing that is not as it was; the signal's first, in the order in which they matter."""
    if not set(recording.leads) <= set(read.leads):
        yield "the leads"
        return
    if read.signal.shape[1] != recording.signal.shape[1]:
        yield "the length, or a gap at its ends,"
        return
    if abs(read.sampling_rate - recording.sampling_rate) * recording.duration > MAX_DRIFT:
        yield f"the sampling rate of {recording.sampling_rate:g} Hz"
    yield from _lost_samples(read, recording, quantum)
    if read.calibrated and not recording.calibrated:
        yield "that the amplitudes are not calibrated"
    yield from _lost_fields(read, recording)


def _lost_samples(read: Recording, recording: Recording, quantum: float) -> Iterator[str]:
    was, found = recording.signal, read.signal[[read.leads.index(lead) for lead in recording.leads]]
    if (np.isnan(found) != np.isnan(was)).any():
        yield "missing samples"
    allowed = 0.5 * quantum + _FLOAT * (1.0 + np.abs(was))
    if (np.abs(found.astype(np.float64) - was) > allowed).any():
        yield "the amplitudes"


def _lost_fields(read: Recording, recording: Recording) -> Iterator[str]:
    """A patient's id that reads as another one is the worst that can happen."""
    for name, words in (("patient_id", "the patient's id"), ("sex", "the sex"), ("time", "the time")):
        was, found = getattr(recording, name) or None, getattr(read, name)
        if name == "time" and was is not None:
            was = was.replace(tzinfo=None)
        if found != was:
            yield words
