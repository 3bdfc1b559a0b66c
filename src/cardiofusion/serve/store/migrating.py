"""The tables brought to this version's, in one transaction: whole, or as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from cardiofusion.records import InputError
from cardiofusion.serve.store.database import connect, database_errors, reading

PACKAGE = "cardiofusion.serve.store"
ADVISORY_LOCK = 0x0CA2_D10F  # PostgreSQL: of two servers that start at the same time, one migrates


def open_database(url: str) -> Engine:
    """Connect, and bring the tables to this version. Raises InputError, StorageError, ExtraMissingError."""
    engine = connect(url)
    try:
        with database_errors():
            _migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def newest_revision() -> str:
    """The tables' version that this program writes."""
    with _scripts() as config:
        return str(ScriptDirectory.from_config(config).get_current_head())


def known_revisions() -> list[str]:
    """The versions of the tables that this program can bring to its own, the newest first."""
    with _scripts() as config:
        return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]


def _migrate(engine: Engine) -> None:
    with _scripts() as config:
        scripts = ScriptDirectory.from_config(config)
        with reading(engine).connect() as connection:
            if _checked_revision(connection, scripts) == scripts.get_current_head():
                return
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            _checked_revision(connection, scripts)  # another one may have been faster
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _checked_revision(connection: Connection, scripts: ScriptDirectory) -> str | None:
    """The version the tables have, None for none yet. Raises InputError "storage.newer"."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise InputError(
            "storage.newer",
            "this data folder was written by a newer version of CardioFusion",
            "install that version again, or restore an older backup into another folder",
        )
    return found


@contextmanager
def _scripts() -> Iterator[Config]:
    with as_file(files(PACKAGE) / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        yield config
