"""A WFDB record as segments on one time line: an ordinary record is one, others join several (header(5)).

Fixed layout: every segment has the same leads. Variable layout: the first segment, of length 0, lists the
leads, and each of the others has some of them. What no segment holds is a gap of NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.details import Details
from cardiofusion.readers.format import MAX_RATE, MIN_RATE
from cardiofusion.readers.wfdb.comments import parse_comments
from cardiofusion.readers.wfdb.content import Content
from cardiofusion.readers.wfdb.header import NULL, Header, SegmentLine, SignalLine
from cardiofusion.readers.wfdb.samples import MAX_SAMPLES
from cardiofusion.readers.wfdb.segment import Segment, ecg_lines, open_segment, read_header
from cardiofusion.records import RecordingError

MAX_GAP = 1 << 24  # samples of all leads that no segment holds, unless the segments hold more

_HINT = "read its segments one by one, or fetch the record again from its source"


@dataclass(frozen=True)
class Record:
    """A record whose lengths have been checked, ready to be read.

    leads: in their order. frames: of all segments and gaps. pieces: (first frame, segment).
    """

    name: str
    header: Header
    leads: tuple[str, ...]
    frames: int
    pieces: tuple[tuple[int, Segment], ...]
    details: Details

    @property
    def lines(self) -> Iterator[tuple[Segment, str, SignalLine]]:
        """(segment, lead, line) of all that have samples."""
        for _, segment in self.pieces:
            for lead, line in segment.leads.items():
                if lead in self.leads and line.file != NULL:
                    yield segment, lead, line

    @property
    def frame(self) -> int:
        """Samples of each lead in a frame. Raises RecordingError where they are not the same for all."""
        numbers = {line.frame for _, _, line in self.lines}
        if len(numbers) > 1:
            raise RecordingError(
                "recording.frames",
                f"{self.name} has leads of {', '.join(map(str, sorted(numbers)))} samples a frame",
                "leads of different rates are not supported; resample the record to one rate first",
            )
        return numbers.pop()

    @property
    def sampling_rate(self) -> float:
        """Hz, of the leads. Raises RecordingError where it is not given, or no rate of an ECG."""
        rate = self.header.rate * self.frame
        if not MIN_RATE <= rate <= MAX_RATE:
            given = f"a sampling rate of {rate:g} Hz" if self.header.rate else "no sampling rate"
            raise RecordingError(
                "recording.rate",
                f"{self.name} gives {given}",
                f"an ECG's rate is {MIN_RATE:g} to {MAX_RATE:g} Hz; correct the header's first line",
            )
        return rate

    def read(self) -> NDArray[np.float32]:
        """[lead, sample] in mV, every signal verified. Raises RecordingError."""
        frame = self.frame
        signal = np.full((len(self.leads), self.frames * frame), np.nan, dtype=np.float32)
        for start, segment in self.pieces:
            part = signal[:, start * frame : (start + segment.frames) * frame]
            segment.read(dict(zip(self.leads, part, strict=True)), self.details)
        return signal


def open_record(name: str, content: Content) -> Record:
    """The record whose header is the file `name`. Raises RecordingError."""
    header = read_header(name, content)
    details = parse_comments(header.comments)
    if header.segments:
        return _joined(name, header, content, details)
    segment = open_segment(name, header, content, details)
    return _checked(Record(name, header, tuple(segment.leads), segment.frames, ((0, segment),), details))


def _joined(name: str, header: Header, content: Content, details: Details) -> Record:
    layout = header.segments[0] if header.segments[0].samples == 0 else None
    following = header.segments[1:] if layout else header.segments
    frames = _length(name, header, following)
    pieces = tuple(_opened(name, header, following, content, details))
    if layout:
        leads = tuple(ecg_lines(_layout(name, header, layout, content), details))
        for lead in dict.fromkeys(lead for _, segment in pieces for lead in segment.leads):
            details.note("skipped", "" if lead in leads else f"{lead} is not in the layout")
    else:
        leads = _common_leads(name, header, pieces)
    if len(pieces) < len(following):
        details.note("gaps", f"{len(following) - len(pieces)} of {len(following)} segments are empty")
    return _checked(Record(name, header, leads, frames, pieces, details))


def _length(name: str, header: Header, lines: Sequence[SegmentLine]) -> int:
    """Frames in all. Raises RecordingError where that is not as declared, or a segment comes twice."""
    frames = sum(line.samples for line in lines)
    if header.samples not in (0, frames):
        raise _wrong(name, f"declares {header.samples} samples, its segments {frames} in all")
    names = [line.name for line in lines if line.name != NULL]
    if len(set(names)) < len(names):
        raise _wrong(name, "has a segment twice")
    return frames


def _opened(
    name: str, header: Header, lines: Sequence[SegmentLine], content: Content, details: Details
) -> Iterator[tuple[int, Segment]]:
    """(first frame, segment) of all that are no gaps."""
    start = 0
    for line in lines:
        if line.samples == 0:
            raise _wrong(name, f"has a segment {line.name!r} without samples")
        if line.name != NULL:
            inner = _segment_header(name, header, line, content)
            yield start, open_segment(f"{line.name}.hea", inner, content, details, line.samples)
        start += line.samples


def _segment_header(name: str, header: Header, line: SegmentLine, content: Content) -> Header:
    """The header of a segment. Raises RecordingError where it contradicts the record's."""
    inner = read_header(f"{line.name}.hea", content)
    if inner.segments:
        raise _wrong(name, f"has a segment {line.name!r} that has segments itself")
    if inner.samples not in (0, line.samples):
        raise _wrong(name, f"declares {line.samples} samples of {line.name}, which declares {inner.samples}")
    if inner.rate != header.rate:
        raise _wrong(name, f"is at {header.rate:g} Hz, its segment {line.name} at {inner.rate:g} Hz")
    return inner


