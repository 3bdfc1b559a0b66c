"""A backup back into an empty folder and an empty database, of the same kind or the other.

The backup is read through and verified first. Then files are put aside and rows are inserted in one
transaction; at its end the files are moved to their place and the transaction is committed. Interrupted
whenever that is, nothing counts: the rows are not there, and the next restore clears what was put aside.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from cardiofusion.records import InputError, storage_errors
from cardiofusion.serve.archive import Manifest, Member, Progress, damaged, members, newer, opened, verified
from cardiofusion.serve.lock import FolderLock
from cardiofusion.serve.settings import Settings
from cardiofusion.serve.store import Store
from cardiofusion.serve.store.dump import files_held, is_empty, load, tables
from cardiofusion.serve.store.migrating import known_revisions, newest_revision
from cardiofusion.serve.store.originals import sync_folder


def restore(source: Path, settings: Settings, progress: Progress, expect: str | None = None) -> Manifest:
    """Fill an empty clinic from a backup. expect: the SHA-256 that `back_up` gave.

    Raises InputError "backup.damaged", "backup.newer", "backup.older", "backup.other", "backup.row",
    "restore.occupied", "serve.running"; StorageError. Then the clinic is as empty as before.
    """
    manifest = verified(source, progress)
    _check(manifest, expect)
    with FolderLock.acquire(settings.data), _emptied(settings) as store:
        with store.begin() as session:
            aside = _aside(store)
            _fill(session.connection(), source, manifest, aside, progress)
            _move(aside, store.originals.folder)
        store.tidy()
    return manifest


def _check(manifest: Manifest, expect: str | None) -> None:
    if expect is not None and expect.strip().lower() != manifest.sha256:
        raise InputError("backup.other", "this is not the backup with that hash", "look for the right file")
    newest, *older = known_revisions()
    if manifest.head.revision > newest:
        raise newer()
    if manifest.head.revision not in (newest, *older):
        raise InputError(
            "backup.older",
            f"this backup was made by version {manifest.head.version}, whose tables were others",
            "restore it with that version; this one brings its folder up to date when it starts on it",
        )


@contextmanager
def _emptied(settings: Settings) -> Iterator[Store]:
    """An empty store; what an unfinished restore left is cleared, and what this one leaves if it fails."""
    database = settings.data / "cardiofusion.db"
    made = settings.database is None and not database.exists()
    store = Store(settings.data, settings.database_url)
    try:
        _demand_empty(store)
        try:
            yield store
        except BaseException:
            shutil.rmtree(store.originals.folder, ignore_errors=True)
            shutil.rmtree(store.originals.incoming, ignore_errors=True)
            raise
    except BaseException:
        store.close()
        for left in settings.data.glob(f"{database.name}*") if made else ():
            left.unlink(missing_ok=True)
        raise
    store.close()


def _demand_empty(store: Store) -> None:
    with store.look() as session:
        empty = is_empty(session.connection())
    aside = _aside(store)
    if (
        empty and aside.exists()
    ):  # of a restore that did not come to its end: it had begun with an empty folder
        for left in (aside, store.originals.folder):
            shutil.rmtree(left)
        store.originals.folder.mkdir(mode=0o700)
    if not empty or store.originals.names():
        raise InputError(
            "restore.occupied",
            "there is something already: a restore needs an empty folder and an empty database",
            "choose another folder with --data (and another database), or move the old ones away",
        )


def _aside(store: Store) -> Path:
    return store.originals.incoming / "restore"


def _fill(connection: Connection, source: Path, manifest: Manifest, aside: Path, progress: Progress) -> None:
    """Put the files aside and insert the rows, each checked again: the file may have changed since."""
    with storage_errors(aside):
        aside.mkdir(mode=0o700)
    rows = dict.fromkeys(manifest.rows, 0)
    by_name = {table.name: table for table in tables()}
    older = manifest.head.revision != newest_revision()
    if not (rows.keys() <= by_name.keys() if older else rows.keys() == by_name.keys()):
        raise damaged("its tables are others")
    with opened(source) as (handle, total):
        for member in members(handle, progress, total):
            folder, *rest = member.name.split("/")
            if folder == "originals":
                _put(member, aside, manifest)
            elif folder == "tables":
                if rest[0] not in rows:
                    raise damaged("its tables are others")
                rows[rest[0]] += load(connection, by_name[rest[0]], _checked(member, manifest), older)
    if rows != manifest.rows:
        raise damaged("rows are missing")
    _match(aside, set(files_held(connection)), set(manifest.lost))


def _checked(member: Member, manifest: Manifest) -> bytes:
    content = member.content()
    if manifest.members.get(member.name) != (len(content), hashlib.sha256(content).hexdigest()):
        raise damaged("it changed while it was read")
    return content


def _put(member: Member, aside: Path, manifest: Manifest) -> None:
    """An original beside its place, under its hash."""
    folder, name = member.name.split("/")[1:]
    place, digest = aside / folder / name, hashlib.sha256()
    with storage_errors(place):
        place.parent.mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            for chunk in member.chunks:
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    if digest.hexdigest() != name or folder != name[:2] or manifest.members.get(member.name) is None:
        raise damaged("an original is not what its name says")


def _match(aside: Path, held: set[str], lost: set[str]) -> None:
    """Every case has its files, and no file is nobody's: its case was deleted while the backup was made."""
    found = {path.name: path for path in aside.glob("??/*")}
    if held - lost - found.keys():
        raise damaged("originals are missing")
    for name in found.keys() - held:
        found[name].unlink()


def _move(aside: Path, place: Path) -> None:
    with storage_errors(place):
        place.rmdir()
        aside.rename(place)
        for folder in (*place.iterdir(), place, place.parent):
            sync_folder(folder)
        aside.mkdir(mode=0o700)  # says until the end that this restore is not complete
