"""What the C library keeps of what threads have freed: seen in a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc's malloc")

HEAPS = """
import ctypes, threading
from cardiofusion.serve.memory import keep_little

if {tuned}:
    keep_little()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p]
libc.malloc_info.argtypes, libc.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
together = threading.Barrier(4)


def work():
    together.wait()
    libc.malloc(1000)
    together.wait()


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, out)
libc.fclose(out)
"""


def heaps(tuned: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", HEAPS.format(tuned=tuned)], capture_output=True, text=True, check=True
    )
    return done.stdout.count("<heap ")


@glibc
def test_threads_share_one_heap() -> None:
    assert heaps(tuned=True) < heaps(tuned=False)
    assert heaps(tuned=True) == 1
