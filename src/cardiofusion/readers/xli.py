"""XLI, the compression of Philips cardiographs: second differences, then LZW with codes of 10 bits.

One chunk a lead, little-endian: how many bytes of codes follow (32 bits), their kind (16 bits, always 1),
the first second difference (16 bits, signed); then the codes, most significant bit first, from an empty table
of 256 + 767 entries that is never emptied, up to the end mark 1023. They expand to one 16-bit word a sample,
all high bytes before all low ones. The first two words are the first two samples, and then

    sample[t] = 2 sample[t - 1] - sample[t - 2] - bend[t]
    bend[t] = word[t - 1] - 64, and bend[2] as the header has it

modulo 2^16; the last word is not used. Sources: C. Watford, sierra-ecg-tools (wiki, "XLI compression in
detail"); T. Welch, A technique for high-performance data compression (1984).
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.format import HINT
from cardiofusion.records import RecordingError

MAX_CHUNKS = 24  # as many electrodes as the schema knows; the analysis program has 16 channels
KIND = 1
CODE_BITS = 10
END = (1 << CODE_BITS) - 1
BIAS = 64

_HEADER = struct.Struct("<iHh")
_PLACES = 1 << np.arange(CODE_BITS)[::-1]  # value of each bit of a code


def expand(content: bytes, samples: int, name: str) -> NDArray[np.int16]:
    """All chunks as int16 [chunk, sample]. samples: of every chunk, at least 3. name: for messages.

    Raises RecordingError: a chunk shorter or longer than that, or one that is damaged
    ("recording.truncated"), of another kind ("recording.version"), too many of them ("recording.size").
    """
    rows: list[NDArray[np.int16]] = []
    at = 0
    while at < len(content):
        what = f"channel {len(rows) + 1} of {name}"
        if len(rows) == MAX_CHUNKS:
            raise RecordingError("recording.size", f"{name} has more than {MAX_CHUNKS} channels", HINT)
        if at + _HEADER.size > len(content):
            raise _damaged(what, "ends within its header")
        size, kind, bend = _HEADER.unpack_from(content, at)
        at += _HEADER.size
        _check_header(size, kind, len(content) - at, samples, what)
        words = _words(_expanded(_codes(content[at : at + size]), 2 * samples, what))
        rows.append(_samples(words, bend))
        at += size
    if not rows:
        raise _damaged(name, "has no compressed samples")
    return np.stack(rows)


def _check_header(size: int, kind: int, remaining: int, samples: int, what: str) -> None:
    if kind != KIND:
        raise RecordingError(
            "recording.version", f"{what} is compressed as XLI of kind {kind}", f"only kind {KIND} is known"
        )
    longest = ((2 * samples + 2) * CODE_BITS) // 8 + 2  # every code gives a byte or more
    if not 0 < size <= min(remaining, longest):
        raise _damaged(what, f"declares {size} bytes, where {remaining} follow")


def _codes(chunk: bytes) -> list[int]:
    bits = np.unpackbits(np.frombuffer(chunk, dtype=np.uint8))
    count = len(bits) // CODE_BITS
    codes: list[int] = (bits[: count * CODE_BITS].reshape(count, CODE_BITS) @ _PLACES).tolist()
    return codes


def _expanded(codes: list[int], size: int, what: str) -> bytes:
    """The bytes that LZW codes stand for, put together only where they are `size`."""
    table = [bytes([byte]) for byte in range(256)]
    pieces: list[bytes] = []
    length, previous = 0, b""
    for code in codes:
        if code == END:
            break
        if code > len(table) or (code == len(table) and not previous):
            raise _damaged(what, "has a code that stands for nothing")
        # A code may name the entry that it completes itself: what came before, and its first byte again.
        piece = table[code] if code < len(table) else previous + previous[:1]
        if previous and len(table) < END:
            table.append(previous + piece[:1])
        length, previous = length + len(piece), piece
        pieces.append(piece)
    else:
        raise _damaged(what, "has no end mark")
    if length != size:
        raise _damaged(what, f"holds {'more' if length > size else 'fewer'} than {size // 2} samples")
    return b"".join(pieces)


def _words(content: bytes) -> NDArray[np.int64]:
    """16-bit words, of which all high bytes come first."""
    halves = np.frombuffer(content, dtype=np.uint8).reshape(2, -1)
    return np.ascontiguousarray(halves.T).view(">i2")[:, 0].astype(np.int64)


def _samples(words: NDArray[np.int64], bend: int) -> NDArray[np.int16]:
    bends = np.concatenate([[bend], words[2:-1] - BIAS])
    slopes = np.cumsum(np.concatenate([[words[1] - words[0]], -bends]))
    return np.cumsum(np.concatenate([[words[0]], slopes])).astype(np.int16)  # modulo 2^16, as the device


def _damaged(what: str, why: str) -> RecordingError:
    return RecordingError("recording.truncated", f"{what} {why}: the compressed samples are damaged", HINT)
