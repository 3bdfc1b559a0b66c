"""A WFDB record as a Recording: header parsed, samples verified, ADC units turned into mV."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.details import Details
from cardiofusion.readers.wfdb.comments import parse_clock, parse_comments
from cardiofusion.readers.wfdb.header import Header, SignalLine, parse_header, segment_names
from cardiofusion.readers.wfdb.samples import SignalFile, covered_by_checksum, missing_marker
from cardiofusion.records import LEADS, Recording, RecordingError, lead_name

MAX_HEADER_BYTES = 1 << 18
MAX_SAMPLES = 1 << 27  # of all leads together: 24 hours of 3 leads at 500 Hz
MIN_GAIN, MAX_GAIN = 1e-3, 1e9  # ADC units a mV
DEFAULT_GAIN = 200.0  # what header(5) lets one assume for a signal that is not calibrated

FILES = ".hea beside its .dat or .mat"
_SIGNAL_SUFFIXES = frozenset({".dat", ".mat"})
_UNITS = {"mv": 1.0, "uv": 1e3, "μv": 1e3, "v": 1e-3}  # units a mV; casefold turns either µ into μ
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


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
    segments = {segment for header in headers for segment in _segments(header)}
    return [header for header in headers if header not in segments]


def read(path: Path) -> Recording:
    """The record of this header. Raises RecordingError."""
    header = parse_header(_header_text(path), path.name)
    comments = parse_comments(header.comments)
    kept = _ecg_lines(header, comments)
    signal = _signal(path, header, tuple(kept.values()), comments)
    uncalibrated = [lead for lead, line in kept.items() if line.gain == 0]
    if uncalibrated:
        words = f"no gain for {', '.join(uncalibrated)}: WFDB's default of {DEFAULT_GAIN:g} assumed"
        comments.note("calibration", words)
    comments.time = parse_clock(header.clock)
    if header.clock and comments.time is None:
        comments.note("time", header.clock)
    if header.name.removesuffix(".mat") != path.stem:
        comments.note("record name", header.name)
    covered = all(covered_by_checksum(line) for line in header.signals)
    return Recording(
        signal=signal,
        sampling_rate=header.rate,
        leads=tuple(kept),
        record_id=path.stem,
        source=path.name,
        calibrated=not uncalibrated,
        unverified=("header",) if covered else ("header", "samples"),
        **comments.fields(),
    )


def belongs(path: Path) -> bool:
    """Whether a file is a header or lies beside the header of its name."""
    suffix = path.suffix.lower()
    return suffix == ".hea" or (suffix in _SIGNAL_SUFFIXES and path.with_suffix(".hea").is_file())


def _segments(header: Path) -> list[Path]:
    """The headers of a multi-segment record's segments; none where `header` cannot be read."""
    try:
        with header.open("rb") as handle:
            text = handle.read(MAX_HEADER_BYTES).decode("latin-1")
    except OSError:
        return []
    return [header.parent / f"{name}.hea" for name in segment_names(text)]


def _header_text(path: Path) -> str:
    if path.stat().st_size > MAX_HEADER_BYTES:
        raise RecordingError(
            "recording.header",
            f"{path.name} is larger than {MAX_HEADER_BYTES} bytes",
            "this is no WFDB header",
        )
    content = path.read_bytes()
    if _CONTROL.search(content):
        raise RecordingError("recording.header", f"{path.name} is not text", "this is no WFDB header")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # older records; it decodes anything, the grammar judges


def _ecg_lines(header: Header, comments: Details) -> dict[str, SignalLine]:
    """Lead -> its line. Channels in other units (pressure, breathing) are left out, and noted."""
    kept: dict[str, SignalLine] = {}
    for line in header.signals:
        if line.units.casefold() not in _UNITS:
            comments.note("skipped", f"{line.description or 'a channel'} in {line.units}")
            continue
        lead = lead_name(line.description)
        if lead is None or lead in kept:
            what = (
                f"the lead {line.description[:40]!r}" if line.description else "a signal without a lead name"
            )
            raise RecordingError(
                "recording.lead",
                f"{header.name} has {what}{' twice' if lead else ''}",
                f"each lead once, by its standard name: {', '.join(LEADS)}, MLII, X, Y, Z, V7 ...",
            )
        kept[lead] = line
    if not kept:
        raise RecordingError(
            "recording.units", f"{header.name} has no signal in mV, uV or V", "this record holds no ECG"
        )
    return kept


