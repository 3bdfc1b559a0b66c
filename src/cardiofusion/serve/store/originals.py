"""Original files, byte for byte, by their SHA-256.

A file is written beside its place, forced to the disk and then moved: what lies under a hash is whole, whatever
moment the machine stopped at. What was being written then lies in `incoming/` and is cleared at the next start.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from cardiofusion.records import StorageError

PRIVATE = 0o700


class Originals:
    """A folder of files named after what they hold. Safe to call from threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "originals"
        self._incoming = folder / "incoming"
        for part in (folder, self._folder, self._incoming):
            part.mkdir(mode=PRIVATE, parents=True, exist_ok=True)

    def keep(self, content: bytes) -> str:
        """Store a file; its SHA-256. Raises StorageError where the disk refuses, and nothing is left then."""
        name = hashlib.sha256(content).hexdigest()
        place = self.place(name)
        if place.exists():
            return name
        begun = self._incoming / secrets.token_hex(8)
        try:
            _write_through(begun, content)
            place.parent.mkdir(mode=PRIVATE, exist_ok=True)
            begun.replace(place)
            for folder in (place.parent, self._folder):
                _sync(folder)
        except OSError as error:
            begun.unlink(missing_ok=True)
            raise StorageError(
                "storage.refused",
                f"the file could not be kept: {(error.strerror or str(error)).lower()}",
                "make room on the disk, or check the folder's permissions; nothing was taken in",
            ) from error
        return name

    def read(self, sha256: str) -> bytes:
        """The file's bytes, checked against its name. Raises StorageError where it is gone or damaged."""
        try:
            content = self.place(sha256).read_bytes()
        except OSError as error:
            raise self._lost(sha256, "cannot be read") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise self._lost(sha256, "is damaged")
        return content

    def remove(self, sha256: str) -> None:
        """Delete a file, overwritten first; nothing happens where there is none."""
        place = self.place(sha256)
        try:
            size = place.stat().st_size
            with place.open("r+b") as handle:
                handle.write(bytes(size))
                handle.flush()
                os.fsync(handle.fileno())
        except FileNotFoundError:
            return
        place.unlink(missing_ok=True)
        _sync(place.parent)

    def clear_incoming(self) -> None:
        """Forget what was being written when the server last stopped. Only while nothing is uploaded."""
        for left in self._incoming.iterdir():
            left.unlink(missing_ok=True)

    def names(self) -> set[str]:
        """SHA-256 of every file there."""
        return {path.name for path in self._folder.glob("??/*")}

    def place(self, sha256: str) -> Path:
        """Where a file lies, or would."""
        return self._folder / sha256[:2] / sha256

    def _lost(self, sha256: str, how: str) -> StorageError:
        return StorageError(
            "storage.original", f"the original {sha256[:12]} {how}", "restore it from a backup"
        )


def _write_through(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _sync(folder: Path) -> None:
    """Force a folder's entries to the disk, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
