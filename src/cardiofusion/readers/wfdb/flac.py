"""FLAC signal files (RFC 9639), formats 508, 516 and 524: a channel for each signal.

libsndfile checks each frame's CRC-16; the MD5 of all samples, which it leaves alone, is checked here.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ExtraMissingError, RecordingError

HEAD = struct.Struct(">4s4s10xQ16s")  # "fLaC", type and length of the first block, STREAMINFO
MAX_EXPANSION = 1000  # samples a byte: six flat lines have some 800
_BLOCK = 1 << 16  # samples of a channel at once
_FIRST_BLOCK = (0x00, 0x80)  # STREAMINFO, followed by others or not
_UNSTATED = bytes(16)
_HINT = "write the record again with the WFDB software"


@dataclass(frozen=True)
class Stream:
    """What a FLAC file says of itself. samples: of each channel. md5: of them all, None where not stated."""

    channels: int
    bits: int
    samples: int
    md5: bytes | None


def parse_stream(head: bytes, name: str, most: int) -> Stream:
    """From the first HEAD.size bytes of a file.

    Raises RecordingError where they are not FLAC's, or promise more than `most` samples.
    """
    signature, block, packed, md5 = HEAD.unpack(head) if len(head) == HEAD.size else (b"", b"\0", 0, b"")
    if signature != b"fLaC" or block[0] not in _FIRST_BLOCK:
        raise RecordingError("recording.encoding", f"{name} is no FLAC file", _HINT)
    stream = Stream(
        channels=(packed >> 41 & 0x7) + 1,
        bits=(packed >> 36 & 0x1F) + 1,
        samples=packed & ((1 << 36) - 1),
        md5=None if md5 == _UNSTATED else md5,
    )
    if stream.bits not in (8, 16, 24):
        raise RecordingError("recording.encoding", f"{name} is FLAC of {stream.bits} bits", _HINT)
    if stream.samples * stream.channels > most:
        raise RecordingError(
            "recording.size",
            f"{name} promises {stream.samples} samples of {stream.channels} signals",
            f"at most {most} of a file of this size are read",
        )
    return stream


def decode(content: bytes, stream: Stream, name: str) -> Iterator[NDArray[np.int32]]:
    """All samples, [sample, channel] a block. Raises RecordingError; ExtraMissingError without soundfile."""
    try:
        import soundfile  # type: ignore[import-untyped]
    except (ImportError, OSError) as error:  # the package, or the library it stands for
        raise ExtraMissingError("reading WFDB's FLAC formats", "flac") from error
    md5 = hashlib.md5(usedforsecurity=False)
    left = stream.samples
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            while left and len(block := file.read(min(left, _BLOCK), dtype="int32", always_2d=True)):
                block >>= 32 - stream.bits  # libsndfile fills 32 bits from the high end
                md5.update(_stored(block, stream.bits))
                left -= len(block)
                yield block
    except soundfile.SoundFileError as error:
        raise _damaged(name) from error
    if left or (stream.md5 is not None and stream.md5 != md5.digest()):
        raise _damaged(name)


def _stored(samples: NDArray[np.int32], bits: int) -> bytes:
    """The bytes of which FLAC takes the MD5: channel after channel, little-endian (RFC 9639, section 8.2)."""
    return samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()


def _damaged(name: str) -> RecordingError:
    return RecordingError(
        "recording.checksum",
        f"{name} does not pass FLAC's own checks",
        "the file was changed or damaged; copy it again from its source",
    )
