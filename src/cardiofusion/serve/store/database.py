"""A database behind a URL: SQLite in the data folder, or PostgreSQL for a shared server.

A transaction may write unless its engine is `reading(engine)`. On SQLite that matters: one that begins by
reading and then writes fails at once ("database is locked") where another has written in between; one that
asks for the right to write at its beginning waits for its turn. So `BEGIN IMMEDIATE` is the rule there, and
readers, who never wait, are the exception (SQLAlchemy's manual, "SQLite transactions and the driver").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from cardiofusion.records import ExtraMissingError, InputError, StorageError, storage_errors

BUSY_SECONDS = 30  # a writer waits so long for another one
CONNECTIONS = 64  # at the same time: more than the threads that a server has
KEPT_CONNECTIONS = 8
CACHE_KIB = 512  # of a connection to SQLite; the system's own cache holds the file anyway
BEGIN = "sqlite_begin"  # execution option: how a transaction begins on SQLite


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn a database that cannot be reached, or refuses, into StorageError; never with values in it."""
    try:
        yield
    except (OperationalError, ProgrammingError) as error:
        what = str(error.orig).splitlines()[0][:200] if error.orig else "no answer"
        raise _refused(what) from error
    except DBAPIError as error:  # its message may hold the values that were refused
        raise _refused(type(error.orig).__name__ if error.orig else "no answer") from None
    except PoolTimeout as error:
        raise _refused("too many wait for it") from error


def connect(url: str) -> Engine:
    """An engine on SQLite or PostgreSQL; SQLite's file is made where missing. Raises InputError,
    ExtraMissingError, StorageError.
    """
    engine = _engine(_parsed(url))
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        event.listen(engine, "connect", _postgresql_ways, insert=True)  # before SQLAlchemy's own questions
    return engine


def reading(engine: Engine) -> Engine:
    """The same database for transactions that only look: each sees one moment, and waits for nobody."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{BEGIN: "BEGIN"})
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def outside_transactions(engine: Engine) -> Engine:
    """The same database for statements that a transaction cannot hold, such as VACUUM."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{BEGIN: None})
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InputError(
            "serve.database", "this is no database URL", "for example postgresql://user:password@host/name"
        ) from error
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise InputError("serve.database", "this database is not known", "SQLite or PostgreSQL are")
    if parsed.get_backend_name() == "sqlite" and (parsed.database or ":memory:") == ":memory:":
        raise InputError("serve.database", "a database in memory keeps nothing", "name a file")
    return parsed


def _engine(url: URL) -> Engine:
    try:
        return create_engine(
            url,
            pool_size=KEPT_CONNECTIONS,
            max_overflow=CONNECTIONS - KEPT_CONNECTIONS,
            pool_timeout=BUSY_SECONDS,
            pool_use_lifo=True,  # few connections do most of the work: each has a cache of pages of its own
            pool_pre_ping=url.get_backend_name() != "sqlite",
            hide_parameters=True,  # values are patients' data: no error message repeats them
        )
    except NoSuchModuleError as error:
        raise InputError(
            "serve.database", "this database is not known", "SQLite or PostgreSQL are"
        ) from error
    except ImportError as error:
        raise ExtraMissingError("PostgreSQL", "postgresql") from error


def _prepare_sqlite(engine: Engine) -> None:
    place = Path(str(engine.url.database))
    with storage_errors(place):
        place.touch(mode=0o600)
    event.listen(engine, "connect", _sqlite_ways)
    event.listen(engine, "begin", _sqlite_begin)


def _sqlite_begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get(BEGIN, "BEGIN IMMEDIATE")
    if statement:
        connection.exec_driver_sql(statement)


def _sqlite_ways(connection: Any, _: ConnectionPoolEntry) -> None:
    """Readers beside a writer; a commit is on the disk before it counts; what is deleted is overwritten."""
    connection.isolation_level = None  # the driver begins nothing by itself: `_sqlite_begin` does
    connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows ASCII alone
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
        "temp_store = MEMORY",  # nothing of a patient in another folder
        f"cache_size = -{CACHE_KIB}",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _postgresql_ways(connection: Any, _: ConnectionPoolEntry) -> None:
    """Names are in all the world's letters. Raises InputError "serve.encoding".

    An ECG's own time has no zone: compared with moments it must mean the same wherever the server stands.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise InputError(
            "serve.encoding",
            f"the database is in {encoding}, which does not have all letters",
            "make one with: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
        )
    connection.execute("SET TIME ZONE 'UTC'").close()
    connection.commit()


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _refused(what: str) -> StorageError:
    return StorageError(
        "storage.database",
        f"the database refuses: {what}",
        "see whether it runs, the disk has room and the folder may be written",
    )
