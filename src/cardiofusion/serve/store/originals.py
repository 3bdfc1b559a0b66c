"""Original files, byte for byte, by their SHA-256.

A file is written beside its place, forced to the disk and then moved: what lies under a hash is whole,
whatever moment the machine stopped at. Before it is moved there, a mark says that no case may hold it yet;
before a case is deleted, that none may hold it any more. `Store.settle` looks at the marks: nothing else is
ever removed, so a folder that meets the wrong database loses nothing.

    originals/ab/ab12...    files
    incoming/<random>       being written; `incoming/<sha256>.mark` the marks
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cardiofusion.records import StorageError, storage_errors

PRIVATE = 0o700
CHUNK = 1 << 20
MARK = ".mark"


class Originals:
    """A folder of files named after what they hold. Safe to call from threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "originals"
        self.incoming = folder / "incoming"
        for part in (folder, self.folder, self.incoming):
            with storage_errors(part):
                part.mkdir(mode=PRIVATE, parents=True, exist_ok=True)

    def keep(self, content: bytes) -> str:
        """Store a file, marked; its SHA-256. Raises StorageError where the disk refuses."""
        name = hashlib.sha256(content).hexdigest()
        place, begun = self.place(name), self.incoming / secrets.token_hex(8)
        with _refusals():
            self.mark([name])
            place.parent.mkdir(mode=PRIVATE, exist_ok=True)
            if not self._is_whole(name):
                try:
                    _write_through(begun, content)
                    begun.replace(place)
                finally:
                    begun.unlink(missing_ok=True)
            for folder in (place.parent, self.folder):
                sync_folder(folder)
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
        """Delete a file, overwritten first; nothing happens where there is none. Raises StorageError."""
        place = self.place(sha256)
        with storage_errors(place):
            try:
                _overwrite(place)
            except FileNotFoundError:
                return
            place.unlink(missing_ok=True)
            sync_folder(place.parent)

    def mark(self, names: Iterable[str]) -> None:
        """Say that no case may hold these files. Raises StorageError."""
        with _refusals():
            for name in names:
                (self.incoming / f"{name}{MARK}").touch(mode=0o600)

    def unmark(self, names: Iterable[str]) -> None:
        """A case holds them, or they are gone."""
        for name in names:
            (self.incoming / f"{name}{MARK}").unlink(missing_ok=True)

    def marked(self) -> set[str]:
        """SHA-256 of what is marked."""
        return {path.stem for path in self.incoming.glob(f"*{MARK}")}

    def clear_incoming(self) -> None:
        """Forget what was being written when the server last stopped. Only while nothing is uploaded."""
        with storage_errors(self.incoming):
            for left in self.incoming.iterdir():
                if left.is_dir():
                    shutil.rmtree(left)
                elif left.suffix != MARK:
                    left.unlink(missing_ok=True)

    def names(self) -> set[str]:
        """SHA-256 of every file there."""
        return {path.name for path in self.folder.glob("??/*")}

    def place(self, sha256: str) -> Path:
        """Where a file lies, or would."""
        return self.folder / sha256[:2] / sha256

    def _is_whole(self, sha256: str) -> bool:
        """Whether it is there already; a damaged one is written anew."""
        try:
            with self.place(sha256).open("rb") as handle:
                return hashlib.file_digest(handle, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False

    def _lost(self, sha256: str, how: str) -> StorageError:
        return StorageError(
            "storage.original", f"the original {sha256[:12]} {how}", "restore it from a backup"
        )


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            "storage.refused",
            f"the folder of files refuses: {(error.strerror or str(error)).lower()}",
            "make room on the disk, or check the folder's permissions; nothing was changed",
        ) from error


def _write_through(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _overwrite(path: Path) -> None:
    """Zeros in place of its bytes: a file system without copies keeps nothing to undelete."""
    with path.open("r+b") as handle:
        left = os.fstat(handle.fileno()).st_size
        while left:
            left -= handle.write(bytes(min(CHUNK, left)))
        handle.flush()
        os.fsync(handle.fileno())
