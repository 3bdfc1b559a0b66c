"""One server a data folder: a second one would assess the same cases and speak for the same port."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType

from cardiofusion.records import InputError, storage_errors
from cardiofusion.serve.store.locking import open_locked

NAME = "server.lock"
LONGEST_ADDRESS = 512


class FolderLock:
    """A data folder taken by this process. It is free again when the process ends, whatever ended it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, folder: Path) -> FolderLock:
        """Take the folder. Raises InputError "serve.running" with the address of who has it, StorageError."""
        path = folder / NAME
        with storage_errors(path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = open_locked(path, exclusive=True, wait=False)
        if descriptor is None:
            where = running_address(folder)
            raise InputError(
                "serve.running",
                f"this data folder is in use{f' by the server at {where}' if where else ''}",
                "open that address, end that server first, or choose another folder with --data",
            )
        lock = cls(path, descriptor)
        lock.publish("")
        return lock

    def publish(self, address: str) -> None:
        """Say where this server can be reached, for whoever tries to take the folder too."""
        assert self._descriptor is not None
        with storage_errors(self._path):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, address.encode()[:LONGEST_ADDRESS])

    def release(self) -> None:
        """Let others have the folder. The file stays: who waits for it has it open."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def running_address(folder: Path) -> str | None:
    """Where the server of a data folder says that it can be reached; None where it says nothing."""
    try:
        with (folder / NAME).open("rb") as handle:
            said = handle.read(LONGEST_ADDRESS).decode("utf-8", "replace").strip()
    except OSError:
        return None
    return said or None
