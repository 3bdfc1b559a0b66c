"""A WFDB record as a Recording, found by its header: on a disk, or among files in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cardiofusion.readers.wfdb.comments import parse_clock
from cardiofusion.readers.wfdb.content import Content, Folder, Uploads
from cardiofusion.readers.wfdb.header import segment_names
from cardiofusion.readers.wfdb.record import open_record
from cardiofusion.readers.wfdb.segment import DEFAULT_GAIN, MAX_HEADER_BYTES
from cardiofusion.records import Recording, RecordingError

FILES = ".hea beside its .dat or .mat"
_SIGNAL_SUFFIXES = frozenset({".dat", ".mat"})


def locate(path: Path) -> Path | None:
    """The header of a header, signal file or bare record name; None where `path` is none of these."""
    if path.suffix.lower() == ".hea":
        return path if path.is_file() else None
    header = path.with_name(path.name + ".hea") if path.name else path
    if header.is_file() and not path.is_file():
        return header
    if path.suffix.lower() not in _SIGNAL_SUFFIXES:
        return None
    header = path.with_suffix(".hea")
    if path.is_file() and not header.is_file():
        raise RecordingError(
            "recording.header",
            f"{path.name!r} has no header beside it",
            f"a WFDB signal file is read through its header: put {header.name} in the same folder",
        )
    return header if path.is_file() else None


def find(folder: Path) -> list[Path]:
    """The headers below a folder, without those of a multi-segment record's segments."""
    headers = [path for path in folder.rglob("*.hea") if path.is_file() and not path.name.startswith(".")]
    segments = {header.parent / name for header in headers for name in _segments(_start(header))}
    return [header for header in headers if header not in segments]


def headers(files: Mapping[str, bytes]) -> list[str]:
    """The same of files in memory."""
    found = [name for name in files if Path(name).suffix.lower() == ".hea"]
    segments = {segment for name in found for segment in _segments(files[name][:MAX_HEADER_BYTES])}
    return [name for name in found if name not in segments]


def parts(header: str, files: Mapping[str, bytes]) -> set[str]:
    """Which of these files a record's header asks for, its own and its segments' signal files included."""
    found = {header}
    waiting = [header]
    while waiting:
        named = _first_words(files[waiting.pop()][:MAX_HEADER_BYTES])
        new = {name for stem in named for name in (stem, f"{stem}.hea") if name in files} - found
        found |= new
        waiting += [name for name in new if name.lower().endswith(".hea")]
    return found


def read(path: Path) -> Recording:
    """The record of this header; of its other files no more is loaded than it declares.

    Raises RecordingError; ExtraMissingError where it needs a package that is not installed.
    """
    return _recording(path.name, Folder(path.parent))


def decode(header_name: str, files: Mapping[str, bytes]) -> Recording:
    """The same of files in memory, by their plain names, each of which must be part of the record."""
    uploads = Uploads(files)
    recording = _recording(header_name, uploads)
    if strange := sorted(files.keys() - uploads.asked):
        raise RecordingError(
            "recording.files",
            f"{strange[0][:80]!r} is no part of the record {header_name}",
            "give a record's header and the files that it names, and nothing else",
        )
    return recording


def belongs(path: Path) -> bool:
    """Whether a file is a header or lies beside the header of its name."""
    suffix = path.suffix.lower()
    return suffix == ".hea" or (suffix in _SIGNAL_SUFFIXES and path.with_suffix(".hea").is_file())


def _start(header: Path) -> bytes:
    """As much as a header may have; nothing where it cannot be read."""
    try:
        with header.open("rb") as handle:
            return handle.read(MAX_HEADER_BYTES)
    except OSError:
        return b""


def _first_words(header: bytes) -> set[str]:
    """What the lines below the record line begin with: names of signal files or of segments."""
    lines = [line.split() for line in header.decode("latin-1").split("\n")]
    return {line[0] for line in [line for line in lines if line and not line[0].startswith("#")][1:]}


def _segments(header: bytes) -> list[str]:
    """The headers of a multi-segment record's segments."""
    return [f"{name}.hea" for name in segment_names(header.decode("latin-1"))]


def _recording(name: str, content: Content) -> Recording:
    record = open_record(name, content)
    header, details = record.header, record.details
    sampling_rate, signal = record.sampling_rate, record.read()
    uncalibrated = list(dict.fromkeys(lead for _, lead, line in record.lines if line.gain == 0))
    if uncalibrated:
        words = f"no gain for {', '.join(uncalibrated)}: WFDB's default of {DEFAULT_GAIN:g} assumed"
        details.note("calibration", words)
    details.time = parse_clock(header.clock)
    if header.clock and details.time is None:
        details.note("time", header.clock)
    if header.name.removesuffix(".mat") != Path(name).stem:
        details.note("record name", header.name)
    covered = all(segment.covered for _, segment in record.pieces)
    return Recording(
        signal=signal,
        sampling_rate=sampling_rate,
        leads=record.leads,
        record_id=Path(name).stem,
        source=name,
        calibrated=not uncalibrated,
        unverified=("header",) if covered else ("header", "samples"),
        **details.fields(),
    )
