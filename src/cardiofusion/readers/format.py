"""What a file format must offer to take part in reading."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cardiofusion.records import Recording, RecordingError, lead_name

MAX_FILE_BYTES = 1 << 28  # 24 hours of three leads are 260 MB at most
HEAD_BYTES = 4096  # by which a file is recognised
MIN_RATE, MAX_RATE = 10.0, 10_000.0  # Hz
MAX_MILLIVOLTS = 10_000.0  # more than any electrode gives, offset included
HINT = "export the ECG again from the device or the archive it came from"


@dataclass(frozen=True)
class Format:
    """A format of one file, recognised by what it holds, whatever it is called.

    name, files: for words ("DICOM", ".dcm").
    recognises: the first HEAD_BYTES of a file -> whether it is of this format.
    decode: all of the file, and its name for messages -> Recording without id and source; raises
        RecordingError.
    sure: whether what is recognised is an ECG; a file that may be anything is not found in a folder.
    """

    name: str
    files: str
    recognises: Callable[[bytes], bool]
    decode: Callable[[bytes, str], Recording]
    sure: bool = True


def lead_of(stored: str, taken: Container[str], name: str) -> str:
    """The standard name of a stored lead. Raises RecordingError where it is unknown, or taken already."""
    lead = lead_name(stored)
    if lead is None or lead in taken:
        what = "twice" if lead else "which is no lead we know"
        raise RecordingError("recording.lead", f"{name} has {stored[:20]!r} {what}", HINT)
    return lead


def content_of(path: Path) -> bytes:
    """All of a file. Raises RecordingError where it is empty or larger than MAX_FILE_BYTES."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise RecordingError(
            "recording.size", f"{path.name} has {size:,} bytes", f"at most {MAX_FILE_BYTES:,} are read"
        )
    return path.read_bytes()


@contextmanager
def system_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors while reading `path` (no permission, name too long) into RecordingError."""
    try:
        yield
    except OSError as error:
        raise RecordingError(
            "recording.unreadable",
            f"cannot read {path.name[:80]!r}: {(error.strerror or str(error)).lower()}",
            "check that the file exists, is readable and is not open elsewhere",
        ) from error
