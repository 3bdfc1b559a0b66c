"""The formats we write, and the way out: one recording, one file (WFDB: two), whole or not at all.

A new format is one more module that offers a `Writer`, and one more entry in WRITERS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cardiofusion.readers import read_recording
from cardiofusion.records import (
    InputError,
    Recording,
    RecordingError,
    StorageError,
    storage_errors,
    write_bytes,
)
from cardiofusion.writers.aecg import AECG
from cardiofusion.writers.dicom import DICOM
from cardiofusion.writers.edf import EDF
from cardiofusion.writers.fhir import FHIR
from cardiofusion.writers.readback import left_out, unreadable, verify
from cardiofusion.writers.table import CSV
from cardiofusion.writers.wfdb import WFDB
from cardiofusion.writers.writer import Writer

WRITERS: tuple[Writer, ...] = (AECG, CSV, DICOM, EDF, FHIR, WFDB)
FORMAT_NAMES = tuple(writer.name for writer in WRITERS)


@dataclass(frozen=True)
class Written:
    """A file that was written. left_out: what the format keeps not, or not in full ("age", a note's key)."""

    path: Path
    left_out: tuple[str, ...]


def writer_for(path: Path, kind: str | None = None) -> Writer:
    """The writer of the format named, else that of the path's suffix. Raises InputError."""
    wanted = path.suffix.lower() if kind is None else kind
    for writer in WRITERS:
        if wanted == (writer.suffix if kind is None else writer.name):
            return writer
    known = ", ".join(f"{writer.name} ({writer.suffix})" for writer in WRITERS)
    if not wanted:
        raise InputError(
            "convert.format",
            f"{path.name!r} does not say which format to write",
            f"add --format, or one of these suffixes: {known}",
        )
    raise InputError("convert.format", f"no format we write is called {wanted[:20]!r}", f"we write: {known}")


def place_of(path: Path, writer: Writer) -> Path:
    """The path with the format's suffix: added where it has another one."""
    return path if path.suffix.lower() == writer.suffix else path.parent / f"{path.name}{writer.suffix}"


def files_of(path: Path, writer: Writer) -> list[Path]:
    """All files of a recording at `path`, the one that is read again last."""
    return [path.with_name(path.stem + suffix) for suffix, _ in writer.beside] + [path]


def write_recording(
    recording: Recording, path: Path | str, kind: str | None = None, overwrite: bool = False
) -> Path:
    """Write a recording in the format of the path's suffix, or in the one called `kind`; the path written.

    The file's name is the record's id from then on. The suffix is added where `kind` has another one. What
    was written is read again first: a file that would read back as another ECG is not left behind.

    Raises RecordingError where the format cannot hold the recording, InputError for an unknown format,
    StorageError where a file is there already ("storage.exists") or the disk refuses.
    """
    return write(recording, Path(path), kind, overwrite).path


def write(recording: Recording, path: Path, kind: str | None, overwrite: bool) -> Written:
    """The same; also what the format had no place for."""
    writer = writer_for(path, kind)
    path = place_of(path, writer)
    files = files_of(path, writer)
    if not overwrite:
        _refuse_existing(files)
    recording = replace(recording, record_id=path.stem)
    with storage_errors(path), _staging(path) as folder:
        contents = [encode(recording) for _, encode in writer.beside] + [writer.encode(recording)]
        for file, content in zip(files, contents, strict=True):
            write_bytes(folder / file.name, content)
        lost = _read_back(folder / path.name, recording, writer)
        _publish(folder, files)
    return Written(path, lost)


def _refuse_existing(files: list[Path]) -> None:
    for file in files:
        if file.exists():
            raise StorageError(
                "storage.exists", f"{file.name} exists already", "add --force, or name another file"
            )


@contextmanager
def _staging(path: Path) -> Iterator[Path]:
    """A folder beside `path` that is gone when the block ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
        yield Path(folder)


def _read_back(path: Path, recording: Recording, writer: Writer) -> tuple[str, ...]:
    """What was left out. Raises RecordingError where it is not the recording."""
    try:
        read = read_recording(path)
    except RecordingError as error:
        raise unreadable(error, recording, writer) from error
    verify(read, recording, writer)
    return left_out(read, recording)


def _publish(folder: Path, files: list[Path]) -> None:
    """Move the files to their place, the one that is read again last: without it there is no recording."""
    *beside, main = files
    if beside:
        main.unlink(missing_ok=True)  # an old header must not stand beside new samples
    try:
        for file in files:
            (folder / file.name).replace(file)
    except BaseException:  # Ctrl-C included
        if not main.exists():
            for file in beside:
                file.unlink(missing_ok=True)
        raise
