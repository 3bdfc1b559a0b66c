"""What passes between LimitedReader and its worker: a JSON header behind its length, then raw bytes.

    request    {"files": [[name, size], ...], "wishes": [what else, ...]}, then the files
    answer     {"recording": {...}, "shape": [leads, samples]}, then the samples as float32 [lead, sample]
               {"refused": [code, message, hint]}, {"missing": [feature, extra]}, {"memory": true} or
               {"fault": kind of error, "at": file and line}
    further    for each wish, after a recording: an object of whoever knows the wish, or one of the last two

Whoever reads an answer trusts none of it: a file may have taken the worker over. No pickle crosses.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any

import numpy as np

from cardiofusion.readers.details import MAX_AGE
from cardiofusion.readers.format import MAX_MILLIVOLTS, MAX_RATE, MIN_RATE
from cardiofusion.records import (
    LEADS,
    MEASUREMENTS,
    OTHER_LEADS,
    ExtraMissingError,
    Recording,
    RecordingError,
)

MAX_HEADER_BYTES = 1 << 20
MAX_CELLS = 1 << 27  # samples of all leads in an answer
MAX_TEXT = 1000  # characters of one text
PIECE_BYTES = 1 << 20  # memory follows what comes, not what is announced
LENGTH_BYTES = 4

_CODE = re.compile(r"recording(?:\.[a-z_]{1,40}){1,2}", re.ASCII)
_KEPT = ("record_id", "source", "patient_id", "age", "sex")
_PARTS = frozenset({"header", "samples"})


class WireError(Exception):
    """The other side says what it should not."""


class GoneError(WireError):
    """The other side has ended."""


def send(stream: IO[bytes], header: Mapping[str, Any], *contents: bytes | memoryview) -> None:
    """Write a header and what follows it."""
    text = json.dumps(header).encode("ascii")
    if len(text) > MAX_HEADER_BYTES:
        raise WireError("a header too long to send")
    stream.write(len(text).to_bytes(LENGTH_BYTES, "big") + text)
    for content in contents:
        stream.write(content)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any]:
    """The next header. Raises WireError."""
    size = int.from_bytes(take(stream, LENGTH_BYTES), "big")
    if size > MAX_HEADER_BYTES:
        raise WireError("a header too long")
    try:
        header = json.loads(take(stream, size))
    except (ValueError, RecursionError) as error:
        raise WireError("a header that is no JSON") from error
    if not isinstance(header, dict):
        raise WireError("a header that is no object")
    return header


def take(stream: IO[bytes], size: int) -> bytearray:
    """The next `size` bytes. Raises GoneError where the other side ends first."""
    content = bytearray()
    while len(content) < size:
        piece = stream.read(min(PIECE_BYTES, size - len(content)))
        if not piece:
            raise GoneError("it ended")
        content += piece
    return content


def send_recording(stream: IO[bytes], recording: Recording) -> None:
    """Answer with a Recording."""
    fields: dict[str, Any] = {name: getattr(recording, name) for name in _KEPT}
    fields |= {
        "sampling_rate": float(recording.sampling_rate),
        "leads": recording.leads,
        "time": recording.time and recording.time.isoformat(),
        "calibrated": bool(recording.calibrated),
        "unverified": recording.unverified,
        "measured": dict(recording.measured),
        "notes": dict(recording.notes),
    }
    signal = np.ascontiguousarray(recording.signal, dtype="<f4")
    send(stream, {"recording": fields, "shape": signal.shape}, signal.data.cast("B"))


def receive_recording(stream: IO[bytes]) -> Recording:
    """An answer. Raises what it says went wrong, RecordingError or ExtraMissingError; MemoryError where the
    worker had too little; WireError where the answer is none.
    """
    header = _receive_answer(stream)
    _check("recording" in header, "a recording")
    return _recording(header, stream)


def receive_words(stream: IO[bytes]) -> dict[str, Any]:
    """A further answer: every text of it can be written down. Raises MemoryError, WireError."""
    header = receive(stream)
    if "memory" in header:
        raise MemoryError
    words: dict[str, Any] = _writable(header)
    return words


def _writable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_writable(key): _writable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_writable(entry) for entry in value]
    return value[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _receive_answer(stream: IO[bytes]) -> dict[str, Any]:
    """The next header, where it says that nothing went wrong."""
    header = receive(stream)
    if "refused" in header:
        code, message, hint = _texts(header["refused"], 3)
        _check(_CODE.fullmatch(code) is not None, "a code")
        raise RecordingError(code, message, hint)
    if "missing" in header:
        raise ExtraMissingError(*_texts(header["missing"], 2))
    if "memory" in header:
        raise MemoryError
    if "fault" in header:
        raise WireError(f"a fault of the reader, {_text(header['fault'])[:40]}")
    return header


def _recording(header: Mapping[str, Any], stream: IO[bytes]) -> Recording:
    fields, shape = header["recording"], _shape(header.get("shape"))
    _check(isinstance(fields, dict), "fields")
    checked = _fields(fields)
    _check(len(checked["leads"]) == shape[0], "as many leads as rows")
    signal = np.frombuffer(take(stream, 4 * math.prod(shape)), dtype="<f4").reshape(shape)
    _check(not (np.abs(signal) > MAX_MILLIVOLTS).any(), "millivolts")
    try:
        return Recording(signal=signal.astype(np.float32, copy=False), **checked)
    except RecordingError as error:
        raise WireError(error.message) from error


def _shape(stated: Any) -> tuple[int, int]:
    pair = isinstance(stated, list) and len(stated) == 2 and all(type(n) is int and n > 0 for n in stated)
    _check(pair and math.prod(stated) <= MAX_CELLS, "a shape")
    leads, samples = stated
    return leads, samples


def _fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Recording, each checked."""
    rate, age, sex = (fields.get(name) for name in ("sampling_rate", "age", "sex"))
    _check(type(rate) is float and MIN_RATE <= rate <= MAX_RATE, "sampling rate")
    _check(age is None or (type(age) in (int, float) and 0 <= age <= MAX_AGE), "age")
    _check(sex in (None, "female", "male"), "sex")
    _check(type(fields.get("calibrated")) is bool, "calibrated")
    leads, unverified = _texts(fields.get("leads")), _texts(fields.get("unverified"))
    _check(set(leads) <= {*LEADS, *OTHER_LEADS} and set(unverified) <= _PARTS, "leads, or what is unverified")
    patient = fields.get("patient_id")
    return {
        "sampling_rate": rate,
        "leads": leads,
        "record_id": _text(fields.get("record_id")),
        "patient_id": None if patient is None else _text(patient),
        "age": age,
        "sex": sex,
        "time": _time(fields.get("time")),
        "source": _text(fields.get("source")),
        "calibrated": fields["calibrated"],
        "unverified": unverified,
        "measured": _measured(fields.get("measured")),
        "notes": _notes(fields.get("notes")),
    }


def _measured(stated: Any) -> dict[str, float]:
    _check(isinstance(stated, dict) and set(stated) <= set(MEASUREMENTS), "measurements")
    _check(all(type(value) in (int, float) and abs(value) < math.inf for value in stated.values()), "numbers")
    return {name: float(value) for name, value in stated.items()}


def _notes(stated: Any) -> dict[str, str]:
    _check(isinstance(stated, dict), "notes")
    return {_text(key): _text(value) for key, value in stated.items()}


def _time(stated: Any) -> datetime | None:
    if stated is None:
        return None
    try:
        return datetime.fromisoformat(_text(stated))
    except ValueError as error:
        raise WireError("a time that is none") from error


def _texts(stated: Any, count: int | None = None) -> tuple[str, ...]:
    _check(isinstance(stated, list) and count in (None, len(stated)), "texts")
    return tuple(map(_text, stated))


def _text(stated: Any) -> str:
    """One line, in characters that can be written down."""
    _check(isinstance(stated, str), "text")
    line = " ".join(stated[:MAX_TEXT].split())
    return line.encode("utf-8", "replace").decode("utf-8")


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise WireError(f"an answer without {what} as it should be")
