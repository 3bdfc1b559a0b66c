"""A backup holds everything; a restore gives it back on either database; nothing tampered with gets in."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cardiofusion.records import CardioFusionError, InputError, StorageError
from cardiofusion.serve import Settings
from cardiofusion.serve.archive import HEAD, MANIFEST, verified
from cardiofusion.serve.audit import Audit
from cardiofusion.serve.backup import back_up
from cardiofusion.serve.lock import FolderLock
from cardiofusion.serve.restoring import restore
from cardiofusion.serve.store import Answered, Search, Store, unpack
from cardiofusion.serve.store.dump import columns, tables
from cardiofusion.serve.store.migrating import newest_revision
from cardiofusion.serve.store.tables import Account, ApiToken, Preference, Session


def quiet(done: int, total: int) -> None:
    """Progress that nobody watches."""
    assert 0 <= done <= total


def fill(store: Store) -> None:
    """A bit of everything that tables can hold."""
    batch = store.new_batch("Montag, Müller", "anna")
    first = store.accept(
        {"a.hea": b"head", "ä \U0001fac0.dat": bytes(range(256)) * 99}, {"age": 61.25}, batch=batch
    )
    second = store.accept({"a.hea": b"head"}, {"sex": "female", "known": None}, patient="MÜLLER, 'A\"; --")
    store.accept({}, {"age": 5})
    store.save_refusal(second, "recording.truncated", "it ends early", "send it again")
    store.save_answer(
        first,
        Answered(
            {"x": [0.1, "é"]}, {"findings": []}, "P-9", datetime(1999, 12, 31, 23, 59, 59, 999_999),
            0.1 + 0.2, "male", "fair", "f" * 64, np.array([1.5, -0.0], np.float32),
        ),
    )  # fmt: skip
    store.add_outcome(first, "mi", "MI", "present", note="line\nline", actor="anna")
    moment = datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC)
    with store.begin() as connection:
        account = Account(name="anna", role="admin", password="$argon2id$...", disabled=True)
        connection.add(account)
        connection.flush()
        connection.add(ApiToken(token_hash="1" * 64, account_id=account.id, name="cart", expires=moment))
        connection.add(Session(token_hash="2" * 64, account_id=account.id))
        connection.add_all([Preference(name="language", value="fr"), Preference(name="none", value=None)])
    audit = Audit(store.engine)
    for k in range(5):
        audit.write("anna", "case.opened", first, n=k, share=0.1 * k)


def rows(store: Store) -> dict[str, list[str]]:
    """Every row of every table that a backup holds, but for numbers that only one database knows."""
    with store.look() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(*columns(table))))) for table in tables()
        }


def place_for(tmp_path: Path, url: str | None) -> Settings:
    return Settings(data=tmp_path / f"restored-{os.urandom(4).hex()}", database=url)


@pytest.fixture(params=["to sqlite", "to postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """An empty clinic of either kind."""
    if request.param == "to sqlite":
        return place_for(tmp_path, None)
    return place_for(tmp_path, request.getfixturevalue("postgresql").database())


@pytest.fixture
def made(store: Store, tmp_path: Path) -> Path:
    """A backup of a clinic with a bit of everything."""
    fill(store)
    back_up(store, tmp_path / "clinic.backup", quiet)
    return tmp_path / "clinic.backup"


@pytest.fixture
def opened() -> Iterator[Callable[[Settings], Store]]:
    found: list[Store] = []

    def call(place: Settings) -> Store:
        found.append(Store(place.data, place.database_url))
        return found[-1]

    yield call
    for store in found:
        store.close()


# --- there and back ----------------------------------------------------------------------------------------


def test_a_restored_clinic_is_the_same(store, made, target, opened):
    manifest = restore(made, target, quiet)
    again = opened(target)
    assert rows(again) == rows(store)
    assert manifest.rows == {name: len(found) for name, found in rows(store).items()}
    assert manifest.lost == ()
    with again.look() as connection:
        assert list(connection.scalars(select(Session))) == []  # who has signed in here has not there
    for case in again.every(Search()):
        assert again.files_of(case) == store.files_of(store.case(case.id))
    assert Audit(again.engine).verify() == Audit(store.engine).verify()
    answer = next(again.case(case.id) for case in again.every(Search(status="assessed")))
    assert unpack(answer.assessment) == {"x": [0.1, "é"]}
    assert again.originals.names() == store.originals.names()
    assert list(again.originals.incoming.iterdir()) == []
    again.accept({"b": b"new"}, patient="P-9")  # and goes on
    Audit(again.engine).write("anna", "case.opened")
    assert Audit(again.engine).verify().lines == 6


def test_any_tar_can_open_it(made):
    with tarfile.open(made) as archive:
        names = archive.getnames()
        assert names[0] == HEAD
        assert names[-1] == MANIFEST
        manifest = json.load(archive.extractfile(MANIFEST))
        for name, (size, sha256) in manifest["members"].items():
            content = archive.extractfile(name).read()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (size, sha256)
        assert names[:-1] == list(manifest["members"]) or set(names[:-1]) == set(manifest["members"])
    assert made.stat().st_mode & 0o777 == 0o600


def test_large_tables_come_in_parts(store, tmp_path, target, opened, monkeypatch):
    monkeypatch.setattr("cardiofusion.serve.store.dump.PART_BYTES", 400)
    monkeypatch.setattr("cardiofusion.serve.store.dump.ROWS", 3)
    for k in range(17):
        store.accept({}, {"k": k})
    manifest = back_up(store, tmp_path / "b", quiet)
    assert sum(name.startswith("tables/ecg_case/") for name in manifest.members) > 3
    restore(tmp_path / "b", target, quiet)
    assert rows(opened(target)) == rows(store)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_an_empty_clinic(store, tmp_path, target, opened):
    back_up(store, tmp_path / "b", quiet)
    restore(tmp_path / "b", target, quiet)
    assert rows(opened(target)) == rows(store)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
cases = st.lists(
    st.tuples(
        st.dictionaries(st.text(max_size=9), st.binary(max_size=99), min_size=1, max_size=3),
        st.dictionaries(st.text(max_size=9), json_values, max_size=3),
        st.text(max_size=9),
    ),
    max_size=4,
)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases)
def test_whatever_was_taken_in_comes_back(new_store, new_url, kind, tmp_path, taken):
    store = new_store()
    kept = {store.accept(files, row, patient=patient): files for files, row, patient in taken}
    path = tmp_path / "b"
    manifest = back_up(store, path, quiet)
    place = place_for(tmp_path, new_url() if kind == "sqlite" else None)  # the other one's settings differ
    restore(path, place, quiet, manifest.sha256)
    again = Store(place.data, place.database_url)
    assert rows(again) == rows(store)
    assert {case.id: len(again.files_of(case)) for case in again.every(Search())} == {
        case: len(files) for case, files in kept.items()
    }
    again.close()


# --- while the server runs ---------------------------------------------------------------------------------


def test_a_backup_while_cases_come_and_go(store, tmp_path, target, opened):
    """Every case in it is whole, every case that was there all the time is in it."""
    steady = {store.accept({"a": os.urandom(9)}) for _ in range(20)}
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            case = store.accept({"a": os.urandom(9), "b": b"shared"}, patient="P")
            store.accept({"a": os.urandom(9)}, {"k": 1})
            store.delete(case)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            back_up(store, tmp_path / "b", quiet)
            assert verified(tmp_path / "b", quiet).lost == ()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    restore(tmp_path / "b", target, quiet)
    again = opened(target)
    every = list(again.every(Search()))
    assert steady <= {case.id for case in every}
    assert all(again.files_of(case) for case in every if case.files)
    assert again.originals.names() == {file.sha256 for case in every for file in case.files}


def test_a_case_deleted_between_copying_and_counting_is_not_in_it(
    store, tmp_path, target, opened, monkeypatch
):
    kept, gone = store.accept({"a": b"kept"}), store.accept({"a": b"gone"}, patient="P-gone")
    read = store.originals.read

    def late(sha256: str) -> bytes:  # the moment in which somebody deletes it
        if any(case.id == gone for case in store.every(Search())):
            store.delete(gone)
        return read(sha256)

    monkeypatch.setattr(store.originals, "read", late)
    manifest = back_up(store, tmp_path / "b", quiet)
    assert manifest.lost == ()
    restore(tmp_path / "b", target, quiet)
    assert [case.id for case in opened(target).every(Search())] == [kept]
    assert b"P-gone" not in (tmp_path / "b").read_bytes()


def test_a_damaged_original_does_not_stop_a_backup(store, tmp_path, target, opened):
    bad = store.case(store.accept({"a": b"bad"}))
    store.accept({"a": b"good"})
    store.originals.place(bad.files[0].sha256).write_bytes(b"BAD")
    manifest = back_up(store, tmp_path / "b", quiet)
    assert manifest.lost == (bad.files[0].sha256,)
    assert restore(tmp_path / "b", target, quiet).lost == manifest.lost
    again = opened(target)
    with pytest.raises(StorageError):
        again.files_of(again.case(bad.id))
    assert len(list(again.every(Search()))) == 2


# --- what must not be overwritten --------------------------------------------------------------------------


def test_a_clinic_with_something_in_it_is_refused(made, target, opened):
    first = opened(target)
    case = first.accept({"a": b"mine"})
    with pytest.raises(InputError) as caught:
        restore(made, target, quiet)
    assert caught.value.code == "restore.occupied"
    assert first.files_of(first.case(case)) == {"a": b"mine"}


def test_originals_without_their_database_are_refused(made, tmp_path):
    place = place_for(tmp_path, None)
    store = Store(place.data, place.database_url)
    sha256 = store.originals.keep(b"all that is left")
    store.close()
    (place.data / "cardiofusion.db").unlink()
    with pytest.raises(InputError) as caught:
        restore(made, place, quiet)
    assert caught.value.code == "restore.occupied"
    assert store.originals.read(sha256) == b"all that is left"


def test_a_server_that_runs_is_left_alone(made, target):
    with FolderLock.acquire(target.data):
        with pytest.raises(InputError) as caught:
            restore(made, target, quiet)
        assert caught.value.code == "serve.running"


def test_a_backup_in_the_data_folder_is_refused(store):
    folder = store.originals.folder.parent
    for place in (folder / "b", folder / "originals" / "x" / "b"):
        with pytest.raises(InputError) as caught:
            back_up(store, place, quiet)
        assert caught.value.code == "backup.inside"
    assert not (folder / "b").exists()


# --- tampered with -----------------------------------------------------------------------------------------


def members_of(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]


def rewritten(path: Path, parts: list[tuple[tarfile.TarInfo, bytes]], honest: bool = False) -> None:
    """A tar of these members. honest: with a manifest that fits them, as who knows the format would write."""
    if honest:
        manifest = json.loads(parts[-1][1])
        manifest["members"] = {
            member.name: [len(content), hashlib.sha256(content).hexdigest()] for member, content in parts[:-1]
        }
        parts = [*parts[:-1], (parts[-1][0], json.dumps(manifest).encode())]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member, content in parts:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))


def refused(path: Path, place: Settings) -> str:
    """The code with which it is refused; nothing was written."""
    with pytest.raises(CardioFusionError) as caught:
        restore(path, place, quiet)
    assert not (place.data / "cardiofusion.db").exists()
    assert not list(place.data.glob("originals/*/*")) if place.data.exists() else True
    return caught.value.code


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


INTRUDERS = {
    "climbs": (member("../../evil"), b"x"),
    "climbs inside": (member("originals/../../evil"), b"x"),
    "absolute": (member("/tmp/evil"), b"x"),
    "another name": (member("originals/aa/evil.sh"), b"x"),
    "symbolic link": (member("originals/aa/" + "a" * 64, tarfile.SYMTYPE, "/etc/passwd"), b""),
    "hard link": (member("originals/aa/" + "a" * 64, tarfile.LNKTYPE, HEAD), b""),
    "device": (member("originals/aa/" + "a" * 64, tarfile.CHRTYPE), b""),
    "pipe": (member("originals/aa/" + "a" * 64, tarfile.FIFOTYPE), b""),
    "folder": (member("originals", tarfile.DIRTYPE), b""),
    "wrong hash": (member("originals/aa/" + "a" * 64), b"x"),
    "wrong folder": (member("originals/bb/" + hashlib.sha256(b"x").hexdigest()), b"x"),
    "another table": (member("tables/sqlite_master/000001.jsonl"), b"{}"),
    "no row": (member("tables/patient/000009.jsonl"), b'{"id": 1}\n'),
    "no text": (member("tables/patient/000009.jsonl"), b"\xff\xfe\n"),
    "a deep row": (member("tables/patient/000009.jsonl"), b"[" * 100_000),
    "a second patient": (
        member("tables/patient/000009.jsonl"),
        json.dumps({"id": "0" * 32, "identifier": "P-0"}).encode() + b"\n",
    ),
    "half a letter": (
        member("tables/patient/000009.jsonl"),
        json.dumps({"id": "0" * 32, "identifier": "\ud800"}).encode() + b"\n",
    ),
    "nul": (member("tables/preference/000009.jsonl"), b'{"name": "a\\u0000", "value": 1}\n'),
}


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("name", INTRUDERS)
@pytest.mark.parametrize("honest", [False, True])
def test_what_does_not_belong_there_is_refused_whole(made, tmp_path, name, honest):
    parts = members_of(made)
    rewritten(made, [*parts[:-1], INTRUDERS[name], parts[-1]], honest)
    place = place_for(tmp_path, None)
    assert refused(made, place) in {"backup.damaged", "backup.row"}
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", ["sqlite"])
def test_members_that_are_missing_or_twice(made, tmp_path):
    parts = members_of(made)
    for wrong in ([*parts[:2], parts[1], *parts[2:]], [*parts, parts[-1]], parts[1:], parts[:-1], []):
        rewritten(made, wrong)
        assert refused(made, place_for(tmp_path, None)) == "backup.damaged"
    for k, (part, _) in enumerate(parts[1:-1], 1):
        rewritten(made, parts[:k] + parts[k + 1 :], honest=True)
        assert refused(made, place_for(tmp_path, None)).split(".")[0] in {"backup", "storage"}, part.name


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_backup_cut_off_anywhere_or_with_any_byte_changed(made, tmp_path):
    whole = made.read_bytes()
    chance = np.random.default_rng(7)
    end = whole.rstrip(b"\0")  # the last blocks are empty
    for cut in [0, 1, 511, 512, len(end) - 1, *chance.integers(0, len(end), 20)]:
        made.write_bytes(whole[:cut])
        with pytest.raises(InputError):
            verified(made, quiet)
    wrong = 0
    for spot in chance.integers(0, len(end), 60):
        made.write_bytes(whole[:spot] + bytes([whole[spot] ^ 0x55]) + whole[spot + 1 :])
        try:
            changed = verified(made, quiet)
        except InputError:
            wrong += 1
        else:  # padding, or a header's words about owner and date
            made.write_bytes(whole)
            assert changed == verified(made, quiet)
    assert wrong > 40


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    "content",
    [b"", b"letter" * 999, b"\x1f\x8b\x08" + b"\0" * 999, b"PK\x03\x04" + b"\0" * 2000],
    ids=range(4),
)
def test_files_that_are_no_backup(store, tmp_path, content):
    (tmp_path / "b").write_bytes(content)
    assert refused(tmp_path / "b", place_for(tmp_path, None)) == "backup.damaged"
    with pytest.raises(StorageError):
        verified(tmp_path / "no such file", quiet)


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("format", 2, "backup.newer"),
        ("revision", "9999", "backup.newer"),
        ("revision", "0000", "backup.older"),
    ],
)
def test_versions(made, tmp_path, name, value, code):
    parts = members_of(made)
    head = json.loads(parts[0][1]) | {name: value}
    manifest = json.loads(parts[-1][1]) | {"head": head}
    parts = [
        (parts[0][0], json.dumps(head).encode()),
        *parts[1:-1],
        (parts[-1][0], json.dumps(manifest).encode()),
    ]
    rewritten(made, parts, honest=True)
    assert refused(made, place_for(tmp_path, None)) == code


def as_by_0001(content: bytes) -> bytes:
    """Lines of a table without the column that came later."""
    lines = [json.loads(line) for line in content.splitlines()]
    for line in lines:
        line.pop("corrections", None)
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def by_0001(made: Path, revision: str = "0001") -> Path:
    """The same backup as the tables' first version had made it."""
    parts = [
        (info, as_by_0001(content) if info.name.startswith("tables/") else content)
        for info, content in members_of(made)
    ]
    head = json.loads(parts[0][1]) | {"revision": revision}
    manifest = json.loads(parts[-1][1]) | {"head": head}
    parts[0], parts[-1] = (
        (parts[0][0], json.dumps(head).encode()),
        (parts[-1][0], json.dumps(manifest).encode()),
    )
    rewritten(made, parts, honest=True)
    return made


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_backup_by_an_earlier_version_is_restored(store, made, target, opened):
    expected = rows(store)
    restore(by_0001(made), target, quiet)
    assert rows(opened(target)) == expected