def _layout(name: str, header: Header, line: SegmentLine, content: Content) -> Header:
    if line.name == NULL:
        raise _wrong(name, "begins with an empty segment")
    layout = _segment_header(name, header, line, content)
    if len(layout.signals) != header.n_signals:
        raise _wrong(name, f"declares {header.n_signals} signals, its layout {len(layout.signals)}")
    return layout


def _common_leads(name: str, header: Header, pieces: tuple[tuple[int, Segment], ...]) -> tuple[str, ...]:
    """Of a fixed layout. Raises RecordingError where segments differ in them."""
    arrangements = {tuple(segment.leads) for _, segment in pieces}
    if len(arrangements) > 1 or any(segment.n_signals != header.n_signals for _, segment in pieces):
        raise _wrong(name, "joins segments of different leads without a layout segment")
    return arrangements.pop() if arrangements else ()


def _checked(record: Record) -> Record:
    """The record with the leads that have samples. Raises RecordingError where that is too little."""
    if record.pieces and not record.leads:
        raise RecordingError(
            "recording.units", f"{record.name} has no signal in mV, uV or V", "this record holds no ECG"
        )
    stored = {lead for _, lead, _ in record.lines}
    for lead in record.leads:
        record.details.note("skipped", "" if lead in stored else f"{lead} has no samples")
    leads = tuple(lead for lead in record.leads if lead in stored)
    if not leads:
        raise RecordingError(
            "recording.empty", f"{record.name} holds no samples of an ECG", "copy it again from its source"
        )
    record = replace(record, leads=leads)
    held = sum(segment.frames for segment, _, _ in record.lines) * record.frame
    total = len(leads) * record.frames * record.frame
    if total > MAX_SAMPLES or total - held > max(MAX_GAP, held):
        raise RecordingError(
            "recording.size",
            f"{record.name} declares {total} samples of {len(leads)} leads, of which {held} are there",
            f"at most {MAX_SAMPLES} in all are read, and gaps no longer than what is there; cut out a part",
        )
    return record


def _wrong(name: str, what: str) -> RecordingError:
    return RecordingError("recording.segments", f"{name} {what}", _HINT)
