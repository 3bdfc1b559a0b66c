"""A database behind a URL: SQLite in the data folder, or PostgreSQL for a shared server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from cardiofusion.records import ExtraMissingError, InputError, StorageError

BUSY_SECONDS = 30  # a writer waits so long for another one
MIGRATIONS = "cardiofusion.serve.store"


def open_database(url: str) -> Engine:
    """Connect, and bring the tables to this version. Raises InputError, StorageError, ExtraMissingError."""
    engine = _engine(url)
    with database_errors():
        _migrate(engine)
    return engine


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn a database that cannot be reached, or refuses, into StorageError; never with values in it."""
    try:
        yield
    except OperationalError as error:
        what = str(error.orig).splitlines()[0][:200] if error.orig else "no answer"
        raise StorageError(
            "storage.database",
            f"the database refuses: {what}",
            "see whether it runs, the disk has room and the folder may be written",
        ) from error


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except ArgumentError as error:
        raise InputError(
            "serve.database", "this is no database URL", "for example postgresql://user:password@host/name"
        ) from error
    except NoSuchModuleError as error:
        raise InputError(
            "serve.database", "this database is not known", "SQLite or PostgreSQL are"
        ) from error
    except ImportError as error:
        raise ExtraMissingError("PostgreSQL", "postgresql") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_ways)
        if parsed.database:
            Path(parsed.database).touch(mode=0o600)
    return engine


def _sqlite_ways(connection: object, _: ConnectionPoolEntry) -> None:
    """Readers beside a writer; a commit is on the disk before it counts; what is deleted is overwritten."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(engine: Engine) -> None:
    """From whatever version the tables have to the newest; a newer one than ours is refused."""
    with as_file(files(MIGRATIONS) / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        known = {script.revision for script in scripts.walk_revisions()}
        if found is not None and found not in known:
            raise InputError(
                "storage.newer",
                "this data folder was written by a newer version of CardioFusion",
                "install that version again, or restore an older backup into another folder",
            )
        if found == scripts.get_current_head():
            return
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
