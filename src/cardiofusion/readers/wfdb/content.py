"""Where the files of a record lie: beside its header on a disk, or in memory as they were uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Content(Protocol):
    """The files of a record by their plain names."""

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none of this name."""

    def read(self, name: str, start: int, count: int) -> NDArray[np.uint8]:
        """`count` bytes from `start`, fewer where the file ends before."""


@dataclass(frozen=True)
class Folder:
    """The files in a folder; only what is asked for is read."""

    path: Path

    def size(self, name: str) -> int | None:
        try:
            status = (self.path / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_size if S_ISREG(status.st_mode) else None

    def read(self, name: str, start: int, count: int) -> NDArray[np.uint8]:
        return np.fromfile(self.path / name, dtype=np.uint8, count=count, offset=start)


@dataclass(frozen=True)
class Uploads:
    """Files in memory. asked: the names of those that were looked for."""

    files: Mapping[str, bytes]
    asked: set[str] = field(default_factory=set)

    def size(self, name: str) -> int | None:
        self.asked.add(name)
        return len(self.files[name]) if name in self.files else None

    def read(self, name: str, start: int, count: int) -> NDArray[np.uint8]:
        return np.frombuffer(memoryview(self.files[name])[start : start + count], dtype=np.uint8)
