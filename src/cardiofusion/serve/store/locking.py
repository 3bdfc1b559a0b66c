"""Locks on files that the system itself releases when a process ends, however it ends."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

POLL_SECONDS = 0.02  # Windows only: there a lock cannot be waited for
FAR = 1 << 30  # Windows locks bytes: none that anybody wants to read


def open_locked(path: Path, *, exclusive: bool, wait: bool) -> int | None:
    """Open `path` (made where missing) and lock it; the open descriptor, None where `wait` is False and it is
    taken. The lock ends with `os.close`. Threads exclude each other too. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _locked(descriptor, exclusive, wait):
            if not wait:
                os.close(descriptor)
                return None
            time.sleep(POLL_SECONDS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def locked(path: Path, *, exclusive: bool) -> Iterator[None]:
    """Wait for a lock on `path`, and hold it through the block."""
    descriptor = open_locked(path, exclusive=exclusive, wait=True)
    assert descriptor is not None
    try:
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":

    def _locked(descriptor: int, exclusive: bool, wait: bool) -> bool:  # noqa: ARG001
        os.lseek(descriptor, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # always exclusive: that is slower, not wrong
        except OSError:
            return False
        return True

else:

    def _locked(descriptor: int, exclusive: bool, wait: bool) -> bool:
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class Gate:
    """Many may add at the same time; who removes is alone. Across threads and processes.

    The turnstile lets whoever removes be next: without it a stream of uploads would keep it waiting for ever.
    """

    def __init__(self, folder: Path) -> None:
        self._turnstile, self._room = folder / "turnstile.lock", folder / "files.lock"

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Nobody removes through the block."""
        with locked(self._turnstile, exclusive=True):
            room = open_locked(self._room, exclusive=False, wait=True)
        assert room is not None
        try:
            yield
        finally:
            os.close(room)

    @contextmanager
    def removing(self) -> Iterator[None]:
        """Nobody adds or removes through the block."""
        with locked(self._turnstile, exclusive=True), locked(self._room, exclusive=True):
            yield
