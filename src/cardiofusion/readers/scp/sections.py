"""The record's sections, found by the pointers of section 0, every checksum verified.

Checksums are CRC-CCITT (polynomial 0x1021, start 0xFFFF) of what follows them: one of the record, one of each
section. Early devices write 0xFFFF where they computed none.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass

import numpy as np

from cardiofusion.readers.format import HINT
from cardiofusion.readers.scp.cursor import Cursor
from cardiofusion.records import RecordingError

MAX_RECORD_BYTES = 1 << 25  # 255 leads of section 6 are 16 MiB at most
MAX_SECTIONS = 1024
RECORD_HEADER, SECTION_HEADER = 6, 16  # bytes
LAST_SECTION = 11  # of versions 1 and 2; higher numbers are manufacturers', or version 3's
NO_CHECKSUM = 0xFFFF

_POINTER = np.dtype([("number", "<u2"), ("length", "<u4"), ("first", "<u4")])


@dataclass(frozen=True)
class Section:
    """One section. protocol: ten times the version of the standard. data: what follows its header.

    verified: whether it has a checksum.
    """

    protocol: int
    data: bytes
    verified: bool
    what: str

    def cursor(self) -> Cursor:
        """At the beginning of the data."""
        return Cursor(self.data, self.what)


@dataclass(frozen=True)
class Record:
    """Sections 0 to 11, without empty ones. others: numbers of further ones. trailing: bytes after it.

    verified: whether checksums cover these sections.
    """

    sections: dict[int, Section]
    others: frozenset[int]
    trailing: int
    verified: bool


def recognises(head: bytes) -> bool:
    """Whether section 0 comes first, and says so: by its mark, or by a pointer to itself."""
    if len(head) < RECORD_HEADER + SECTION_HEADER + _POINTER.itemsize or head[8:10] != b"\0\0":
        return False
    length = int.from_bytes(head[10:14], "little")
    number, pointed, first = struct.unpack_from("<HII", head, RECORD_HEADER + SECTION_HEADER)
    itself = (number, pointed) == (0, length) and first in (RECORD_HEADER, RECORD_HEADER + 1)
    return head[16:22] == b"SCPECG" or (itself and length > SECTION_HEADER)


def read_record(content: bytes, name: str) -> Record:
    """All sections of a file. Raises RecordingError."""
    cursor = Cursor(content, name)
    checksum, size = cursor.number(2), cursor.number(4)
    pointers = _pointers(content, name)
    _check_size(size, content, pointers, name)
    record = memoryview(content)[:size]
    verified = _verified(record, checksum, name)
    places = {number: (length, first) for number, length, first in pointers if length and first}
    standard = sorted(number for number in places if number <= LAST_SECTION)
    if sum(places[number][0] for number in standard) > size:
        raise RecordingError("recording.header", f"{name} has sections that overlap", HINT)
    found = {number: _section(record, number, *places[number], name) for number in standard}
    sections = {number: section for number, section in found.items() if section.data}
    verified = verified or all(section.verified for section in found.values())
    return Record(sections, frozenset(places) - set(standard), len(content) - size, verified)


def _check_size(size: int, content: bytes, pointers: list[tuple[int, int, int]], name: str) -> None:
    """Whether the record is all there; the variant that breaks the standard is named before its size."""
    if _counted_from_zero(content, pointers):
        raise RecordingError(
            "recording.version",
            f"{name} is no SCP-ECG by the standard: its pointers count bytes from 0, not from 1",
            "handheld recorders of Healforce and its kin write such files; export it with their own program",
        )
    if size > len(content):
        raise RecordingError("recording.truncated", f"{name} has {len(content)} of its {size} bytes", HINT)
    if size > MAX_RECORD_BYTES:
        raise RecordingError(
            "recording.size", f"{name} is {size:,} bytes long", f"at most {MAX_RECORD_BYTES:,} are read"
        )


def _pointers(content: bytes, name: str) -> list[tuple[int, int, int]]:
    """(number, length, number of its first byte) of every section that section 0 lists."""
    cursor = Cursor(content, f"section 0 of {name}", RECORD_HEADER + 2)
    number, length = cursor.number(2), cursor.number(4)
    if number or length < SECTION_HEADER:
        raise RecordingError("recording.header", f"{name} does not begin with section 0", HINT)
    count = (length - SECTION_HEADER) // _POINTER.itemsize
    if count > MAX_SECTIONS:
        raise RecordingError(
            "recording.size", f"{name} lists {count} sections", f"at most {MAX_SECTIONS} are read"
        )
    cursor.position = RECORD_HEADER + SECTION_HEADER
    pointers = cursor.records(_POINTER, count)
    present = pointers["number"][(pointers["length"] > 0) & (pointers["first"] > 0)]
    if len(present) != len(set(present.tolist())):
        raise RecordingError("recording.header", f"{name} lists a section twice", HINT)
    return [(int(number), int(length), int(first)) for number, length, first in pointers]


def _counted_from_zero(content: bytes, pointers: list[tuple[int, int, int]]) -> bool:
    """Whether every pointer finds its section only if the first byte of the file is byte 0."""
    places = [(number, first) for number, length, first in pointers if length]
    return bool(places) and all(
        content[first + 2 : first + 4] == number.to_bytes(2, "little") for number, first in places
    )


def _section(record: memoryview, number: int, length: int, first: int, name: str) -> Section:
    what, start = f"section {number} of {name}", first - 1
    if length < SECTION_HEADER or start + length > len(record):
        raise RecordingError("recording.header", f"{what} is said to lie outside the file", HINT)
    block = record[start : start + length]
    checksum, own_number, own_length = struct.unpack_from("<HHI", block)
    if (own_number, own_length) != (number, length):
        raise RecordingError("recording.header", f"{what} is not where section 0 says", HINT)
    verified = _verified(block, checksum, what)
    return Section(block[9], bytes(block[SECTION_HEADER:]), verified, what)


def _verified(block: memoryview, checksum: int, what: str) -> bool:
    """Whether there is a checksum. Raises RecordingError where it is not that of all that follows it."""
    computed = binascii.crc_hqx(block[2:], 0xFFFF)
    if checksum not in (computed, NO_CHECKSUM):
        raise RecordingError(
            "recording.checksum",
            f"{what} does not match its checksum",
            "the file was changed or damaged; copy it again from its source",
        )
    return checksum == computed
