"""The encodings of samples in WFDB signal files: signal(5) of the WFDB Applications Guide.

    8     first differences, one byte           80, 160  one and two bytes, offset binary
    16    two bytes, little-endian              212      two samples in three bytes
    61    two bytes, big-endian                 310, 311 three samples in four bytes, two layouts
    24, 32  three and four bytes, little-endian 508, 516, 524  FLAC of up to 8, 16 and 24 bits (flac.py)

Samples of the signals that share a file take turns, and pack across frames. Format 0 has no samples.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

# Bytes that none, one, two ... samples of a block take; the last is a whole block.
_BLOCKS = {
    8: (0, 1),
    16: (0, 2),
    24: (0, 3),
    32: (0, 4),
    61: (0, 2),
    80: (0, 1),
    160: (0, 2),
    212: (0, 2, 3),
    310: (0, 2, 4, 4),
    311: (0, 2, 3, 4),
}
_BITS = {16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12, 310: 10, 311: 10, 508: 8, 516: 16, 524: 24}

DIFFERENCES = 8
FLAC = frozenset({508, 516, 524})
FORMATS = frozenset(_BLOCKS) | FLAC
_SUMMED = frozenset({16, 61, 80, 160, 311})  # where one changed byte always changes the sum of the samples
_SHARED = frozenset({212, 310})  # where a byte holds bits of two samples whose changes may cancel out


def bits(sample_format: int) -> int:
    """Bits of a sample, of FLAC the most there may be. Not for differences."""
    return _BITS[sample_format]


def missing_marker(sample_format: int) -> int | None:
    """The ADC value that marks a missing sample: the most negative one; differences have none."""
    return None if sample_format == DIFFERENCES else -(1 << (_BITS[sample_format] - 1))


def any_byte_shows(sample_format: int, neighbours_differ: bool) -> bool:
    """Whether any one changed byte of a file shows in the 16-bit sums of its signals.

    Not so for a third or fourth byte, nor for a difference, which shifts all samples after it.
    neighbours_differ: whether samples side by side belong to different signals.
    """
    return sample_format in _SUMMED or (sample_format in _SHARED and neighbours_differ)


def n_bytes(sample_format: int, samples: int) -> int:
    """Bytes that so many samples take."""
    sizes = _BLOCKS[sample_format]
    blocks, rest = divmod(samples, len(sizes) - 1)
    return blocks * sizes[-1] + sizes[rest]


def n_samples(sample_format: int, size: int) -> int:
    """Whole samples that so many bytes hold."""
    sizes = _BLOCKS[sample_format]
    blocks, rest = divmod(size, sizes[-1])
    return blocks * (len(sizes) - 1) + bisect_right(sizes[:-1], rest) - 1


def decode(raw: NDArray[np.uint8], sample_format: int, samples: int) -> NDArray[np.integer]:
    """The first `samples` of `n_bytes` bytes, in file order; of format 8 the differences."""
    match sample_format:
        case 8:
            return raw.view(np.int8)
        case 61:
            return raw.view(">i2")
        case 80:
            return (raw ^ 0x80).view(np.int8)
        case 160:
            return (raw.view("<u2") ^ 0x8000).view(np.int16)
        case 24:
            return (_words(raw, 3) << 8).view("<i4") >> 8
        case 212:
            return _pairs(_words(raw, 3)).ravel()[:samples]
        case 310:
            return _triplets_310(_words(raw, 4)).ravel()[:samples]
        case 311:
            return _triplets_311(_words(raw, 4)).ravel()[:samples]
        case _:
            return raw.view(f"<i{_BITS[sample_format] // 8}")


def _words(raw: NDArray[np.uint8], size: int) -> NDArray[np.uint32]:
    """Little-endian, from the first byte of each block of `size` bytes; zeros follow the last byte."""
    blocks = -(-len(raw) // size)
    padded = np.zeros(blocks * size + 4 - size, dtype=np.uint8)
    padded[: len(raw)] = raw
    return np.ndarray((blocks,), "<u4", padded.data, strides=(size,)).copy()


# Below, a sample is moved to the high end of its word, and comes back from there with its sign.


def _pairs(words: NDArray[np.uint32]) -> NDArray[np.int16]:
    """[block, 2] from 24 bits: the first sample's 12, the high nibble of the second, its low byte."""
    halves = (words << 4) & 0x0FF0FFF0 | (words & 0xF000) << 16
    return halves.view("<i2").reshape(-1, 2) >> 4


def _triplets_310(words: NDArray[np.uint32]) -> NDArray[np.int32]:
    """[block, 3] from twice 16 bits: one unused, ten of a sample, five of the third, its low ones first."""
    third = words & 0xF8000000 | (words & 0xF800) << 11
    return np.stack([words << 21, words << 5, third], axis=1).view("<i4") >> 22


def _triplets_311(words: NDArray[np.uint32]) -> NDArray[np.int32]:
    """[block, 3] from 32 bits: ten of each sample, two unused."""
    return np.stack([words << 22, words << 12, words << 2], axis=1).view("<i4") >> 22
