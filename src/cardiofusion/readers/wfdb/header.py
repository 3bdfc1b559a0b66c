"""The WFDB header's grammar: header(5) of the WFDB Applications Guide.

    record line   name[/segments] signals rate[/counter[(base)]] [samples [time [date]]]
    signal line   file format[xframe][:skew][+offset] [gain[(baseline)][/units] [resolution [zero
                  [initial [checksum [blocksize [description]]]]]]]
    segment line  name samples, in place of signal lines where the record line names a number of segments
    comment line  # anything

Where header(5) would assume 250 Hz we refuse: a rate is never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cardiofusion.records import RecordingError

MAX_SIGNALS = 64
MAX_SEGMENTS = 10_000  # MIMIC-III's longest records join a few thousand
NULL = "~"  # in place of a file or segment: nothing was stored

_NUMBER = r"\d{1,9}(?:\.\d{0,15})?(?:[eE][-+]?\d{1,2})?"
_RECORD = re.compile(
    r"(?P<name>[^\s/]+)(?:/(?P<segments>\d{1,6}))?\s+(?P<signals>\d{1,6})"
    rf"(?:\s+(?P<rate>{_NUMBER})(?:/[-+.\deE()]*)?(?:\s+(?P<samples>\d{{1,12}})(?:\s+(?P<clock>.*))?)?)?",
    re.ASCII,
)
_FORMAT = re.compile(r"(\d{1,4})(?:x(\d{1,6}))?(?::(\d{1,9}))?(?:\+(\d{1,12}))?", re.ASCII)
_GAIN = re.compile(rf"([-+]?{_NUMBER})(?:\(([-+]?\d{{1,10}})\))?(?:/(\S+))?", re.ASCII)
_SEGMENT = re.compile(r"(\S+)\s+(\d{1,12})", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,10}", re.ASCII)
_SEPARATORS = frozenset("/\\:")
_FIELDS = ("gain", "resolution", "zero", "initial", "checksum", "blocksize", "description")


@dataclass(frozen=True)
class SignalLine:
    """One signal: where its samples lie and how they become physical units.

    file: NULL where there are no samples. frame: samples in a frame. skew: frames by which it lags the
    others. offset: bytes before the first sample (samples in FLAC). gain: ADC units a physical unit, 0 where
    the signal is not calibrated. zero: the ADC's own. initial, checksum: None where not given.
    """

    file: str
    format: int
    frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    units: str
    zero: int
    initial: int | None
    checksum: int | None
    description: str


@dataclass(frozen=True)
class SegmentLine:
    """One segment of a record. name: of its own header, NULL for a gap. samples: 0 for a layout."""

    name: str
    samples: int


@dataclass(frozen=True)
class Header:
    """A parsed header. It has either signals or segments.

    rate: frames a second, 0 where not declared. samples: frames, 0 where not declared. clock: date and time
    as written. n_signals: as declared, of each segment or of their layout.
    """

    name: str
    rate: float
    samples: int
    clock: str
    n_signals: int
    signals: tuple[SignalLine, ...]
    segments: tuple[SegmentLine, ...]
    comments: tuple[str, ...]


def parse_header(text: str, source: str) -> Header:
    """The header's text as a Header. `source`: its file name, for messages.

    Raises RecordingError ("recording.header", "recording.path") on anything that does not follow the grammar
    or contradicts itself.
    """
    lines, comments = _split(text)
    record = _record_line(lines, source)
    samples, n_signals = int(record["samples"] or 0), int(record["signals"])
    n_segments = record["segments"]
    declared, most = (int(n_segments), MAX_SEGMENTS) if n_segments else (n_signals, MAX_SIGNALS)
    if not 1 <= declared <= most or len(lines) - 1 != declared:
        what = "segments" if n_segments else "signals"
        raise _wrong(source, f"declares {declared} {what} (at most {most}) and describes {len(lines) - 1}")
    return Header(
        name=record["name"],
        rate=float(record["rate"] or 0),
        samples=samples,
        clock=record["clock"] or "",
        n_signals=n_signals,
        signals=() if n_segments else tuple(_signal_line(line, source, samples) for line in lines[1:]),
        segments=tuple(_segment_line(line, source) for line in lines[1:]) if n_segments else (),
        comments=tuple(comments),
    )


def segment_names(text: str) -> list[str]:
    """The segments that a multi-segment header joins; none for an ordinary or unreadable one."""
    lines, _ = _split(text)
    match = _RECORD.fullmatch(lines[0]) if lines else None
    if match is None or not match["segments"]:
        return []
    return [line.split()[0] for line in lines[1:]]


def _split(text: str) -> tuple[list[str], list[str]]:
    """(lines, comments), stripped, without blank ones."""
    lines = [line.strip() for line in text.split("\n")]
    comments = [line[1:].strip() for line in lines if line.startswith("#")]
    return [line for line in lines if line and not line.startswith("#")], comments


def _record_line(lines: list[str], source: str) -> re.Match[str]:
    match = _RECORD.fullmatch(lines[0]) if lines else None
    if match is None:
        raise _wrong(source, f"begins with {lines[0][:60]!r}, no record line" if lines else "is empty")
    return match


def _segment_line(line: str, source: str) -> SegmentLine:
    match = _SEGMENT.fullmatch(line)
    if match is None:
        raise _wrong(source, f"has {line[:60]!r}, no segment line")
    name = match[1] if match[1] == NULL else _file_name(match[1], source)
    return SegmentLine(name, int(match[2]))


def _signal_line(line: str, source: str, samples: int) -> SignalLine:
    tokens = line.split(None, 8)
    layout = _FORMAT.fullmatch(tokens[1]) if len(tokens) > 1 else None
    if layout is None:
        raise _wrong(source, f"has {line[:60]!r}, no signal line")
    if int(layout[2] or 1) == 0:
        raise _wrong(source, "has a signal without samples in its frames")
    fields = dict(zip(_FIELDS, tokens[2:], strict=False))
    numbers = {name: _integer(fields.get(name), source) for name in _FIELDS[1:-1]}
    gain, baseline, units = _gain(fields.get("gain"), source)
    checksum = numbers["checksum"]
    if checksum is not None and not -(1 << 15) <= checksum < 1 << 16:
        raise _wrong(source, f"has a checksum of {checksum}, more than 16 bits")
    if not samples and not checksum:
        checksum = None  # holds the place: where no length is declared there is none
    sample_format = int(layout[1])
    return SignalLine(
        file=_file_name(tokens[0], source) if sample_format else NULL,
        format=sample_format,
        frame=int(layout[2] or 1),
        skew=int(layout[3] or 0),
        offset=int(layout[4] or 0),
        gain=gain,
        baseline=baseline if baseline is not None else numbers["zero"] or 0,
        units=units,
        zero=numbers["zero"] or 0,
        initial=numbers["initial"],
        checksum=checksum,
        description=fields.get("description", ""),
    )


def _gain(text: str | None, source: str) -> tuple[float, int | None, str]:
    """(gain, baseline or None, units): 0 and mV where the header leaves them out."""
    if text is None:
        return 0.0, None, "mV"
    match = _GAIN.fullmatch(text)
    if match is None:
        raise _wrong(source, f"has {text[:60]!r} for a gain")
    return float(match[1]), _integer(match[2], source), match[3] or "mV"


def _integer(text: str | None, source: str) -> int | None:
    if text is None:
        return None
    if not _INTEGER.fullmatch(text):
        raise _wrong(source, f"has {text[:60]!r} where a whole number belongs")
    return int(text)


def _file_name(name: str, source: str) -> str:
    """A plain name beside the header: a path could point at any file of this machine ("-" is stdin)."""
    if name in {".", "..", "-", NULL} or not _SEPARATORS.isdisjoint(name):
        raise RecordingError(
            "recording.path",
            f"{source} names the file {name[:60]!r}",
            "the files of a record stand beside its header, under plain names",
        )
    return name


def _wrong(source: str, what: str) -> RecordingError:
    return RecordingError(
        "recording.header", f"{source} {what}", "the header does not follow WFDB's header(5)"
    )
