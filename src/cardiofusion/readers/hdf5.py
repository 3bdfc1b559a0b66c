"""CODE-15% as published: HDF5 with `exam_id` [n] and `tracings` [n, 4096, 12], many ECGs a file.

400 Hz, leads DI, DII, DIII, AVR, AVL, AVF, V1-V6, zeros before and after an ECG of less than 10.24 s. The
file states neither rate, unit nor leads: its two data sets are what it is known by, and everything else is
refused (the authors' other releases have other leads or no `exam_id`). The unit is mV as the PhysioNet
Challenge 2025 converts these files; the authors' words on the unit ("at the scale 1e-4V: so it should be
multiplied by 1000") contradict themselves.
Source: Ribeiro et al., CODE-15%, Zenodo record 4916206 (2021).

    recordings = [tracing.read() for tracing in tracings("exams_part0.hdf5")]
"""

from __future__ import annotations

import io
import itertools
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cardiofusion.readers.decimals import as_millivolts
from cardiofusion.readers.details import Details
from cardiofusion.readers.format import Format, system_errors
from cardiofusion.records import LEADS, ExtraMissingError, Recording, RecordingError

if TYPE_CHECKING:
    import h5py  # type: ignore[import-untyped]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
RATE = 400.0  # Hz
SAMPLES = 4096
MAX_TRACINGS = 1_000_000  # CODE has 2.3 million in all, CODE-15% 20,001 a file
MAX_CHUNK_BYTES = 1 << 26
MAX_CHUNKS = 1 << 12  # of one tracing, or of the ids
MAX_UNFOLDED = 1 << 27  # bytes of all these chunks; 62 MB for a tracing as h5py lays out 20,001
DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3  # filters that come with HDF5 itself
CHECKED = frozenset({DEFLATE, FLETCHER32})  # of which every chunk carries a checksum (zlib's: Adler-32)
CHECKSUM_BYTES = 4
HINT = "fetch the file again from where it was published"


@dataclass(frozen=True)
class Tracing:
    """A RecordingSource: one ECG of a file, read when asked for, and it alone. row: in `tracings`."""

    path: Path
    row: int
    record_id: str

    def read(self) -> Recording:
        """The ECG in mV, without its padding. Raises RecordingError; ExtraMissingError without h5py."""
        with _opened(self.path, _size(self.path), self.path.name) as exams:
            return replace(
                exams.read(self.row, self.record_id), record_id=self.record_id, source=self.path.name
            )


def tracings(path: Path | str) -> tuple[Tracing, ...]:
    """Every ECG of a file, by its exam_id; none of them is read yet.

    A row with exam_id 0, such as published files end with, is no ECG.
    Raises RecordingError where the file is not as CODE-15% has them; ExtraMissingError without h5py.
    """
    path = Path(path)
    with _opened(path, _size(path), path.name) as exams:
        return tuple(Tracing(path, row, str(number)) for row, number in exams.rows())


def recognises(head: bytes) -> bool:
    return head.startswith(SIGNATURE)


def decode(content: bytes, name: str) -> Recording:
    """The ECG of a file that has one. Raises RecordingError; ExtraMissingError without h5py."""
    with _opened(io.BytesIO(content), len(content), name) as exams:
        rows = exams.rows()
        if len(rows) != 1:
            raise RecordingError(
                "recording.version",
                f"{name} has {len(rows):,} ECGs, not one",
                "cardiofusion.readers.hdf5.tracings gives them one at a time",
            )
        return exams.read(rows[0][0], str(rows[0][1]))


@dataclass(frozen=True)
class _Exams:
    """An open file whose data sets have been checked. size: bytes of the file."""

    ids: h5py.Dataset
    tracings: h5py.Dataset
    size: int
    name: str

    def rows(self) -> list[tuple[int, int]]:
        """(row, exam_id) of every ECG."""
        _check_stored(self.ids, 0, len(self.ids), self.size, self.name)
        return [(row, int(number)) for row, number in enumerate(self.ids[:]) if number]

    def read(self, row: int, exam_id: str) -> Recording:
        """One tracing in mV, its zero padding left out. Raises RecordingError."""
        what = f"tracing {row} of {self.name}"
        _check_stored(self.tracings, row, row + 1, self.size, what)
        with np.errstate(invalid="ignore"):  # NaN of any kind is a missing sample
            signal = as_millivolts(np.asarray(self.tracings[row], dtype=np.float64).T, what)
        held = np.flatnonzero((signal != 0.0).any(axis=0))
        if not len(held):
            raise RecordingError("recording.empty", f"{what} is zero throughout", "leave it out")
        details = Details()
        details.note("exam_id", exam_id)
        details.note("unit", "mV, as the PhysioNet Challenge 2025 reads CODE-15%; the file does not say")
        before, after = int(held[0]), SAMPLES - 1 - int(held[-1])
        if before or after:
            details.note("padding", f"{before} zero samples before and {after} after it left out")
        return Recording(
            signal=np.ascontiguousarray(signal[:, before : SAMPLES - after]),
            sampling_rate=RATE,
            leads=LEADS,
            unverified=("header", "samples") if CHECKED.isdisjoint(_filters(self.tracings)) else ("header",),
            **details.fields(),
        )


