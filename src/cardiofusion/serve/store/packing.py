"""A whole assessment as one column: JSON, compressed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from cardiofusion.records import StorageError

LARGEST_ASSESSMENT = 256 << 20  # bytes of JSON: a tampered database must not fill the memory


def pack(document: Mapping[str, Any]) -> bytes:
    """JSON, compressed."""
    return zlib.compress(json.dumps(document, allow_nan=False, separators=(",", ":")).encode(), 6)


def unpack(content: bytes) -> dict[str, Any]:
    """The inverse of `pack`. Raises StorageError where it is damaged."""
    unpacking = zlib.decompressobj()
    try:
        document: dict[str, Any] = json.loads(unpacking.decompress(content, LARGEST_ASSESSMENT))
    except (zlib.error, ValueError) as error:
        raise damaged_answer() from error
    return document


def damaged_answer() -> StorageError:
    """A kept answer is not what was written."""
    return StorageError(
        "storage.assessment", "a kept answer is damaged", "assess the case again, or restore a backup"
    )
