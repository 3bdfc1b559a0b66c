"""`backup` and `restore` as the shell runs them."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("sqlalchemy")

from cardiofusion.serve.audit import Audit
from cardiofusion.serve.lock import FolderLock
from cardiofusion.serve.store import Search, Store


def opened(folder) -> Store:
    return Store(folder, f"sqlite:///{folder / 'cardiofusion.db'}")


@pytest.fixture
def clinic(tmp_path):
    """A data folder with two cases and an audit log."""
    store = opened(tmp_path / "clinic")
    store.accept({"a.hea": b"head", "a.dat": b"data"}, patient="P-1")
    store.accept({}, {"age": 61})
    Audit(store.engine).write("anna", "case.opened", n=1)
    store.close()
    return tmp_path / "clinic"


def test_there_and_back_while_a_server_runs(run, clinic, tmp_path):
    with FolderLock.acquire(clinic):
        ran = run("backup", tmp_path / "b", "--data", clinic)
    assert ran.code == 0
    assert "2 cases, 2 files, " in ran.out
    assert "WARNING: A backup is not encrypted and holds patients' data" in ran.err
    found = re.search(r"hash: ([0-9a-f]{64})", ran.out)
    assert found
    ran = run("restore", tmp_path / "b", "--data", tmp_path / "new", "--expect", found[1])
    assert ran.code == 0, ran.err
    assert "2 cases, 2 files, " in ran.out
    head = re.search(r"audit log: whole, head (2:[0-9a-f]{64})", ran.out)
    assert head
    store = opened(tmp_path / "new")
    assert [line.action for line in Audit(store.engine).lines()] == ["case.opened", "backup.restored"]
    assert store.search(Search())[1] == 2
    store.close()
    store = opened(clinic)
    assert [line.action for line in Audit(store.engine).lines()] == ["case.opened", "backup.made"]
    store.close()


def test_settings_say_which_clinic(run, clinic, tmp_path):
    (tmp_path / "clinic.toml").write_text(f'data = "{clinic.as_posix()}"\n', encoding="utf-8")
    assert run("backup", tmp_path / "b", "--settings", tmp_path / "clinic.toml").code == 0
    assert (tmp_path / "b").exists()


def test_mistakes(refused, clinic, tmp_path):
    said = refused("backup", tmp_path / "b", "--data", tmp_path / "mistyped")
    assert "backup.nothing" in said
    assert not (tmp_path / "mistyped").exists()
    assert "backup.inside" in refused("backup", clinic / "b", "--data", clinic)
    (tmp_path / "letter").write_text("dear colleague", encoding="utf-8")
    assert "backup.damaged" in refused("restore", tmp_path / "letter", "--data", tmp_path / "new")
    assert "storage." in refused("restore", tmp_path / "missing", "--data", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_full_clinic_is_not_overwritten(run, refused, clinic, tmp_path):
    run("backup", tmp_path / "b", "--data", clinic)
    assert "restore.occupied" in refused("restore", tmp_path / "b", "--data", clinic)
    assert "backup.other" in refused(
        "restore", tmp_path / "b", "--data", tmp_path / "x", "--expect", "0" * 64
    )


def test_lost_files_are_told(run, clinic, tmp_path):
    for path in clinic.glob("originals/*/*"):
        path.write_bytes(b"rot")
    ran = run("backup", tmp_path / "b", "--data", clinic)
    assert ran.code == 0
    assert "2 original files are gone or damaged" in ran.err
    assert (
        "2 original files are gone or damaged" in run("restore", tmp_path / "b", "--data", tmp_path / "n").err
    )
