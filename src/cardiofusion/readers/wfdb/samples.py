"""The WFDB signal files: signal(5) of the WFDB Applications Guide.

Samples of the signals that share a file take turns. The formats we read:

    16    two bytes, little-endian           24, 32  three and four bytes, little-endian
    212   two samples in three bytes         80      one byte, offset by 128
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.wfdb.header import SignalLine
from cardiofusion.records import RecordingError

_BITS = {16: 16, 24: 24, 32: 32, 80: 8, 212: 12}
# MATLAB v4's type word (little-endian, full matrix) for the formats that wfdb2mat writes.
_MATLAB_TYPES = {16: 30, 32: 20, 80: 50}
_MATLAB_HEADER = struct.Struct("<5i")  # type, rows, columns, imaginary, length of the name


def missing_marker(sample_format: int) -> int:
    """The ADC value that marks a missing sample: the most negative one."""
    return -(1 << (_BITS[sample_format] - 1))


def covered_by_checksum(line: SignalLine) -> bool:
    """Whether any one changed byte shows in the 16-bit checksum: not so for a third or fourth byte."""
    return line.checksum is not None and _BITS[line.format] <= 16


@dataclass(frozen=True)
class SignalFile:
    """A signal file and the signals that take turns in it. size: bytes."""

    path: Path
    lines: tuple[SignalLine, ...]
    size: int

    @classmethod
    def beside(cls, folder: Path, lines: tuple[SignalLine, ...]) -> SignalFile:
        """The file that these lines of a header name. Raises RecordingError where it cannot be used."""
        path = folder / lines[0].file
        if not path.is_file():
            raise RecordingError(
                "recording.missing",
                f"the signal file {path.name!r} is missing",
                "a WFDB record is a header and its signal files, side by side",
            )
        if len({(line.format, line.offset) for line in lines}) > 1:
            raise RecordingError(
                "recording.header",
                f"the signals in {path.name} differ in format or byte offset",
                "signals that share a file share both",
            )
        if lines[0].format not in _BITS:
            raise RecordingError(
                "recording.encoding",
                f"{path.name} is in WFDB format {lines[0].format}",
                f"we read formats {', '.join(map(str, sorted(_BITS)))}; convert it with WFDB's xform",
            )
        return cls(path, lines, path.stat().st_size)

    @property
    def frames(self) -> int:
        """Samples of each signal that the file's size allows."""
        payload = max(self.size - self.lines[0].offset, 0)
        return payload * 8 // _BITS[self.lines[0].format] // len(self.lines)

    def trailing(self, frames: int) -> int:
        """Bytes after the last of `frames` samples that no padding explains."""
        used = self.lines[0].offset + self._bytes(frames)
        return self.size - used if self.size - used > 3 else 0

    def read(self, frames: int) -> NDArray[np.integer]:
        """ADC values [signal, sample]. Raises RecordingError where the file is shorter."""
        if frames > self.frames:
            raise self._truncated(frames)
        with self.path.open("rb") as handle:
            if self.path.suffix.lower() == ".mat":
                self._check_matlab(handle.read(_MATLAB_HEADER.size), frames)
            handle.seek(self.lines[0].offset)
            raw = np.fromfile(handle, dtype=np.uint8, count=self._bytes(frames))
        if len(raw) < self._bytes(frames):  # cut short since its size was taken
            raise self._truncated(frames)
        flat = _decode(raw, self.lines[0].format, frames * len(self.lines))
        return flat.reshape(frames, len(self.lines)).T

    def _truncated(self, frames: int) -> RecordingError:
        return RecordingError(
            "recording.truncated",
            f"{self.path.name} holds {self.frames} samples a lead, its header declares {frames}",
            "the file was cut short; copy it again from its source",
        )

    def _bytes(self, frames: int) -> int:
        return (frames * len(self.lines) * _BITS[self.lines[0].format] + 7) // 8

    def _check_matlab(self, start: bytes, frames: int) -> None:
        """A MATLAB v4 file says itself what it holds: a header that contradicts it is not trusted."""
        line = self.lines[0]
        words = _MATLAB_HEADER.unpack(start) if len(start) == _MATLAB_HEADER.size else (-1,) * 5
        expected = (_MATLAB_TYPES.get(line.format), len(self.lines), frames, 0, line.offset - len(start))
        if words != expected:
            shape = f"{len(self.lines)} x {frames}"
            raise RecordingError(
                "recording.matlab",
                f"{self.path.name} is not the MATLAB v4 matrix of {shape} that its header declares",
                "write it with WFDB's wfdb2mat, or check that header and file belong together",
            )


def _decode(raw: NDArray[np.uint8], sample_format: int, count: int) -> NDArray[np.integer]:
    """The first `count` samples of the bytes, in file order."""
    if sample_format == 80:
        return raw.astype(np.int16) - 128
    if sample_format == 212:
        return _decode_212(raw, count)
    if sample_format == 24:
        padded = np.zeros((count, 4), dtype=np.uint8)
        padded[:, 1:] = raw.reshape(count, 3)
        return padded.view("<i4").ravel() >> 8
    return raw.view(f"<i{sample_format // 8}")


def _decode_212(raw: NDArray[np.uint8], count: int) -> NDArray[np.int16]:
    """Pairs of 12-bit samples: low byte, both high nibbles, low byte."""
    padded = np.zeros((count + 1) // 2 * 3, dtype=np.uint8)
    padded[: len(raw)] = raw
    triplets = padded.reshape(-1, 3).astype(np.int16)
    pairs = np.empty((len(triplets), 2), dtype=np.int16)
    pairs[:, 0] = (triplets[:, 1] & 0x0F) << 8 | triplets[:, 0]
    pairs[:, 1] = (triplets[:, 1] & 0xF0) << 4 | triplets[:, 2]
    return ((pairs.ravel() ^ 0x800) - 0x800)[:count]
