"""Files and folders of one format into another, de-identified where a key is given."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cardiofusion.readers import find_recordings, read_recording
from cardiofusion.records import (
    ExtraMissingError,
    InputError,
    Recording,
    RecordingError,
    write_text,
)
from cardiofusion.writers.deidentify import deidentify, pseudonym
from cardiofusion.writers.files import files_of, write_recording, writer_for
from cardiofusion.writers.writer import Writer

MIN_NAME = 3  # characters of a name that says something


@dataclass(frozen=True)
class Conversion:
    """What came of a folder. kept: there already, from an earlier run. refused: (file, code, reason)."""

    written: int
    kept: int
    refused: tuple[tuple[str, str, str], ...]


def convert_file(
    source: Path, target: Path, kind: str | None = None, key: bytes | None = None, overwrite: bool = False
) -> Path:
    """One recording into another format; the file written.

    target: a file, or an existing folder (then `kind` names the format). key: of the de-identification; none
    where the recording stays as it is.
    Raises RecordingError, InputError (an unknown format, a name that tells whose it is), StorageError.
    """
    writer = writer_for(target, kind)
    original = read_recording(source)
    recording = original if key is None else deidentify(original, key)
    if target.is_dir():
        target = target / f"{recording.record_id}{writer.suffix}"
    elif key is not None:
        _refuse_telling(target, original)
    return write_recording(recording, target, writer.name, overwrite)


def convert_folder(
    source: Path,
    target: Path,
    kind: str,
    key: bytes | None = None,
    overwrite: bool = False,
    on_step: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Every recording below `source` to its place below `target`; what is whole there already is kept.

    De-identified, all lie side by side under their new ids. What cannot be read or written is listed in
    TARGET.errors.csv, beside the folder: it names the files as they were.
    Raises RecordingError where there is none, InputError, StorageError where the disk refuses.
    """
    if source.resolve() == target.resolve():
        raise InputError("convert.same", "both folders are the same", "name another one for what is written")
    job = _Job(source, target, writer_for(target, kind), key, overwrite)
    found = [path for path in find_recordings(source) if target.resolve() not in path.resolve().parents]
    written: list[bool] = []
    refused: list[tuple[str, str, str]] = []
    for count, path in enumerate(found, 1):
        try:
            written.append(job.convert(path))
        except (InputError, ExtraMissingError) as error:
            refused.append((path.relative_to(source).as_posix(), error.code, error.message))
        if on_step:
            on_step(count, len(found))
    _list_refusals(errors_path(target), refused)
    return Conversion(sum(written), len(written) - sum(written), tuple(refused))


def errors_path(target: Path) -> Path:
    """Where the refusals of a folder are listed."""
    whole = target.resolve()  # "." has no name
    return whole.parent / f"{whole.name}.errors.csv"


class _Job:
    """The conversion of a folder. Two recordings never become one file."""

    def __init__(
        self, source: Path, target: Path, writer: Writer, key: bytes | None, overwrite: bool
    ) -> None:
        self.source, self.target, self.writer = source, target, writer
        self.key, self.overwrite = key, overwrite
        self.taken: dict[Path, str] = {}

    def convert(self, path: Path) -> bool:
        """Whether a file was written: it may be there already. Raises InputError, StorageError."""
        name = path.relative_to(self.source).as_posix()
        place = self._place(path)
        if place in self.taken:
            raise RecordingError(
                "convert.same_name", f"{name} and {self.taken[place]} would become one file", "rename one"
            )
        self.taken[place] = name
        there = [file.exists() for file in files_of(place, self.writer)]
        if all(there) and not self.overwrite:
            return False
        if any(there) and not self.overwrite:
            raise RecordingError(
                "storage.exists", f"another file stands where {name} would go", "add --force"
            )
        write_recording(self._read(path), place, self.writer.name, self.overwrite)
        return True

    def _place(self, path: Path) -> Path:
        folder = self.target / path.relative_to(self.source).parent
        if self.key is None:
            return folder / f"{path.stem}{self.writer.suffix}"
        return self.target / f"{pseudonym('record', self._identifier(path), self.key)}{self.writer.suffix}"

    def _read(self, path: Path) -> Recording:
        recording = read_recording(path)
        if self.key is None:
            return recording
        return deidentify(replace(recording, record_id=self._identifier(path)), self.key)

    def _identifier(self, path: Path) -> str:
        """What tells a recording from all others of the folder: names may come again in other folders."""
        return path.relative_to(self.source).with_suffix("").as_posix()


def _refuse_telling(target: Path, original: Recording) -> None:
    """Raises InputError where the name chosen holds that of the original, or the patient's id."""
    chosen = target.stem.casefold()
    for identifier in (original.record_id, original.patient_id):
        own = (identifier or "").casefold()
        if own and (own == chosen or (len(own) >= MIN_NAME and own in chosen)):
            raise InputError(
                "deidentify.name",
                f"the name {target.name[:80]} holds an id of the original",
                "choose another name, or name an existing folder and add --format",
            )


def _list_refusals(path: Path, refused: list[tuple[str, str, str]]) -> None:
    if not refused:
        path.unlink(missing_ok=True)  # of an earlier run
        return
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("file", "code", "reason"))
    rows.writerows(refused)
    write_text(path, text.getvalue())
