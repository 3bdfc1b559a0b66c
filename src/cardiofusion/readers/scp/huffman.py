"""Section 2: Huffman tables, and the streams of bits they decode.

The first bit of a byte is its highest. A code stands for a value, for a value in the bits that follow it
(two's complement), or for going on with another table. Every stream begins with the first table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.format import HINT
from cardiofusion.readers.scp.sections import Section
from cardiofusion.records import RecordingError

DEFAULT_TABLE = 19999  # "number of tables" that names the standard's own
MAX_TABLES, MAX_CODES = 64, 1024
MAX_PREFIX, MAX_EXTRA = 32, 16  # bits
WORD = MAX_PREFIX + MAX_EXTRA
WINDOW = 10  # bits that are looked up at once

_CODE = np.dtype([("length", "u1"), ("bits", "u1"), ("mode", "u1"), ("value", "<i2"), ("prefix", "<u4")])
_SWITCH, _VALUE = 0, 1


@dataclass(frozen=True)
class Code:
    """prefix: `length` bits. extra: bits after it that hold the value. value: or the number of a table."""

    length: int
    prefix: int
    extra: int
    value: int
    switches: bool = False

    def value_of(self, number: int) -> int:
        """What it stands for with this number in its extra bits."""
        return number - (number >> (self.extra - 1) << self.extra) if self.extra else self.value


@dataclass(eq=False)
class Table:
    """The codes of one table, none the beginning of another. tables: those it may change to, in order."""

    codes: Sequence[Code]
    tables: Sequence[Table]

    @cached_property
    def words(self) -> list[tuple[tuple[int, ...], int, Table]]:
        """For every window of bits: the values in it, the bits they take, the table to go on with."""
        return [self._word(window) for window in range(1 << WINDOW)]

    def code_at(self, word: int) -> Code | None:
        """The code that a word of WORD bits begins with."""
        code = self._first[word >> (WORD - WINDOW)]
        if code is None:
            code = next((code for code in self._long if word >> (WORD - code.length) == code.prefix), None)
        return code

    @cached_property
    def _long(self) -> list[Code]:
        return [code for code in self.codes if code.length > WINDOW]

    @cached_property
    def _first(self) -> list[Code | None]:
        """For every window of bits: the code whose prefix it begins with."""
        first: list[Code | None] = [None] * (1 << WINDOW)
        for code in self.codes:
            if code.length <= WINDOW:
                ways = 1 << (WINDOW - code.length)
                first[code.prefix * ways : (code.prefix + 1) * ways] = [code] * ways
        return first

    def _word(self, window: int) -> tuple[tuple[int, ...], int, Table]:
        values: list[int] = []
        table, left = self, WINDOW  # bits
        while left:
            code = table._first[window << (WINDOW - left) & ((1 << WINDOW) - 1)]
            if code is None or code.length + code.extra > left:
                break
            left -= code.length + code.extra
            if code.switches:
                table = self.tables[code.value - 1]
            else:
                values.append(code.value_of(window >> left & ((1 << code.extra) - 1)))
        return tuple(values), WINDOW - left, table


def read_tables(section: Section | None) -> tuple[Table, ...]:
    """The tables of section 2; none where the samples are not Huffman codes. Raises RecordingError."""
    cursor = section.cursor() if section else None
    count = cursor.number(2) if cursor else 0
    if not cursor or not count:
        return ()
    if count == DEFAULT_TABLE:
        return (default_table(),)
    if count > MAX_TABLES:
        raise RecordingError(
            "recording.size", f"{cursor.what} has {count} Huffman tables", f"at most {MAX_TABLES} are read"
        )
    tables: list[Table] = []
    for _ in range(count):
        lines = cursor.records(_CODE, min(cursor.number(2), MAX_CODES + 1)).tolist()
        codes = [_code(line, count, cursor.what) for line in lines]
        _check_codes(codes, cursor.what)
        tables.append(Table(codes, tables))
    return tuple(tables)


@lru_cache(maxsize=1)
def default_table() -> Table:
    """The standard's: 0 is "0"; n > 0 is n ones, "0" and a sign; beyond 8, a byte or two follow nine ones."""
    codes = [Code(1, 0b0, 0, 0)]
    for size in range(1, 9):
        ones = (1 << size) - 1
        codes += [Code(size + 2, ones << 2 | sign, 0, value) for sign, value in ((0, size), (1, -size))]
    codes += [Code(10, 0b1111111110, 8, 0), Code(10, 0b1111111111, 16, 0)]
    return Table(codes, ())


def decode(stream: bytes, count: int, tables: tuple[Table, ...], what: str) -> tuple[NDArray[np.int64], int]:
    """`count` values, and how many bits are left after them. Raises RecordingError."""
    windows, end = _windows(stream), 8 * len(stream)
    table, position = tables[0], 0
    values: list[int] = []
    while len(values) < count and position < end:
        shift = 24 - WINDOW - (position & 7)
        found, used, after = table.words[windows[position >> 3] >> shift & ((1 << WINDOW) - 1)]
        if used and len(values) + len(found) <= count:
            values += found
            position += used
            table = after
            continue
        code, number, position = _next_code(stream, position, table, what)
        if code.switches:
            table = tables[code.value - 1]
        else:
            values.append(code.value_of(number))
    if len(values) < count or position > end:
        raise RecordingError("recording.truncated", f"{what} ends before its {count} samples", HINT)
    return np.array(values, dtype=np.int64), end - position


def _next_code(stream: bytes, position: int, table: Table, what: str) -> tuple[Code, int, int]:
    """The code at this bit, the number in its extra bits, and the bit after them."""
    first, last = position >> 3, (position + WORD + 7) >> 3
    here = int.from_bytes(stream[first:last].ljust(last - first, b"\0"), "big")
    word = here >> (8 * last - position - WORD) & ((1 << WORD) - 1)
    code = table.code_at(word)
    if code is None:
        raise RecordingError(
            "recording.header", f"{what} has bits that no code of its table begins with", HINT
        )
    bits = code.length + code.extra
    return code, word >> (WORD - bits) & ((1 << code.extra) - 1), position + bits


def _windows(stream: bytes) -> list[int]:
    """The 24 bits that begin at each byte; zeros after the end."""
    padded = np.frombuffer(stream + b"\0\0", dtype=np.uint8).astype(np.uint32)
    windows: list[int] = (padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]).tolist()
    return windows


def _code(line: tuple[int, ...], tables: int, what: str) -> Code:
    """One line of a table in section 2, where the prefix stands with its last bit first."""
    length, bits, mode, value, prefix = line
    extra = bits - length
    plausible = 1 <= length <= MAX_PREFIX and 0 <= extra <= MAX_EXTRA and mode in (_SWITCH, _VALUE)
    # A value beside extra bits, or a change to no table: the standard does not say what that would mean.
    known = (not extra or not value) if mode == _VALUE else (not extra and 1 <= value <= tables)
    if not plausible or not known:
        raise RecordingError("recording.header", f"{what} has a code that the standard does not allow", HINT)
    turned = int(f"{prefix & ((1 << length) - 1):0{length}b}"[::-1], 2)
    return Code(length, turned, extra, value, mode == _SWITCH)


def _check_codes(codes: list[Code], what: str) -> None:
    prefixes = sorted(f"{code.prefix:0{code.length}b}" for code in codes)
    if not codes or len(codes) > MAX_CODES or any(b.startswith(a) for a, b in pairwise(prefixes)):
        raise RecordingError(
            "recording.header", f"{what} has a Huffman table that is empty, endless or ambiguous", HINT
        )
