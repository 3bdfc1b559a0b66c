"""Small files that unfold into large ones: deflated DICOM, chunks of HDF5, pages of Parquet."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from changes_bytes import Rng
from specimens import writer

BOMB_BYTES = 1 << 28


def inflate_dicom(content: bytes, rng: Rng) -> bytes:
    """A deflated data set that unfolds to far more than it is."""
    del content
    uid = b"1.2.840.10008.1.2.1.99"
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(uid)) + uid
    group = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta))
    return bytes(128) + b"DICM" + group + meta + _raw_bomb(bool(rng.random() < 0.5))


@lru_cache
def _raw_bomb(whole: bool) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(BOMB_BYTES >> 20)) + deflater.flush()
    return packed if whole else packed[: len(packed) // 2]


@lru_cache
def _hdf5_bombs() -> tuple[bytes, ...]:
    """Chunks that unfold beyond their size, large ones of zeros, and a great many of them."""
    w = writer("hdf5")
    zeros = zlib.compress(bytes(1 << 26), 9)
    made = [w.with_chunk(zlib.compress(bytes(1 << 27), 9), compression="gzip")]
    for chunks in ((300, 4096, 12), (5000, 256, 12), (1000, 4096, 1), (1_000_000, 1, 12)):
        made.append(_many_chunks(w, chunks, zeros))
    return tuple(made)


def _many_chunks(w: ModuleType, chunks: tuple[int, int, int], zeros: bytes) -> bytes:
    """One ECG in chunks made for many, each of which unfolds to tens of megabytes of zeros."""
    size = 4 * int(np.prod(chunks))
    packed = zlib.compress(bytes(size), 9) if size != 1 << 26 else zeros
    corners = [(0, a, b) for a in range(0, 4096, chunks[1]) for b in range(0, 12, chunks[2])][:64]

    def build(file: Any) -> None:
        file["exam_id"] = np.array([7])
        how = {"chunks": chunks, "maxshape": (None, 4096, 12), "compression": "gzip"}
        dataset = file.create_dataset("tracings", (1, 4096, 12), "f4", **how)
        for corner in corners:
            dataset.id.write_direct_chunk(corner, packed)

    return bytes(w.made(build))


def unfold_hdf5(content: bytes, rng: Rng) -> bytes:
    del content
    bombs = _hdf5_bombs()
    return bombs[int(rng.integers(len(bombs)))]


@lru_cache
def _parquet_bombs() -> tuple[bytes, ...]:
    """Millions of equal samples in a few kilobytes."""
    import polars

    w = writer("table")
    zeros = polars.Series(np.zeros(1 << 24))
    return tuple(w.by_polars({"V1": zeros}, compression=how) for how in ("zstd", "gzip"))


def unfold_parquet(content: bytes, rng: Rng) -> bytes:
    del content
    bombs = _parquet_bombs()
    return bombs[int(rng.integers(len(bombs)))]
