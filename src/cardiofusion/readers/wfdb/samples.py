"""A signal file: how much it holds, and the samples of the signals that take turns in it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.format import MAX_FILE_BYTES
from cardiofusion.readers.wfdb import flac, formats
from cardiofusion.readers.wfdb.content import Content
from cardiofusion.readers.wfdb.header import SignalLine
from cardiofusion.records import RecordingError

MAX_SAMPLES = 1 << 27  # of all signals together: 24 hours of 3 leads at 500 Hz

# MATLAB v4's type word (little-endian, full matrix) for the formats that wfdb2mat writes.
_MATLAB_TYPES = {16: 30, 32: 20, 80: 50}
_MATLAB_HEADER = struct.Struct("<5i")  # type, rows, columns, imaginary, length of the name
_CHUNK = 1 << 18  # samples
_ALIGNED = 6  # frames, whatever their width, end with a whole block of two or three samples
_PADDING = 3  # bytes that may follow the last sample


@dataclass(frozen=True)
class SignalFile:
    """A signal file and the signals in it. size: bytes. stream: of a FLAC file."""

    content: Content
    lines: tuple[SignalLine, ...]
    size: int
    stream: flac.Stream | None = None

    @classmethod
    def open(cls, content: Content, lines: tuple[SignalLine, ...]) -> SignalFile:
        """The file that these lines of a header name. Raises RecordingError where it cannot be used."""
        name, sample_format = lines[0].file, lines[0].format
        size = content.size(name)
        if size is None:
            raise RecordingError(
                "recording.missing",
                f"the signal file {name!r} is missing",
                "a WFDB record is a header and its signal files, side by side",
            )
        if len({(line.format, line.offset) for line in lines}) > 1:
            raise RecordingError(
                "recording.header",
                f"the signals in {name} differ in format or byte offset",
                "signals that share a file share both",
            )
        if sample_format not in formats.FORMATS:
            raise RecordingError(
                "recording.encoding",
                f"{name} is in WFDB format {sample_format}",
                f"we read {', '.join(map(str, sorted(formats.FORMATS)))}; convert it with WFDB's xform",
            )
        stream = _stream(content, lines, size) if sample_format in formats.FLAC else None
        return cls(content, lines, size, stream)

    @property
    def name(self) -> str:
        return self.lines[0].file

    @property
    def width(self) -> int:
        """Samples in a frame, of all signals."""
        return sum(line.frame for line in self.lines)

    @property
    def frames(self) -> int:
        """As many as the file can hold."""
        if self.stream is not None:
            return max(self.stream.samples - self.lines[0].offset, 0) // self.lines[0].frame
        payload = max(self.size - self.lines[0].offset, 0)
        return formats.n_samples(self.lines[0].format, payload) // self.width

    @property
    def covered(self) -> bool:
        """Whether any one changed byte of the samples shows in a checksum."""
        if self.stream is not None:
            return self.stream.md5 is not None
        neighbours_differ = len(self.lines) > 1 and self.width == len(self.lines)
        shows = formats.any_byte_shows(self.lines[0].format, neighbours_differ)
        return shows and all(line.checksum is not None for line in self.lines)

    def trailing(self, frames: int) -> str:
        """What comes after the last of `frames`, in words; "" where there is nothing but padding."""
        line = self.lines[0]
        if self.stream is not None:
            over, unit, padding = self.stream.samples - line.offset - frames * line.frame, "samples", 0
        else:
            over, unit, padding = self.size - line.offset - self._bytes(frames), "bytes", _PADDING
        return f"{over} {unit} after the last sample in {self.name}" if over > padding else ""

    def check(self, frames: int) -> None:
        """Raise RecordingError where the file holds fewer."""
        if frames > self.frames:
            raise RecordingError(
                "recording.truncated",
                f"{self.name} holds {self.frames} samples a lead, its header declares {frames}",
                "the file was cut short; copy it again from its source",
            )

    def read(self, frames: int) -> Iterator[list[NDArray[np.integer]]]:
        """The ADC values of each signal, a chunk at a time, so that what is computed stays small.

        Raises RecordingError.
        """
        self.check(frames)
        if self.stream is not None:
            yield from self._flac(self.stream, frames)
            return
        if self.name.lower().endswith(".mat"):
            self._check_matlab(frames)
        raw = self.content.read(self.name, self.lines[0].offset, self._bytes(frames))
        if len(raw) < self._bytes(frames):  # cut short since its size was taken
            raise RecordingError("recording.truncated", f"{self.name} was cut short", "copy it again")
        step = max(_CHUNK // self.width // _ALIGNED, 1) * _ALIGNED
        chunks = (self._chunk(raw, start, min(start + step, frames)) for start in range(0, frames, step))
        yield from _summed(self.lines, chunks) if self.lines[0].format == formats.DIFFERENCES else chunks

    def _flac(self, stream: flac.Stream, frames: int) -> Iterator[list[NDArray[np.integer]]]:
        """All of the file is decoded, for its MD5, and what the header declares is returned."""
        content = self.content.read(self.name, 0, self.size).tobytes()
        skip, left = self.lines[0].offset, frames * self.lines[0].frame
        for block in flac.decode(content, stream, self.name):
            kept = block[skip : skip + left]
            skip, left = max(skip - len(block), 0), left - len(kept)
            if len(kept):
                yield list(np.ascontiguousarray(kept.T))

    def _chunk(self, raw: NDArray[np.uint8], start: int, end: int) -> list[NDArray[np.integer]]:
        """The frames from `start`, which begins on a whole byte, to `end`."""
        part = raw[self._bytes(start) : self._bytes(end)]
        samples = formats.decode(part, self.lines[0].format, (end - start) * self.width)
        table = samples.reshape(end - start, self.width)
        ends = accumulate(line.frame for line in self.lines)
        return [
            table[:, last - line.frame : last].ravel() for line, last in zip(self.lines, ends, strict=True)
        ]

    def _bytes(self, frames: int) -> int:
        return formats.n_bytes(self.lines[0].format, frames * self.width)

    def _check_matlab(self, frames: int) -> None:
        """A MATLAB v4 file says itself what it holds: a header that contradicts it is not trusted."""
        line, shape = self.lines[0], f"{self.width} x {frames}"
        start = self.content.read(self.name, 0, _MATLAB_HEADER.size).tobytes()
        words = _MATLAB_HEADER.unpack(start) if len(start) == _MATLAB_HEADER.size else (-1,) * 5
        expected = (_MATLAB_TYPES.get(line.format), self.width, frames, 0, line.offset - len(start))
        if words != expected:
            raise RecordingError(
                "recording.matlab",
                f"{self.name} is not the MATLAB v4 matrix of {shape} that its header declares",
                "write it with WFDB's wfdb2mat, or check that header and file belong together",
            )


def _stream(content: Content, lines: tuple[SignalLine, ...], size: int) -> flac.Stream:
    """What the FLAC file of these lines says of itself. Raises RecordingError where they contradict it."""
    name = lines[0].file
    if size > MAX_FILE_BYTES:
        raise RecordingError(
            "recording.size", f"{name} has {size:,} bytes", f"at most {MAX_FILE_BYTES:,} are read"
        )
    most = min(MAX_SAMPLES, flac.MAX_EXPANSION * size)
    stream = flac.parse_stream(content.read(name, 0, flac.HEAD.size).tobytes(), name, most)
    frames = {line.frame for line in lines}
    if stream.channels != len(lines) or stream.bits > formats.bits(lines[0].format) or len(frames) > 1:
        raise RecordingError(
            "recording.header",
            f"{name} holds {stream.channels} signals of {stream.bits} bits, its header says otherwise",
            "header and signal file do not belong together; copy both again from their source",
        )
    return stream


def _summed(
    lines: tuple[SignalLine, ...], chunks: Iterable[list[NDArray[np.integer]]]
) -> Iterator[list[NDArray[np.integer]]]:
    """Values from first differences, the first of which is to the header's initial value."""
    last = [line.zero if line.initial is None else line.initial for line in lines]
    for differences in chunks:
        values = [
            start + np.cumsum(steps, dtype=np.int64) for start, steps in zip(last, differences, strict=True)
        ]
        last = [int(signal[-1]) for signal in values]
        yield list(values)
