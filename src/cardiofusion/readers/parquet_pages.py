"""The pages of a Parquet file, checked before they are unpacked: where they lie, how far they unfold, and
their checksums where they have any.

Source: Apache Parquet format (parquet.thrift); Apache Thrift, compact protocol.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

from cardiofusion.records import RecordingError

MAGIC = b"PAR1"
TAIL_BYTES = 8  # the footer's length and the magic
MAX_UNPACKED = 1 << 28  # bytes of all pages
MAX_INFLATION, SPARE_BYTES = 32, 1 << 23  # times the file's size, and what small files may take anyway
MAX_DEPTH = 16
HINT = "write the file again"

# Field ids of parquet.thrift.
_ROW_GROUPS = 4  # of FileMetaData
_COLUMNS, _ROWS = 1, 3  # of RowGroup
_ELSEWHERE, _METADATA = 1, 3  # of ColumnChunk
_PACKED, _VALUES, _DATA, _DICTIONARY = 7, 5, 9, 11  # of ColumnMetaData
_UNPACKED_SIZE, _PACKED_SIZE, _CRC = 2, 3, 4  # of PageHeader
_PAGE, _DICTIONARY_PAGE, _PAGE_2 = 5, 7, 8  # the part of a PageHeader for its kind; their field 1: values

Fields = dict[int, Any]


def check_pages(content: bytes, name: str) -> bool:
    """Whether every page has a checksum; those that are there are right.

    Raises RecordingError ("recording.checksum", "recording.size", "recording.version"); ValueError or
    LookupError where the file is damaged.
    """
    length = int.from_bytes(content[-TAIL_BYTES : -len(MAGIC)], "little")
    if not content.endswith(MAGIC) or length + TAIL_BYTES + len(MAGIC) > len(content):
        raise RecordingError("recording.truncated", f"{name} has no end of a Parquet file", HINT)
    footer = Thrift(content[-TAIL_BYTES - length : -TAIL_BYTES]).fields()
    unpacked, checked = 0, True
    most = min(MAX_UNPACKED, SPARE_BYTES + MAX_INFLATION * len(content))
    for group in footer[_ROW_GROUPS]:
        for chunk in group[_COLUMNS]:
            for page in _pages(content, chunk, group[_ROWS], name):
                unpacked += page[_UNPACKED_SIZE]
                checked = checked and _CRC in page
                if unpacked > most:
                    raise RecordingError(
                        "recording.size",
                        f"{name} unfolds too far",
                        f"at most {most:,} bytes are read",
                    )
    return checked


def _pages(content: bytes, chunk: Fields, rows: int, name: str) -> list[Fields]:
    """The page headers of a column chunk, all within the file."""
    if _ELSEWHERE in chunk:
        raise RecordingError("recording.version", f"{name} takes columns from other files", HINT)
    metadata = chunk[_METADATA]
    position = metadata.get(_DICTIONARY, metadata[_DATA])
    end = position + metadata[_PACKED]
    if not 0 < position <= end <= len(content) or metadata[_VALUES] != rows:
        raise ValueError("a column lies beyond the end of the file, or has more or fewer rows")
    pages, values = [], 0
    while position < end:
        reading = Thrift(content[position:end])
        page = reading.fields()
        start = position + reading.position
        position = start + page[_PACKED_SIZE]
        if min(page[_PACKED_SIZE], page[_UNPACKED_SIZE]) < 0 or position > end:
            raise ValueError("a page lies beyond its column")
        if _CRC in page and zlib.crc32(content[start:position]) != page[_CRC] & 0xFFFFFFFF:
            raise RecordingError("recording.checksum", f"a page of {name} does not match its checksum", HINT)
        values += _values(page, rows)
        pages.append(page)
    if values != rows:
        raise ValueError("a column has more or fewer values than rows")
    return pages


def _values(page: Fields, rows: int) -> int:
    """How many values of the column a page has: a dictionary has none."""
    kinds = [kind for kind in (_PAGE, _PAGE_2, _DICTIONARY_PAGE) if kind in page]
    if len(kinds) != 1 or not 0 <= page[kinds[0]][1] <= rows:
        raise ValueError("a page of no known kind, or with more values than rows")
    return 0 if kinds[0] == _DICTIONARY_PAGE else int(page[kinds[0]][1])


@dataclass
class Thrift:
    """A Thrift structure in the compact protocol, as field id -> value; names are not in it."""

    content: bytes
    position: int = 0

    def fields(self, depth: int = 0) -> Fields:
        found: Fields = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            found[field] = head & 15 == 1 if head & 15 in (1, 2) else self._value(head & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        match kind:
            case 1 | 2 | 3:  # of a list, a truth value is a byte
                return self._byte()
            case 4 | 5 | 6:
                return self._integer()
            case 7:
                return struct.unpack("<d", self._bytes(8))[0]
            case 8:
                return self._bytes(self._unsigned())
            case 9 | 10:
                head = self._byte()
                size = self._unsigned() if head >> 4 == 15 else head >> 4
                return [self._value(head & 15, depth + 1) for _ in range(size)]
            case 12:
                return self.fields(depth + 1)
        raise ValueError(f"a value of kind {kind}")  # maps (11) are nowhere in Parquet

    def _byte(self) -> int:
        self.position += 1
        return self.content[self.position - 1]

    def _bytes(self, size: int) -> bytes:
        self.position += size
        if self.position > len(self.content):
            raise ValueError("text beyond the end")
        return self.content[self.position - size : self.position]

    def _unsigned(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")
        return value | byte << shift

    def _integer(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)
