"""The formats we read, and the ways in: one file, its bytes, or all below a folder.

A new format is one more module that offers a `Format`, and one more entry in FORMATS. WFDB stands apart: its
records lie in several files, and are found by their headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PureWindowsPath

from cardiofusion.readers import wfdb
from cardiofusion.readers.aecg import AECG
from cardiofusion.readers.apple import APPLE
from cardiofusion.readers.dicom import DICOM
from cardiofusion.readers.edf import EDF
from cardiofusion.readers.fhir import FHIR
from cardiofusion.readers.format import HEAD_BYTES, HINT, MAX_FILE_BYTES, Format, content_of, system_errors
from cardiofusion.readers.hdf5 import HDF5
from cardiofusion.readers.muse import MUSE
from cardiofusion.readers.philips import PHILIPS
from cardiofusion.readers.schiller import SCHILLER
from cardiofusion.readers.scp import SCP
from cardiofusion.readers.table import CSV, PARQUET
from cardiofusion.records import Recording, RecordingError

FORMATS: tuple[Format, ...] = (
    AECG,
    APPLE,
    CSV,
    DICOM,
    EDF,
    FHIR,
    HDF5,
    MUSE,
    PARQUET,
    PHILIPS,
    SCHILLER,
    SCP,
)
# That a table leaves out.
SUFFIXES = (".dcm", ".edf", ".bdf", ".scp", ".xml", ".json", ".csv", ".hdf5", ".parquet")


def read_recording(path: Path | str) -> Recording:
    """One ECG file (or its name without extension; for WFDB header or signal file) as a Recording in mV.

    Raises RecordingError: nothing there ("recording.missing"), several files of this name
    ("recording.ambiguous"), no format we read ("recording.format"), or what the format's own reader found
    wrong.
    """
    path = Path(path)
    with system_errors(path):
        path = _with_extension(path)
        if path.is_file() and (file_format := _format_of(_head(path))) is not None:
            return _named(file_format.decode(content_of(path), path.name), path.name)
        header = wfdb.locate(path)
        if header is not None:
            return wfdb.read(header)
        raise unread(path)


def read_bytes(content: bytes, name: str) -> Recording:
    """The same for a file that came over a network; name: for messages. WFDB needs all of its files.

    Raises RecordingError.
    """
    file_format = _format_of(content[:HEAD_BYTES])
    if file_format is None:
        raise RecordingError("recording.format", f"{name!r} is no ECG format we read", _formats())
    return _named(file_format.decode(content, name), name)


def read_files(files: Mapping[str, bytes]) -> Recording:
    """The same for one recording that came as several files: name -> content, folders in names left aside.

    One file of any format, or a WFDB record's header, signal files and segments, and nothing else.
    Raises RecordingError: "recording.files" where they are not one recording, or what `read_bytes` or the
    record's reader found wrong.
    """
    plain = {PureWindowsPath(name).name: content for name, content in files.items()}
    if len(plain) < len(files):
        raise _no_recording("two files have the same name")
    if sum(map(len, plain.values())) > MAX_FILE_BYTES:
        raise RecordingError(
            "recording.size", "the files are too large together", f"at most {MAX_FILE_BYTES:,} bytes are read"
        )
    headers = wfdb.headers(plain)
    if len(plain) == 1 and not headers:
        ((name, content),) = plain.items()
        return read_bytes(content, name)
    if len(headers) != 1:
        raise _no_recording(f"{len(headers)} of {len(plain)} files are headers of a WFDB record")
    return wfdb.decode(headers[0], plain)


def find_recordings(folder: Path | str) -> list[Path]:
    """Every recording below a folder, sorted; a multi-segment record once.

    Raises RecordingError where there is no such folder or nothing in it that we read.
    """
    found, _ = survey(folder)
    if not found:
        raise no_recording(folder)
    return found


def survey(folder: Path | str) -> tuple[list[Path], list[Path]]:
    """Every recording below a folder, and every other file that is part of none, both sorted.

    Raises RecordingError where there is no such folder.
    """
    folder = Path(folder)
    with system_errors(folder):
        if not folder.exists():
            raise _missing(folder)
        files = _files(folder)
        recognised = {path for path in files if _recognised(path)}
        return sorted({*wfdb.find(folder), *recognised}), sorted(set(files) - recognised)


def no_recording(folder: Path | str) -> RecordingError:
    """A folder without anything that we read."""
    return RecordingError("recording.none", f"no recording in {Path(folder).name!r} or below it", _formats())


def unread(path: Path) -> RecordingError:
    """What there is to say of a path that no reader takes."""
    if path.is_dir():
        return RecordingError(
            "recording.folder", f"{path.name!r} is a folder, not a recording", "name one recording in it"
        )
    if not path.exists():
        return _missing(path)
    if not path.stat().st_size:
        return RecordingError("recording.empty", f"{path.name!r} is empty", HINT)
    return RecordingError("recording.format", f"{path.name!r} is no ECG format we read", _formats())


def _with_extension(path: Path) -> Path:
    """The one file that a bare name stands for, where there is one that is no WFDB record."""
    if not path.name or path.exists() or wfdb.locate(path) is not None:
        return path
    names = [path.name + ending for suffix in SUFFIXES for ending in (suffix, suffix.upper())]
    found = [there for name in names if (there := path.with_name(name)).is_file()]
    if len(found) > 1 and not found[0].samefile(found[1]):
        raise RecordingError(
            "recording.ambiguous",
            f"{path.name[:80]!r} may be {found[0].name} or {found[1].name}",
            "write the file's extension too",
        )
    return found[0] if found else path


def _named(recording: Recording, name: str) -> Recording:
    return replace(recording, record_id=Path(name).stem, source=Path(name).name)


def _files(folder: Path) -> list[Path]:
    """Files below a folder that are neither hidden nor part of a WFDB record."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and not wfdb.belongs(path)
    ]


def _recognised(path: Path) -> bool:
    try:
        found = _format_of(_head(path))
    except OSError:
        return False  # nobody asked for this very file
    return found is not None and found.sure


def _format_of(head: bytes) -> Format | None:
    return next((file_format for file_format in FORMATS if file_format.recognises(head)), None)


def _head(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(HEAD_BYTES)


def _no_recording(what: str) -> RecordingError:
    return RecordingError(
        "recording.files", what, "give one file, or one WFDB record: a header and the files it names"
    )


def _missing(path: Path) -> RecordingError:
    return RecordingError(
        "recording.missing",
        f"{path.name!r} does not exist",
        "check the path; file names may be case-sensitive",
    )


def _formats() -> str:
    named = [("WFDB", wfdb.FILES), *((file_format.name, file_format.files) for file_format in FORMATS)]
    return "we read: " + "; ".join(f"{name} ({files})" for name, files in named)
