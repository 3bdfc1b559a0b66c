"""The WFDB header's grammar: header(5) of the WFDB Applications Guide.

    record line   name[/segments] signals rate[/counter[(base)]] [samples [time [date]]]
    signal line   file format[xframe][:skew][+offset] [gain[(baseline)][/units] [resolution [zero
                  [initial [checksum [blocksize [description]]]]]]]
    comment line  # anything

Where header(5) would assume 250 Hz we refuse: a rate is never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath

from cardiofusion.readers.format import MAX_RATE, MIN_RATE
from cardiofusion.records import RecordingError

MAX_SIGNALS = 64

_NUMBER = r"\d{1,9}(?:\.\d{0,15})?(?:[eE][-+]?\d{1,2})?"
_RECORD = re.compile(
    r"(?P<name>[^\s/]+)(?:/(?P<segments>\d{1,6}))?\s+(?P<signals>\d{1,6})"
    rf"(?:\s+(?P<rate>{_NUMBER})(?:/[-+.\deE()]*)?(?:\s+(?P<samples>\d{{1,12}})(?:\s+(?P<clock>.*))?)?)?",
    re.ASCII,
)
_FORMAT = re.compile(r"(\d{1,4})(?:x(\d{1,6}))?(?::(\d{1,9}))?(?:\+(\d{1,12}))?", re.ASCII)
_GAIN = re.compile(rf"({_NUMBER})(?:\(([-+]?\d{{1,10}})\))?(?:/(\S+))?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,10}", re.ASCII)
_FIELDS = ("gain", "resolution", "zero", "initial", "checksum", "blocksize", "description")


@dataclass(frozen=True)
class SignalLine:
    """One signal: where its samples lie and how they become physical units.

    offset: bytes before the first sample. skew: samples by which it lags the others. gain: ADC units a
    physical unit, 0 where the signal is not calibrated. initial, checksum: None where not given.
    """

    file: str
    format: int
    skew: int
    offset: int
    gain: float
    baseline: int
    units: str
    initial: int | None
    checksum: int | None
    description: str


@dataclass(frozen=True)
class Header:
    """A parsed header of a one-segment record.

    rate: Hz. samples: of each signal, 0 where not declared. clock: date and time as written.
    """

    name: str
    rate: float
    samples: int
    clock: str
    signals: tuple[SignalLine, ...]
    comments: tuple[str, ...]


def parse_header(text: str, source: str) -> Header:
    """The header's text as a Header. `source`: its file name, for messages.

    Raises RecordingError ("recording.header", "recording.rate", "recording.segments") on anything that
    does not follow the grammar or contradicts itself.
    """
    lines, comments = _split(text)
    record = _record_line(lines, source)
    if record["segments"]:
        names = ", ".join(line.split()[0] for line in lines[1:4])
        raise RecordingError(
            "recording.segments",
            f"{source} joins several segments, which is not supported yet",
            f"read its segments one by one: {names} ..." if names else "read its segments one by one",
        )
    n_signals = int(record["signals"])
    if not 1 <= n_signals <= MAX_SIGNALS or len(lines) - 1 != n_signals:
        raise _wrong(source, f"declares {n_signals} signals and describes {len(lines) - 1}")
    return Header(
        name=record["name"],
        rate=_rate(record["rate"], source),
        samples=int(record["samples"] or 0),
        clock=record["clock"] or "",
        signals=tuple(_signal_line(line, source) for line in lines[1:]),
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


def _rate(text: str | None, source: str) -> float:
    rate = float(text) if text else 0.0
    if not MIN_RATE <= rate <= MAX_RATE:
        given = f"a sampling rate of {rate:g} Hz" if text else "no sampling rate"
        raise RecordingError(
            "recording.rate",
            f"{source} gives {given}",
            f"an ECG's rate is {MIN_RATE:g} to {MAX_RATE:g} Hz; correct the header's first line",
        )
    return rate


def _signal_line(line: str, source: str) -> SignalLine:
    tokens = line.split(None, 8)
    layout = _FORMAT.fullmatch(tokens[1]) if len(tokens) > 1 else None
    if layout is None:
        raise _wrong(source, f"has {line[:60]!r}, no signal line")
    if int(layout[2] or 1) != 1:
        raise RecordingError(
            "recording.frames",
            f"{source} stores {layout[2]} samples of a signal in each frame",
            "leads of different rates are not supported; resample the record to one rate first",
        )
    fields = dict(zip(_FIELDS, tokens[2:], strict=False))
    numbers = {name: _integer(fields.get(name), source) for name in _FIELDS[1:-1]}
    gain, baseline, units = _gain(fields.get("gain"), source)
    checksum = numbers["checksum"]
    if checksum is not None and not -(1 << 15) <= checksum < 1 << 16:
        raise _wrong(source, f"has a checksum of {checksum}, more than 16 bits")
    return SignalLine(
        file=_file_name(tokens[0], source),
        format=int(layout[1]),
        skew=int(layout[3] or 0),
        offset=int(layout[4] or 0),
        gain=gain,
        baseline=baseline if baseline is not None else numbers["zero"] or 0,
        units=units,
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
    plain = PurePath(name).name == name and PureWindowsPath(name).name == name
    if not plain or name in {".", "..", "-", "~"}:
        raise RecordingError(
            "recording.path",
            f"{source} names the signal file {name[:60]!r}",
            "a signal file stands beside its header, under a plain name",
        )
    return name


def _wrong(source: str, what: str) -> RecordingError:
    return RecordingError(
        "recording.header", f"{source} {what}", "the header does not follow WFDB's header(5)"
    )
