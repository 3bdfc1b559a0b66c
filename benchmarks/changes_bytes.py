"""Changes to bytes of any kind: what disks and networks make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

Rng = np.random.Generator
Change = Callable[[bytes, Rng], bytes]

NUMBERS = (
    0,
    1,
    2,
    3,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)
EDGE_BYTES = 3000  # where headers and footers lie


def change_bytes(content: bytes, rng: Rng) -> bytes:
    out = bytearray(content)
    for position in rng.integers(0, len(out), size=int(rng.integers(1, 4))):
        out[position] = int(rng.integers(0, 256))
    return bytes(out)


def change_edge(content: bytes, rng: Rng) -> bytes:
    """Bytes of the beginning or the end, where most formats describe themselves."""
    edge = min(EDGE_BYTES, len(content))
    begin = 0 if rng.random() < 0.6 else len(content) - edge
    return content[:begin] + change_bytes(content[begin : begin + edge], rng) + content[begin + edge :]


def flip_bit(content: bytes, rng: Rng) -> bytes:
    out = bytearray(content)
    out[int(rng.integers(len(out)))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def cut(content: bytes, rng: Rng) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def cut_a_little(content: bytes, rng: Rng) -> bytes:
    return content[: -int(rng.integers(1, 200))]


def grow(content: bytes, rng: Rng) -> bytes:
    position = int(rng.integers(0, len(content) + 1))
    return content[:position] + rng.bytes(int(rng.integers(1, 40))) + content[position:]


def append(content: bytes, rng: Rng) -> bytes:
    return content + (bytes(int(rng.integers(1, 5000))) if rng.random() < 0.5 else rng.bytes(100))


def _block(content: bytes, rng: Rng) -> tuple[int, int]:
    begin = int(rng.integers(0, len(content)))
    return begin, min(len(content), begin + int(2 ** rng.uniform(0, 12)))


def drop_block(content: bytes, rng: Rng) -> bytes:
    begin, end = _block(content, rng)
    return content[:begin] + content[end:]


def repeat_block(content: bytes, rng: Rng) -> bytes:
    begin, end = _block(content, rng)
    return content[:end] + content[begin:end] * int(rng.integers(1, 4)) + content[end:]


def move_block(content: bytes, rng: Rng) -> bytes:
    begin, end = _block(content, rng)
    rest = content[:begin] + content[end:]
    to = int(rng.integers(0, len(rest) + 1))
    return rest[:to] + content[begin:end] + rest[to:]


def blank_block(content: bytes, rng: Rng) -> bytes:
    begin, end = _block(content, rng)
    return content[:begin] + bytes([int(rng.choice([0, 255, 32]))]) * (end - begin) + content[end:]


def set_number(content: bytes, rng: Rng) -> bytes:
    """A binary integer somewhere in the edges: an extreme one, or the one that was there, but for one."""
    edge = min(EDGE_BYTES, len(content))
    at = int(rng.integers(edge)) if rng.random() < 0.6 else len(content) - 1 - int(rng.integers(edge))
    width = int(rng.choice([1, 2, 4, 8]))
    order: Literal["little", "big"] = "little" if rng.random() < 0.7 else "big"
    present = int.from_bytes(content[at : at + width], order)
    wanted = [*NUMBERS, present + 1, present - 1, present * 2, len(content), len(content) + 1]
    value = int(wanted[int(rng.integers(len(wanted)))]) % (1 << (8 * width))
    return content[:at] + value.to_bytes(width, order) + content[at + width :]


BINARY: tuple[Change, ...] = (
    change_bytes, change_edge, change_edge, flip_bit, cut, cut_a_little, grow, append, drop_block,
    repeat_block,
    move_block, blank_block, set_number, set_number, set_number,
)  # fmt: skip
