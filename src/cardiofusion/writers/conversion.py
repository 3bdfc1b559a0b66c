"""Files and folders of one format into another, de-identified where a key is given."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from cardiofusion.readers import read_recording
from cardiofusion.readers.files import SUFFIXES, no_recording, survey, unread
from cardiofusion.records import (
    CardioFusionError,
    ExtraMissingError,
    InputError,
    Recording,
    RecordingError,
    write_text,
)
from cardiofusion.writers.deidentify import deidentify, pseudonym
from cardiofusion.writers.files import Written, files_of, place_of, write, writer_for
from cardiofusion.writers.originals import refuse_own, refuse_telling
from cardiofusion.writers.writer import Writer

ECG_SUFFIXES = (".dcm", ".edf", ".bdf", ".scp")  # which nothing but recordings have


class Refusal(NamedTuple):
    """A file that could not be read or written, named from its folder, and why."""

    file: str
    code: str
    reason: str
    hint: str

    @classmethod
    def of(cls, file: str, error: CardioFusionError) -> Refusal:
        return cls(file, error.code, error.message, error.hint)


@dataclass(frozen=True)
class Conversion:
    """What came of a folder.

    kept: there already, from an earlier run. aside: files that are no ECG. left_out: what the format keeps
    not, or not in full -> in how many of the files written.
    """

    written: int
    kept: int
    refused: tuple[Refusal, ...]
    aside: int
    left_out: Mapping[str, int]


def convert_file(
    source: Path, target: Path, kind: str | None = None, key: bytes | None = None, overwrite: bool = False
) -> Written:
    """One recording into another format; the file written, and what the format had no place for.

    target: a file, or an existing folder (then `kind` names the format). key: of the de-identification; none
    where the recording stays as it is.
    Raises RecordingError, InputError (an unknown format, a name that tells whose it is, the original's own
    file), StorageError.
    """
    writer = writer_for(target, kind)
    original = read_recording(source)
    recording = original if key is None else deidentify(original, key)
    if target.is_dir():
        target = target / f"{writer.stem(recording.record_id)}{writer.suffix}"
    elif key is not None:
        refuse_telling(target, original)
    refuse_own(files_of(place_of(target, writer), writer), source.parent / original.source)
    return write(recording, target, writer.name, overwrite)


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
    if target.resolve() in (source.resolve(), *source.resolve().parents):
        raise InputError(
            "convert.same", f"the originals lie in {target.name!r}", "name another folder for what is written"
        )
    job = _Job(source, target, writer_for(target, kind), key, overwrite)
    found, others = (_outside(target, paths) for paths in survey(source))
    failed = [path for path in others if _failed_export(path)]
    if not found and not failed:
        raise no_recording(source)
    results: list[Written | None] = []
    refused = [Refusal.of(path.relative_to(source).as_posix(), unread(path)) for path in failed]
    for count, path in enumerate(found, 1):
        try:
            results.append(job.convert(path))
        except (InputError, ExtraMissingError) as error:
            refused.append(Refusal.of(path.relative_to(source).as_posix(), error))
        if on_step:
            on_step(count, len(found))
    refused.sort()
    _list_refusals(errors_path(target), refused)
    return _conversion(results, refused, len(others) - len(failed))


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

    def convert(self, path: Path) -> Written | None:
        """What was written; None where it is there already. Raises InputError, StorageError."""
        name = path.relative_to(self.source).as_posix()
        place = self._place(path)
        if place in self.taken:
            raise RecordingError(
                "convert.same_name", f"{name} and {self.taken[place]} would become one file", "rename one"
            )
        self.taken[place] = name
        there = [file.exists() for file in files_of(place, self.writer)]
        if all(there) and not self.overwrite:
            return None
        if any(there) and not self.overwrite:
            raise RecordingError(
                "storage.exists", f"another file stands where {name} would go", "add --force"
            )
        return write(self._read(path), place, self.writer.name, self.overwrite)

    def _place(self, path: Path) -> Path:
        folder = self.target / path.relative_to(self.source).parent
        if self.key is None:
            return folder / f"{self.writer.stem(path.stem)}{self.writer.suffix}"
        return self.target / f"{pseudonym('record', self._identifier(path), self.key)}{self.writer.suffix}"

    def _read(self, path: Path) -> Recording:
        recording = read_recording(path)
        if self.key is None:
            return recording
        return deidentify(replace(recording, record_id=self._identifier(path)), self.key)

    def _identifier(self, path: Path) -> str:
        """What tells a recording from all others of the folder: names may come again in other folders."""
        return path.relative_to(self.source).with_suffix("").as_posix()


def _outside(folder: Path, paths: list[Path]) -> list[Path]:
    return [path for path in paths if folder.resolve() not in path.resolve().parents]


def _failed_export(path: Path) -> bool:
    """Whether a file that no reader takes was meant to be an ECG: by its suffix, or empty with one of many.

    An ordinary table, XML or JSON file may lie among ECGs.
    """
    suffix = path.suffix.lower()
    return suffix in ECG_SUFFIXES or (suffix in SUFFIXES and not path.stat().st_size)


def _conversion(results: list[Written | None], refused: list[Refusal], aside: int) -> Conversion:
    written = [result for result in results if result is not None]
    lost = Counter(what for result in written for what in result.left_out)
    return Conversion(len(written), len(results) - len(written), tuple(refused), aside, lost)


def _list_refusals(path: Path, refused: list[Refusal]) -> None:
    if not refused:
        path.unlink(missing_ok=True)  # of an earlier run
        return
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(Refusal._fields)
    rows.writerows(refused)
    write_text(path, text.getvalue())