def _signal(
    path: Path, header: Header, kept: tuple[SignalLine, ...], comments: Details
) -> NDArray[np.float32]:
    """[lead, sample] in mV of the lines kept; every signal of the record is verified."""
    files = _signal_files(path.parent, header)
    samples = header.samples or min(file.frames for file in files)
    _check_length(path.name, samples, header)
    contents = [file.read(samples) for file in files]  # before any memory is taken for what is declared
    signal = np.empty((len(kept), samples), dtype=np.float32)
    row = {line: position for position, line in enumerate(kept)}
    for file, content in zip(files, contents, strict=True):
        for line, stored in zip(file.lines, content, strict=True):
            _verify(line, stored)
            if line in row:
                signal[row[line]] = _millivolts(line, stored)
        if file.trailing(samples):
            comments.note(
                "trailing bytes", f"{file.trailing(samples)} after the last sample in {file.path.name}"
            )
    return signal


def _signal_files(folder: Path, header: Header) -> list[SignalFile]:
    names = dict.fromkeys(line.file for line in header.signals)
    groups = [tuple(line for line in header.signals if line.file == name) for name in names]
    return [SignalFile.beside(folder, lines) for lines in groups]


def _check_length(source: str, samples: int, header: Header) -> None:
    if samples == 0:
        raise RecordingError("recording.empty", f"{source} holds no samples", "copy it again from its source")
    if samples * len(header.signals) > MAX_SAMPLES:
        raise RecordingError(
            "recording.size",
            f"{source} declares {samples} samples of {len(header.signals)} signals",
            f"at most {MAX_SAMPLES} in all are read; cut out the part you need",
        )
    if max(line.skew for line in header.signals) >= samples:
        raise RecordingError(
            "recording.header", f"{source} skews a signal by more than its length", "correct the header"
        )


def _verify(line: SignalLine, stored: NDArray[np.integer]) -> None:
    """The header's checksum (16-bit sum of the ADC values) and first value against the samples stored."""
    name = f"{line.description} in {line.file}"
    total = int(stored.sum(dtype=np.int64))
    if line.checksum is not None and (total - line.checksum) & 0xFFFF:
        raise RecordingError(
            "recording.checksum",
            f"the samples of {name} do not add up to their checksum",
            "the file was changed or damaged, or is not this header's; copy both again from their source",
        )
    if line.initial is not None and int(stored[0]) != line.initial:
        raise RecordingError(
            "recording.initial_value",
            f"{name} begins with {int(stored[0])}, its header says {line.initial}",
            "header and signal file do not belong together; copy both again from their source",
        )


def _millivolts(line: SignalLine, stored: NDArray[np.integer]) -> NDArray[np.float64]:
    """[sample] in mV, skew undone, NaN where a sample is missing."""
    gain = (line.gain or DEFAULT_GAIN) * _UNITS[line.units.casefold()]
    if not MIN_GAIN <= gain <= MAX_GAIN:
        raise RecordingError(
            "recording.gain",
            f"{line.description} in {line.file} has a gain of {line.gain:g}/{line.units}",
            f"a gain is {MIN_GAIN:g} to {MAX_GAIN:g} ADC units a mV; correct the header",
        )
    physical = (stored.astype(np.float64) - line.baseline) / gain
    physical[stored == missing_marker(line.format)] = np.nan
    aligned = np.full_like(physical, np.nan)
    aligned[: len(physical) - line.skew] = physical[line.skew :]
    return aligned