@contextmanager
def _opened(source: Path | io.BytesIO, size: int, name: str) -> Iterator[_Exams]:
    try:
        import h5py
    except ImportError as error:
        raise ExtraMissingError("reading HDF5", "hdf5") from error
    try:
        with h5py.File(source, "r", **({"locking": False} if isinstance(source, Path) else {})) as file:
            ids, exams = (_dataset(file, key, name) for key in ("exam_id", "tracings"))
            _check_shapes(ids, exams, name)
            yield _Exams(ids, exams, size, name)
    except RecordingError:
        raise
    except Exception as error:  # damaged HDF5 raises many kinds
        what = " ".join(str(error).split())[:120]
        code = "recording.checksum" if "checksum" in what else "recording.header"
        raise RecordingError(code, f"{name} is no sound HDF5: {what}", HINT) from error


def _size(path: Path) -> int:
    with system_errors(path):
        return path.stat().st_size


def _dataset(file: h5py.File, key: str, name: str) -> h5py.Dataset:
    """A data set of the file itself. Raises RecordingError where it is elsewhere, or needs a plug-in."""
    import h5py

    link = file.get(key, getlink=True)
    dataset = file[key] if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset):
        raise RecordingError(
            "recording.version",
            f"{name} has no data set {key!r} of its own",
            "of HDF5, only CODE-15% is read",
        )
    if dataset.is_virtual or dataset.external:
        raise RecordingError("recording.version", f"{name} takes {key!r} from other files", HINT)
    filters = _filters(dataset)
    if len(set(filters)) < len(filters) or not {DEFLATE, SHUFFLE, FLETCHER32}.issuperset(filters):
        raise RecordingError(
            "recording.version", f"{name} has {key!r} compressed by filters {filters}", "use gzip"
        )
    return dataset


def _filters(dataset: h5py.Dataset) -> list[int]:
    properties = dataset.id.get_create_plist()
    return [properties.get_filter(k)[0] for k in range(properties.get_nfilters())]


def _check_shapes(ids: h5py.Dataset, exams: h5py.Dataset, name: str) -> None:
    shape = (len(ids) if ids.ndim == 1 else -1, SAMPLES, len(LEADS))
    plain = ids.dtype.kind in "iu" and exams.dtype.kind == "f" and exams.dtype.itemsize <= 8
    if exams.shape != shape or not plain:
        raise RecordingError(
            "recording.version",
            f"{name} has tracings {exams.shape} of {exams.dtype}, exam_id {ids.shape} of {ids.dtype}",
            f"of HDF5, only CODE-15% is read: [n, {SAMPLES}, {len(LEADS)}] of floats, [n] of integers",
        )
    if len(ids) > MAX_TRACINGS:
        raise RecordingError("recording.size", f"{name} has {len(ids):,} ECGs", f"{MAX_TRACINGS:,} are read")


def _check_stored(dataset: h5py.Dataset, first: int, last: int, size: int, what: str) -> None:
    """That rows `first` to `last` lie in the file, and that no chunk unfolds to more than it declares."""
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        if offset is None or offset + dataset.nbytes > size:
            raise _truncated(what)
        return
    chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    starts = [range(first - first % dataset.chunks[0], last, dataset.chunks[0])]
    starts += [
        range(0, extent, step) for extent, step in zip(dataset.shape[1:], dataset.chunks[1:], strict=True)
    ]
    count = math.prod(map(len, starts))
    if chunk_bytes > MAX_CHUNK_BYTES or count > MAX_CHUNKS or count * chunk_bytes > MAX_UNFOLDED:
        raise RecordingError(
            "recording.size",
            f"{what} has {count:,} chunks of {chunk_bytes:,} bytes",
            f"at most {MAX_CHUNK_BYTES:,} are read of each, {MAX_UNFOLDED:,} of all",
        )
    for corner in itertools.product(*starts):
        _check_chunk(dataset, corner, chunk_bytes, size, what)


def _check_chunk(
    dataset: h5py.Dataset, corner: tuple[int, ...], chunk_bytes: int, size: int, what: str
) -> None:
    """HDF5 inflates without a bound, so here it is done with one first.

    Of a chunk that a damaged index lists, but does not find again, HDF5 would read zeros.
    """
    info: Any = dataset.id.get_chunk_info_by_coord(corner)
    if info.byte_offset is None or info.byte_offset + info.size > size:
        raise _truncated(what)
    if info.filter_mask:
        raise RecordingError("recording.version", f"{what} has chunks without the filters of others", HINT)
    stored = dataset.id.read_direct_chunk(corner)[1]
    held = info.size
    if DEFLATE in _filters(dataset):
        held = _inflated(stored, chunk_bytes + CHECKSUM_BYTES, what)
    if held not in {chunk_bytes, chunk_bytes + CHECKSUM_BYTES}:
        raise _truncated(what)


def _inflated(stored: bytes, room: int, what: str) -> int:
    """How many bytes a chunk unfolds to. Raises RecordingError where that is more than `room`."""
    inflating = zlib.decompressobj()
    try:
        held = len(inflating.decompress(stored, room + 1))
    except zlib.error as error:
        raise RecordingError("recording.checksum", f"{what} does not unpack: {error}", HINT) from error
    if held > room:
        raise RecordingError("recording.size", f"{what} has chunks that unfold beyond their size", HINT)
    if not inflating.eof:
        raise _truncated(what)
    return held


def _truncated(what: str) -> RecordingError:
    return RecordingError("recording.truncated", f"{what} lies, in part, beyond the end of the file", HINT)


HDF5 = Format("CODE-15%", ".hdf5", recognises, decode, sure=False)
