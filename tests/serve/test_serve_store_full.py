"""A disk that is full, for real: a file system of a few megabytes where the machine allows one, and a limit
on the size of files. What was answered stays, what was refused leaves nothing, and with room all goes on.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardiofusion.records import StorageError
from cardiofusion.serve.store import Search, Store

SMALL = 6 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("this process may not mount a small file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def consistent(store: Store, kept: dict[str, bytes]) -> None:
    """Exactly these cases, each with its file, and no other file."""
    every = list(store.every(Search()))
    assert {case.id: store.files_of(case)["a"] for case in every} == kept
    assert store.originals.names() == {file.sha256 for case in every for file in case.files}


def fill_up(store: Store) -> dict[str, bytes]:
    """Take in cases until the disk refuses."""
    kept: dict[str, bytes] = {}
    while True:
        content = os.urandom(60_000)
        try:
            kept[store.accept({"a": content}, {"note": "x" * 20_000}, patient="P")] = content
        except StorageError:
            return kept


def use_up(path: Path) -> None:
    """The last blocks of the disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as handle:
        while True:
            handle.write(bytes(4096))


def test_a_disk_that_fills_up(small_disk):
    url = f"sqlite:///{small_disk / 'data' / 'cardiofusion.db'}"
    store = Store(small_disk / "data", url)
    (small_disk / "somebody else's").write_bytes(bytes(1 << 20))
    kept = fill_up(store)
    assert len(kept) > 5
    use_up(small_disk / "more of it")
    for _ in range(3):
        with pytest.raises(StorageError):
            store.accept({"a": os.urandom(90_000)})
    consistent(store, kept)
    store.tidy()  # a server starts on a full disk: how else would room be made
    consistent(store, kept)
    (small_disk / "somebody else's").unlink()
    for case in list(kept)[:9]:
        store.delete(case)
        del kept[case]
    content = os.urandom(1000)
    kept[store.accept({"a": content})] = content
    consistent(store, kept)
    store.close()
    again = Store(small_disk / "data", url)
    consistent(again, kept)
    again.close()


LIMITED = """
import os, resource, signal, sys
from pathlib import Path
from cardiofusion.records import StorageError
from cardiofusion.serve.store import Search, Store
store = Store(Path(sys.argv[1]), sys.argv[2])
kept = store.accept({"a": b"small"})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    store.accept({"b": b"small too", "a": os.urandom(300_000)}, patient="P")
except StorageError as error:
    print(error.code)
assert [case.id for case in store.search(Search())[0]] == [kept]
assert len(store.originals.names()) == 1, store.originals.names()
assert not list(store.originals.incoming.iterdir())
print("kept")
"""


def test_a_file_that_cannot_be_written_leaves_nothing(store):
    folder, url = store.originals.folder.parent, store.engine.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder), url], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("storage.refused\nkept\n", "")
