"""The tables' versions: from nothing to the newest, the same as the code's, and never from a newer one."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from cardiofusion.records import InputError, StorageError
from cardiofusion.serve.store import Search, Store
from cardiofusion.serve.store.migrating import _scripts, known_revisions, newest_revision, open_database
from cardiofusion.serve.store.tables import Table


def differences(engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, Table.metadata))


def revision(engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_migrations_and_tables_are_equal(new_url):
    engine = open_database(new_url())
    assert differences(engine) == []
    assert revision(engine) == newest_revision()
    with engine.begin() as connection:  # the comparison does see what is missing
        connection.execute(text("ALTER TABLE outcome DROP COLUMN note"))
    assert differences(engine) != []
    engine.dispose()


def test_opening_again_changes_nothing(new_url, tmp_path):
    url = new_url()
    first = Store(tmp_path / "data", url)
    case = first.accept({"a": b"a"})
    first.close()
    second = Store(tmp_path / "data", url)
    assert second.case(case).status == "received"
    assert differences(second.engine) == []
    second.close()


def test_a_newer_version_is_refused_and_left_as_it_is(new_url, tmp_path):
    url = new_url()
    store = Store(tmp_path / "data", url)
    case = store.accept({"a": b"a"})
    with store.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError) as caught:
        Store(tmp_path / "data", url)
    assert caught.value.code == "storage.newer"
    assert revision(store.engine) == "9999"
    assert store.case(case).id == case
    store.close()


def test_tables_of_the_first_version_are_brought_up_to_date_with_what_they_hold(new_url, tmp_path):
    url = new_url()
    store = Store(tmp_path / "data", url)
    case = store.accept({"a": b"a"}, {"age": 61}, patient="P-1")
    with store.begin() as connection:
        connection.execute(text("ALTER TABLE ecg_case DROP COLUMN corrections"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert differences(store.engine) != []
    store.close()
    store = Store(tmp_path / "data", url)
    assert (differences(store.engine), revision(store.engine)) == ([], newest_revision())
    store.correct(case, {"age": 44}, "P-1", "anna")
    kept = store.case(case)
    assert (kept.row, [one["row"] for one in kept.corrections]) == ({"age": 44}, [{"age": 61}])
    store.close()


def test_a_migration_that_fails_leaves_nothing(new_url, monkeypatch):
    from alembic import op

    url = new_url()
    make, made = op.create_table, []

    def stumble(name, *parts, **options):
        made.append(name)
        if len(made) == 6:
            raise RuntimeError("stumbled")
        return make(name, *parts, **options)

    monkeypatch.setattr(op, "create_table", stumble)
    with pytest.raises(RuntimeError):
        open_database(url)
    monkeypatch.undo()
    engine = open_database(url)
    assert differences(engine) == []
    engine.dispose()


FIRST_START = """
import sys
from pathlib import Path
from cardiofusion.serve.store import Store
sys.stdin.readline()
store = Store(Path(sys.argv[1]), sys.argv[2])
print(store.accept({"a": b"a"}, patient="P"))
store.close()
"""


def test_first_starts_at_the_same_time(new_url, tmp_path):
    url = new_url()
    starting = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", FIRST_START, str(tmp_path / "data"), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in starting:
        process.stdin.write("go\n")
        process.stdin.flush()
    cases = {process.communicate(timeout=120)[0].strip() for process in starting}
    assert [process.returncode for process in starting] == [0] * 4
    store = Store(tmp_path / "data", url)
    assert {case.id for case in store.search(Search())[0]} == cases
    assert len(cases) == 4
    assert differences(store.engine) == []
    store.close()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nonsense", "serve.database"),
        ("mysql://host/name", "serve.database"),
        ("sqlite://", "serve.database"),
        ("sqlite:///:memory:", "serve.database"),
        ("nosuch://x", "serve.database"),
    ],
)
def test_urls_that_are_none(url, code):
    with pytest.raises(InputError) as caught:
        open_database(url)
    assert caught.value.code == code


def test_databases_that_cannot_be_reached(tmp_path):
    for url in (
        "postgresql://clinic:secret-word@127.0.0.1:1/clinic",
        f"sqlite:///{tmp_path / 'no such folder' / 'x.db'}",
    ):
        with pytest.raises(StorageError) as caught:
            open_database(url)
        assert "secret-word" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "x.db").write_bytes(b"this is a letter, not a database" * 99)
    with pytest.raises(StorageError):
        open_database(f"sqlite:///{tmp_path / 'x.db'}")


def test_a_database_of_another_encoding_is_refused(postgresql):
    with pytest.raises(InputError) as caught:
        open_database(postgresql.database("SQL_ASCII", "C"))
    assert caught.value.code == "serve.encoding"


@pytest.mark.parametrize("kind", ["postgresql"])
def test_a_database_with_somebody_elses_tables(new_url):
    url = new_url()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE patient (name text)"))
    engine.dispose()
    with pytest.raises(StorageError, match="already exists"):
        open_database(url)


@pytest.mark.parametrize("kind", ["postgresql"])
def test_the_servers_time_zone_does_not_matter(postgresql, new_url, tmp_path):
    postgresql.administer("ALTER ROLE clinic SET timezone = 'Asia/Kolkata'")
    try:
        store = Store(tmp_path / "data", new_url())
        case = store.case(store.accept({"a": b"a"}))
        with store.look() as connection:
            assert connection.scalar(text("SHOW timezone")) == "UTC"
        assert case.created.utcoffset().total_seconds() == 0
        store.close()
    finally:
        postgresql.administer("ALTER ROLE clinic RESET timezone")


def test_no_error_repeats_a_value(new_url, tmp_path):
    """Values are patients' data, and errors end in logs."""
    import traceback

    from cardiofusion.serve.store.tables import Patient

    store = Store(tmp_path / "data", new_url())
    with pytest.raises(StorageError) as caught, store.begin() as connection:
        connection.add_all([Patient(identifier="SECRET-4711"), Patient(identifier="SECRET-4711")])
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))
    store.close()


def test_migrations_after_the_first_only_add_what_may_be_empty(tmp_path):
    """Backups by earlier versions rest on it: see `store.dump.load`."""
    engine = create_engine(f"sqlite:///{tmp_path / 'first.db'}")
    with engine.begin() as connection, _scripts() as config:
        config.attributes["connection"] = connection
        command.upgrade(config, known_revisions()[-1])
    first = {name: inspect(engine).get_columns(name) for name in inspect(engine).get_table_names()}
    engine.dispose()
    for table in Table.metadata.tables.values():
        before = {column["name"]: column for column in first.get(table.name, [])}
        assert before.keys() <= set(table.columns.keys())
        for column in table.columns if before else []:
            assert column.name in before or column.nullable, f"{table.name}.{column.name}"
            known = before.get(column.name)
            assert known is None or (column.nullable or not known["nullable"]), column.name
