"""One file that holds everything a clinic keeps, made while its server runs.

First the originals are copied, then, at one moment of the database, what came since and all tables: so
nothing waits for a backup, and it holds one moment. A case that is deleted meanwhile is not in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cardiofusion import __version__
from cardiofusion.records import InputError, StorageError, replacing
from cardiofusion.serve.archive import HEAD, MANIFEST, Head, Manifest, Progress, Writing, described
from cardiofusion.serve.store import Store
from cardiofusion.serve.store.dump import dump, files_held, tables
from cardiofusion.serve.store.migrating import newest_revision
from cardiofusion.serve.store.originals import sync_folder
from cardiofusion.serve.store.tables import now

NOT_ENCRYPTED = (
    "A backup is not encrypted and holds patients' data: keep it where only those may read it who may."
)


def back_up(store: Store, path: Path, progress: Progress) -> Manifest:
    """Write a backup, whole or not at all, readable by its owner alone; an older one there is replaced.

    Raises InputError "backup.inside" for a place that deleting a case has to clear, StorageError.
    """
    inside = store.originals.folder.parent.resolve()
    if path.resolve().is_relative_to(inside):
        raise InputError(
            "backup.inside",
            "a backup cannot lie in the data folder",
            "choose another folder, or another disk",
        )
    with replacing(path) as temporary, _private(temporary) as out:
        manifest = _written(store, Writing(out), progress)
    sync_folder(path.parent)
    return manifest


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """A new file of its owner's alone, forced to the disk at the end."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())


def _written(store: Store, writing: Writing, progress: Progress) -> Manifest:
    head = Head(__version__, newest_revision(), now().isoformat())
    writing.add(HEAD, described(head))
    with store.look() as connection:
        held = files_held(connection.connection())
    missing = _copy(store, writing, set(held), progress)
    with store.look() as connection:
        held = files_held(connection.connection())
        missing = (missing & held.keys()) | _copy(store, writing, held.keys() - missing - _names(writing))
        lost = _still_held(store, missing)
        deleted = {case for sha256 in missing - lost for case in held[sha256]}
        rows = {
            table.name: sum(_part(writing, table.name, k, piece) for k, piece in enumerate(pieces, 1))
            for table in tables()
            for pieces in [dump(connection.connection(), table, deleted)]
        }
    manifest = Manifest(head, dict(writing.members), rows, tuple(sorted(lost)))
    writing.add(MANIFEST, manifest.to_bytes())
    writing.end()
    return manifest


def _copy(store: Store, writing: Writing, names: set[str], progress: Progress = lambda *_: None) -> set[str]:
    """Copy originals; those that are not there, or are damaged."""
    missing = set()
    for done, sha256 in enumerate(sorted(names), 1):
        try:
            writing.add(f"originals/{sha256[:2]}/{sha256}", store.originals.read(sha256))
        except StorageError:
            missing.add(sha256)
        progress(done, len(names))
    return missing


def _still_held(store: Store, missing: set[str]) -> set[str]:
    """Which of them belong to a case now: lost. The others belonged to cases that were deleted meanwhile."""
    if not missing:
        return set()
    with store.look() as connection:
        return missing & files_held(connection.connection()).keys()


def _part(writing: Writing, table: str, number: int, piece: bytes) -> int:
    writing.add(f"tables/{table}/{number:06}.jsonl", piece)
    return piece.count(b"\n")


def _names(writing: Writing) -> set[str]:
    """SHA-256 of the originals that are written."""
    return {name.rpartition("/")[2] for name in writing.members}
