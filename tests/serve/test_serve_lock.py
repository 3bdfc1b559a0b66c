"""One server a data folder."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from cardiofusion.records import InputError
from cardiofusion.serve.lock import FolderLock, running_address

HOLDER = """
import sys, time
from pathlib import Path
from cardiofusion.serve.lock import FolderLock
lock = FolderLock.acquire(Path(sys.argv[1]))
lock.publish("http://127.0.0.1:8321/")
print("held", flush=True)
time.sleep(600)
"""


def test_a_second_server_is_told_where_the_first_one_is(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=r"http://127\.0\.0\.1:8321/") as caught:
            FolderLock.acquire(tmp_path)
        assert caught.value.code == "serve.running"
        assert running_address(tmp_path) == "http://127.0.0.1:8321/"
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with FolderLock.acquire(tmp_path):  # free, however it ended
        assert running_address(tmp_path) is None


def test_the_same_process_cannot_take_it_twice(tmp_path):
    with FolderLock.acquire(tmp_path / "new folder") as lock:
        with pytest.raises(InputError, match="in use \\("):
            FolderLock.acquire(tmp_path / "new folder")
        lock.publish("http://a/")
        lock.publish("http://b/")
        assert running_address(tmp_path / "new folder") == "http://b/"
    assert running_address(tmp_path / "new folder") is None
    FolderLock.acquire(tmp_path / "new folder").release()


def test_the_lock_is_its_owners_alone(tmp_path):
    with FolderLock.acquire(tmp_path):
        assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_where_no_server_ever_was(tmp_path):
    assert running_address(tmp_path) is None
