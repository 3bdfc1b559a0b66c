"""The formats we read, and the two ways in: one file, or all below a folder.

A new format is one more module that offers a `Format`, and one more entry in FORMATS.
"""

from __future__ import annotations

from pathlib import Path

from cardiofusion.readers.format import Format, system_errors
from cardiofusion.readers.wfdb import WFDB
from cardiofusion.records import Recording, RecordingError

FORMATS: tuple[Format, ...] = (WFDB,)


def read_recording(path: Path | str) -> Recording:
    """One ECG file (or, for WFDB, its header, signal file or bare record name) as a Recording in mV.

    Raises RecordingError: nothing there ("recording.missing"), no format we read ("recording.format"),
    or what the format's own reader found wrong.
    """
    path = Path(path)
    with system_errors(path):
        for file_format in FORMATS:
            located = file_format.locate(path)
            if located is not None:
                return file_format.read(located)
        raise _unread(path)


def find_recordings(folder: Path | str) -> list[Path]:
    """Every recording below a folder, sorted; a multi-segment record once.

    Raises RecordingError where there is no such folder or nothing in it that we read.
    """
    folder = Path(folder)
    with system_errors(folder):
        if not folder.exists():
            raise _missing(folder)
        found = sorted(path for file_format in FORMATS for path in file_format.find(folder))
    if not found:
        raise RecordingError("recording.none", f"no recording in {folder.name!r} or below it", _formats())
    return found


def _unread(path: Path) -> RecordingError:
    if path.is_dir():
        return RecordingError(
            "recording.folder", f"{path.name!r} is a folder, not a recording", "name one recording in it"
        )
    if not path.exists():
        return _missing(path)
    return RecordingError("recording.format", f"{path.name!r} is no ECG format we read", _formats())


def _missing(path: Path) -> RecordingError:
    return RecordingError(
        "recording.missing",
        f"{path.name!r} does not exist",
        "check the path; file names may be case-sensitive",
    )


def _formats() -> str:
    return "we read: " + "; ".join(f"{file_format.name} ({file_format.files})" for file_format in FORMATS)