@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_an_earlier_version_may_lack_this_one_may_not(made, tmp_path):
    assert refused(by_0001(made, newest_revision()), place_for(tmp_path, None)) == "backup.row"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_the_hash_pins_the_backup(store, made, tmp_path):
    with pytest.raises(InputError) as caught:
        restore(made, place_for(tmp_path, None), quiet, "0" * 64)
    assert caught.value.code == "backup.other"
    restore(made, place_for(tmp_path, None), quiet, verified(made, quiet).sha256.upper())


# --- interrupted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_restore_that_is_interrupted_leaves_nothing(made, tmp_path, target, opened, monkeypatch):
    """At every step of it: what is there then is empty, and can be restored into."""
    from cardiofusion.serve import restoring

    for step in ("load", "_match", "_move"):
        act = getattr(restoring, step)

        def interrupted(*given: object, act: Callable[..., object] = act) -> None:
            act(*given)
            raise KeyboardInterrupt

        monkeypatch.setattr(restoring, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            restore(made, target, quiet)
        monkeypatch.undo()
        assert (target.data / "cardiofusion.db").exists() is False
        assert not list(target.data.glob("originals/*/*"))
    restore(made, target, quiet)
    assert len(list(opened(target).every(Search()))) == 3


RESTORE = """
import sys
from pathlib import Path
from cardiofusion.serve import Settings
from cardiofusion.serve.restoring import restore
sys.stdin.readline()
restore(Path(sys.argv[1]), Settings(data=Path(sys.argv[2]), database=sys.argv[3] or None), lambda *_: None)
"""


def test_a_restore_that_is_killed_can_be_done_again(store, tmp_path, target, opened):
    for _ in range(60):
        store.accept({"a": os.urandom(20_000)})
    back_up(store, tmp_path / "b", quiet)
    chance = np.random.default_rng(3)
    for delay in chance.uniform(0.02, 0.3, 4):
        process = subprocess.Popen(
            [sys.executable, "-c", RESTORE, tmp_path / "b", target.data, target.database or ""],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        process.stdin.write(b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not (target.data / "incoming" / "restore").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(delay / 3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        again = Store(target.data, target.database_url)
        found = again.search(Search())[1]
        again.close()
        assert found in (0, 60)
        if found:
            break
    else:
        restore(tmp_path / "b", target, quiet)
    assert rows(opened(target)) == rows(store)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_backup_that_is_interrupted_leaves_the_older_one(store, tmp_path):
    store.accept({"a": b"a"})
    back_up(store, tmp_path / "b", quiet)
    before = (tmp_path / "b").read_bytes()

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(store, tmp_path / "b", stop)
    assert (tmp_path / "b").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["b"]


FULL = """
import resource, signal, sys
from pathlib import Path
from cardiofusion.records import StorageError
from cardiofusion.serve.backup import back_up
from cardiofusion.serve.store import Store
store = Store(Path(sys.argv[1]), f"sqlite:///{sys.argv[1]}/cardiofusion.db")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    back_up(store, Path(sys.argv[2]), lambda *_: None)
except StorageError as error:
    print(error.code)
"""


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_disk_that_is_full_leaves_no_backup(store, tmp_path):
    for _ in range(5):
        store.accept({"a": os.urandom(99_000)})
    folder = store.originals.folder.parent
    done = subprocess.run(
        [sys.executable, "-c", FULL, folder, tmp_path / "b"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "storage.write\n"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
