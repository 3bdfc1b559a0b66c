"""What a file format must offer to take part in reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cardiofusion.records import Recording, RecordingError


@dataclass(frozen=True)
class Format:
    """How one file format is recognised, found and read.

    name, files: for words ("WFDB", ".hea beside its .dat or .mat").
    locate: a path as the user gave it -> the file to read, None where it is not of this format.
    find: a folder -> the recordings below it, one path each.
    read: a located file -> Recording; raises RecordingError.
    """

    name: str
    files: str
    locate: Callable[[Path], Path | None]
    find: Callable[[Path], list[Path]]
    read: Callable[[Path], Recording]


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
