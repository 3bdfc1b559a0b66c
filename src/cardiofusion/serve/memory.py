"""How the C library keeps what a long-running server has freed."""

from __future__ import annotations

import ctypes
import platform
from contextlib import suppress

# Parameters of mallopt(3), glibc.
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
LARGE_BYTES = 256 * 1024


def keep_little() -> None:
    """Have freed memory go back to the system: one heap for all threads, large pieces outside it.

    glibc gives each thread a heap of its own, and learns to keep ever larger pieces in them: a server whose
    requests come in threads grows for days without holding more. Elsewhere than on glibc nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(ARENA_MAX, 1)
        mallopt(MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(TRIM_THRESHOLD, LARGE_BYTES)
