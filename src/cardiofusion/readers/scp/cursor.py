"""Little-endian numbers out of bytes, never beyond their end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.format import HINT
from cardiofusion.records import RecordingError


@dataclass
class Cursor:
    """A place in `content`. what: whose bytes these are, for messages. Raises RecordingError at the end."""

    content: bytes
    what: str
    position: int = 0

    @property
    def left(self) -> int:
        """Bytes still to read."""
        return len(self.content) - self.position

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > self.left:
            raise RecordingError(
                "recording.truncated", f"{self.what} ends {size - self.left} bytes too early", HINT
            )
        self.position += size
        return self.content[self.position - size : self.position]

    def number(self, size: int) -> int:
        """The next unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def records(self, layout: np.dtype[np.void], count: int) -> NDArray[np.void]:
        """The next `count` records of this layout."""
        return np.frombuffer(self.take(count * layout.itemsize), layout)
