"""A DICOM data set as plain values: pydicom takes it apart, and what it forgives is checked here.

Values are read from their own bytes, so that none is converted, repaired or warned about on the way.
Source: DICOM PS3.5 (data structures and encoding), PS3.10 (files).
"""

from __future__ import annotations

import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.format import HINT, MAX_FILE_BYTES
from cardiofusion.records import RecordingError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

# pydicom takes 0.3 s to import: it comes with the first file, not with this package.

PREAMBLE_BYTES = 128
MAGIC = b"DICM"
ITEM = b"\xfe\xff\x00\xe0"  # what each item of a sequence begins with, little-endian
MAX_SPARE_ITEMS, MIN_ITEM_BYTES = 10_000, 64  # items say something: without that, they only take time
MAX_INFLATION = 100  # times the deflated bytes; those of an ECG grow threefold

DEFLATED = "1.2.840.10008.1.2.1.99"
_SYNTAXES = {  # transfer syntax -> (implicit VR, little-endian)
    "1.2.840.10008.1.2": (True, True),
    "1.2.840.10008.1.2.1": (False, True),
    "1.2.840.10008.1.2.2": (False, False),
    DEFLATED: (False, True),
}
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
_MAX_DECIMAL = 40  # characters; the standard's limit is 16
_BINARY = frozenset({None, "US", "UL", "SS", "SL", "UN"})
_WORDS = {"OB": 1, "OW": 2}  # bytes
_QUIET = threading.Lock()  # the filters of warnings are the whole process's


@dataclass(frozen=True)
class Code:
    """A coded concept: value, coding scheme ("MDC") and meaning, "" where absent."""

    value: str = ""
    scheme: str = ""
    meaning: str = ""


