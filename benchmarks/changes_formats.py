"""Changes that know one format: behind its base64, its checksums, in its fields and elements."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib

from changes_bytes import BINARY, NUMBERS, Change, Rng, blank_block, change_bytes, flip_bit, set_number
from changes_text import places_of, put, token


def in_covered_bytes(content: bytes, rng: Rng) -> bytes:
    """One byte of a WFDB signal file, behind MATLAB's header where it has one."""
    start = 24 if content[20:24] == b"val\0" else 0
    out = bytearray(content)
    out[int(rng.integers(start, len(out)))] ^= int(rng.integers(1, 256))
    return bytes(out)


def in_base64(content: bytes, rng: Rng) -> bytes:
    """The longest base64 of a document, changed where it is unpacked: Philips' compressed samples."""
    begin, end = max(
        places_of(content, rb">([A-Za-z0-9+/=\s]{200,})<"), key=lambda place: place[1] - place[0]
    )
    inner = BINARY[int(rng.integers(len(BINARY)))](base64.b64decode(content[begin:end]), rng)
    return content[:begin] + base64.b64encode(inner) + content[end:]


_MUSE_DATA = rb"<WaveFormData>([^<]+)</WaveFormData>"


def in_muse_samples(content: bytes, rng: Rng) -> bytes:
    """Samples of one lead, the checksum left as it was."""
    places = places_of(content, _MUSE_DATA)
    begin, end = places[int(rng.integers(len(places)))]
    inner = change_bytes(base64.b64decode(content[begin:end]), rng)
    return content[:begin] + base64.b64encode(inner) + content[end:]


def reseal_muse(content: bytes, rng: Rng) -> bytes:
    """Samples of one lead, changed together with their checksum."""
    lead = re.compile(rb"<LeadDataCRC32>\d+</LeadDataCRC32><WaveFormData>([^<]+)</WaveFormData>")
    found = list(lead.finditer(content))
    if not found:
        return in_muse_samples(content, rng)
    match = found[int(rng.integers(len(found)))]
    inner = blank_block(change_bytes(base64.b64decode(match[1]), rng), rng)
    words = b"<LeadDataCRC32>%d</LeadDataCRC32><WaveFormData>%s</WaveFormData>"
    return (
        content[: match.start()]
        + words % (zlib.crc32(inner), base64.b64encode(inner))
        + content[match.end() :]
    )


def in_scp(content: bytes, rng: Rng) -> bytes:
    """One to three bytes behind the record's checksum."""
    return content[:6] + change_bytes(content[6:], rng)


_IN_PLACE: tuple[Change, ...] = (change_bytes, flip_bit, blank_block, set_number, set_number)


def reseal_scp(content: bytes, rng: Rng) -> bytes:
    """The data of one section changed, its checksum and the record's put right."""
    size = struct.unpack_from("<I", content, 10)[0]
    pointers = [struct.unpack_from("<HII", content, 22 + 10 * k) for k in range((size - 16) // 10)]
    present = [(first - 1, length) for _, length, first in pointers if length > 16 and first]
    start, length = present[int(rng.integers(len(present)))]
    data = _IN_PLACE[int(rng.integers(len(_IN_PLACE)))](content[start + 16 : start + length], rng)[
        : length - 16
    ]
    block = content[start + 2 : start + 16] + data.ljust(length - 16, b"\0")
    sealed = struct.pack("<H", binascii.crc_hqx(block, 0xFFFF)) + block
    record = content[2:start] + sealed + content[start + length :]
    return struct.pack("<H", binascii.crc_hqx(record, 0xFFFF)) + record


def change_edf_cell(content: bytes, rng: Rng) -> bytes:
    """A field of the header, which are of 8 bytes mostly."""
    count = max(1, int(content[252:256]))
    cells = [(8, 80), (88, 80), (168, 8), (176, 8), (184, 8), (192, 44), (236, 8), (244, 8), (252, 4)]
    start = 256
    for width in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
        cells += [(start + width * k, width) for k in range(count)]
        start += width * count
    begin, width = cells[int(rng.integers(len(cells)))]
    text = str(rng.choice(NUMBERS)).encode() if rng.random() < 0.4 else token(rng)
    return content[:begin] + text[:width].ljust(width) + content[begin + width :]


_DICOM_ELEMENT = rb"((?:OB|OW|SQ|US|UL|DS|CS|SH|LO|UI|SS|UN|UT)[\x00-\xff]{2})"


def change_dicom_type(content: bytes, rng: Rng) -> bytes:
    types = (b"OB", b"OW", b"SQ", b"US", b"UL", b"DS", b"CS", b"SH", b"UI", b"UN", b"UT", b"AT", b"FD", b"ZZ")
    pattern = _DICOM_ELEMENT.replace(b"[\\x00-\\xff]{2})", b")")
    return put(content, pattern, rng, types[int(rng.integers(len(types)))])


def change_dicom_length(content: bytes, rng: Rng) -> bytes:
    length = int(rng.choice([0, 1, 2, 3, 5, 255, 65535, 65534, 32768])).to_bytes(2, "little")
    return put(content, rb"(?:OB|OW|SQ|US|UL|DS|CS|SH|LO|UI|SS|UN|UT)([\x00-\xff]{2})", rng, length)


def change_dicom_number(content: bytes, rng: Rng) -> bytes:
    """A decimal text."""
    return put(content, rb"DS[\x00-\x20]\x00([\d. +-]+)", rng)


def drop_dicom_item(content: bytes, rng: Rng) -> bytes:
    return put(content, rb"(\xfe\xff\x00\xe0[\x00-\xff]{40})", rng, b"")


_TABLE_NAMES = rb"\b(I|II|III|aVR|aVL|aVF|V[1-6]|mV|250|200)\b"


def rename_column(content: bytes, rng: Rng) -> bytes:
    return put(content[:1000], _TABLE_NAMES, rng) + content[1000:]