@dataclass(frozen=True, eq=False)
class Item:
    """A data set or an item of a sequence. name: for messages. Its values by keywords of PS3.6.

    Every method raises RecordingError where a value is cut short or is not what it should be.
    """

    dataset: Dataset
    name: str

    def octets(self, keyword: str) -> bytes:
        """The bytes of a value; b"" where it is absent."""
        element = self._element(keyword)
        value = (element.value or b"") if element is not None else b""
        if not isinstance(value, bytes):
            raise self.wrong(f"no plain value at {keyword}")
        return value

    def text(self, keyword: str) -> str:
        """A text, without the spaces and nulls around it; "" where it is absent."""
        value = self.octets(keyword)
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii").strip(" \0\r\n")
        return self._decoded(value).strip(" \0\r\n")

    def number(self, keyword: str) -> float | None:
        """A decimal number; None where it is absent."""
        text = self.text(keyword)
        if not text:
            return None
        if len(text) > _MAX_DECIMAL or not _DECIMAL.fullmatch(text):
            raise self.wrong(f"{text[:20]!r} in place of a number at {keyword}")
        return float(text)

    def integer(self, keyword: str) -> int:
        """A binary integer that must be there: two or four bytes, without sign."""
        value = self.octets(keyword)
        if len(value) not in {2, 4} or self._element(keyword).VR not in _BINARY:
            raise self.wrong(f"no whole number at {keyword}")
        return int.from_bytes(value, "little" if self._little_endian else "big")

    def integers(self, keyword: str) -> list[int]:
        """Binary integers of two bytes, without sign; none where absent."""
        value, order = self.octets(keyword), "<" if self._little_endian else ">"
        return [number for (number,) in struct.iter_unpack(f"{order}H", value[: len(value) // 2 * 2])]

    def samples(self, keyword: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The samples of a value. dtype: of one of them, without byte order.

        Big-endian files turn each word of a value around, so the size of its words must be the sample's.
        """
        value = self.octets(keyword)
        if value and not self._little_endian and _WORDS.get(self._element(keyword).VR) != dtype.itemsize:
            raise RecordingError(
                "recording.version",
                f"{self.name} has big-endian samples of {8 * dtype.itemsize} bits in words of another size",
                "convert it to Explicit VR Little Endian, which has one reading only",
            )
        whole = len(value) // dtype.itemsize * dtype.itemsize
        return np.frombuffer(value[:whole], dtype.newbyteorder("<" if self._little_endian else ">"))

    def items(self, keyword: str, what: str = "") -> list[Item]:
        """The items of a sequence; none where it is absent. what: names each of them in messages."""
        element = self._element(keyword)
        if element is None:
            return []
        what = what or keyword
        datasets = self._datasets(element, keyword)
        return [
            Item(dataset, f"{what} {number} of {self.name}") for number, dataset in enumerate(datasets, 1)
        ]

    def code(self, keyword: str) -> Code:
        """The first item of a code sequence; an empty Code where there is none."""
        for item in self.items(keyword)[:1]:
            value = item.text("CodeValue") or item.text("LongCodeValue")
            return Code(value, item.text("CodingSchemeDesignator"), item.text("CodeMeaning"))
        return Code()

    def wrong(self, what: str) -> RecordingError:
        """An error: this item has `what`."""
        return RecordingError("recording.header", f"{self.name} has {what}", HINT)

    @property
    def _little_endian(self) -> bool:
        return self.dataset.original_encoding[1] is not False

    @property
    def _encodings(self) -> list[str]:
        """Python's names of the character sets."""
        found = self.dataset.original_character_set or "iso8859"
        return [found] if isinstance(found, str) else list(found)

    def _element(self, keyword: str) -> Any:
        """pydicom's raw element, or its sequence where that had no length; None where absent."""
        tag = _tag(keyword)
        with pydicom_errors(self.name):  # of a damaged type it speaks only now
            element = self.dataset.get_item(tag) if tag in self.dataset else None
        if element is None:
            return None
        check_whole(element, self.name)
        return element

    def _decoded(self, value: bytes) -> str:
        from pydicom.charset import decode_bytes
        from pydicom.valuerep import TEXT_VR_DELIMS

        with pydicom_errors(self.name):
            return decode_bytes(value, self._encodings, TEXT_VR_DELIMS)

    def _datasets(self, element: Any, keyword: str) -> list[Dataset]:
        from pydicom.filereader import read_sequence
        from pydicom.sequence import Sequence

        if isinstance(element.value, Sequence):
            return list(element.value)
        value = self.octets(keyword)
        # An archive that did not know the tag kept it as unknown: implicit, little-endian (PS3.5 6.2.2).
        implicit = self.dataset.original_encoding[0] is not False or element.VR == "UN"
        little = self._little_endian or element.VR == "UN"
        with pydicom_errors(self.name):
            return list(read_sequence(BytesIO(value), implicit, little, len(value), self._encodings))


@cache
def _tag(keyword: str) -> BaseTag:
    from pydicom.tag import Tag

    return Tag(keyword)


def parse(content: bytes, name: str) -> Item:
    """The data set of a file, with or without its preamble and meta information. Raises RecordingError."""
    from pydicom.filereader import read_dataset

    stream = BytesIO(content)
    stream.seek(PREAMBLE_BYTES + len(MAGIC) if has_preamble(content) else 0)
    with pydicom_errors(name):
        meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    start = stream.tell()
    _check_items(content, name)
    syntax = Item(meta, name).text("TransferSyntaxUID") if len(meta) else ""
    implicit, little = _encoding(syntax, content[start : start + 6], name)
    if syntax == DEFLATED:
        inflated = _inflated(content[start:], name)
        _check_items(inflated, name)
        stream = BytesIO(inflated)
    with pydicom_errors(name):
        dataset = read_dataset(stream, implicit, little)
    for element in dataset.values():
        check_whole(element, name)
    return Item(dataset, name)


def has_preamble(content: bytes) -> bool:
    return content[PREAMBLE_BYTES : PREAMBLE_BYTES + len(MAGIC)] == MAGIC


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings about a file to ourselves; for one thread at a time."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def pydicom_errors(name: str) -> Iterator[None]:
    """Turn whatever pydicom raises about a file into RecordingError."""
    try:
        yield
    except Exception as error:
        what = " ".join(str(error).split())[:80]
        raise RecordingError(
            "recording.header", f"{name} is no complete DICOM data set: {what}", HINT
        ) from error


def check_whole(element: Any, name: str) -> None:
    """Raises RecordingError where an element holds fewer bytes than it declares: pydicom lets that pass."""
    declared = getattr(element, "length", 0)
    if declared not in {0, 0xFFFFFFFF} and len(element.value or b"") != declared:
        raise RecordingError(
            "recording.truncated",
            f"{name} ends within the element {element.tag}",
            "the file was cut short; copy it again from its source",
        )


def _check_items(content: bytes, name: str) -> None:
    """Raises RecordingError where there are more items than a data set of this size has a use for."""
    count = max(content.count(ITEM), content.count(bytes((ITEM[1], ITEM[0], ITEM[3], ITEM[2]))))
    if count > MAX_SPARE_ITEMS + len(content) // MIN_ITEM_BYTES:
        raise RecordingError(
            "recording.size", f"{name} has {count:,} items in sequences, most of them empty", HINT
        )


def _encoding(syntax: str, start: bytes, name: str) -> tuple[bool, bool]:
    """(implicit VR, little-endian); without a transfer syntax, what the first element shows."""
    if not syntax:
        return not re.match(rb"[A-Z]{2}", start[4:]), True
    if syntax not in _SYNTAXES:
        raise RecordingError(
            "recording.version",
            f"{name} is in the transfer syntax {syntax[:64]!r}, which is not for waveforms",
            "export it in Explicit VR Little Endian",
        )
    return _SYNTAXES[syntax]


def _inflated(deflated: bytes, name: str) -> bytes:
    limit = min(MAX_FILE_BYTES, MAX_INFLATION * len(deflated))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(deflated, limit)
    except zlib.error as error:
        raise RecordingError("recording.header", f"{name} cannot be inflated: {error}", HINT) from error
    if inflater.unconsumed_tail:
        raise RecordingError(
            "recording.size",
            f"{name} inflates to more than {limit:,} bytes",
            "no ECG shrinks that far: do not trust this file",
        )
    if not inflater.eof:
        raise RecordingError(
            "recording.truncated",
            f"{name} ends within its deflated data set",
            "the file was cut short; copy it again from its source",
        )
    return content
