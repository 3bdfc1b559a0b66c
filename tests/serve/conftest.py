"""Stores on both databases: SQLite in a file, and a PostgreSQL of this session's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from cardiofusion.serve.store import Store

SERVER_SECONDS = 60


def programs() -> Path | None:
    """Where PostgreSQL's server programs are; Debian does not put them on the path."""
    found = [Path(place).parent for place in [shutil.which("initdb")] if place]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists()), None)


def server_user() -> str | None:
    """Who runs the server: it refuses root. None where this process may do so itself."""
    if os.getuid() != 0:
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


class Cluster:
    """A private PostgreSQL: a socket in a folder of its own, no port."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self._programs, self._user = folder, programs, server_user()
        self.folder.chmod(0o700)
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", folder / "data", "-U", "clinic", "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        # No fsync: what a power cut would do to PostgreSQL is not what these tests ask.
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        options += " -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0"
        self._run("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def url(self, name: str) -> str:
        return f"postgresql://clinic@/{name}?host={self.folder}"

    def database(self, encoding: str = "UTF8", locale: str = "C.UTF-8") -> str:
        """The URL of a new, empty database."""
        name = f"clinic_{uuid.uuid4().hex}"
        self.administer(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE '{locale}' TEMPLATE template0")
        return self.url(name)

    def administer(self, statement: str) -> None:
        engine = create_engine(
            self.url("postgres").replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        if self._user:
            command = ["runuser", "-u", self._user, "--", *command]
        # Not to a pipe: the server inherits it, and would hold it open.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(command, stdout=said, stderr=said, timeout=SERVER_SECONDS, cwd="/")
            said.seek(0)
            assert done.returncode == 0, said.read().decode()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL server of this process's own."""
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install 'cardiofusion[postgresql]'")
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server programs (Debian: apt-get install postgresql)")
    # Not below pytest's own folder: that is root's alone, and a socket's path has a largest length.
    with tempfile.TemporaryDirectory(prefix="cardiofusion-pg-") as folder, ExitStack() as ending:
        cluster = Cluster(Path(folder), found)
        ending.callback(cluster.stop)
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Either database; naming one in a test's own parameters overrides this."""
    return str(request.param)


@pytest.fixture
def new_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Each call: the URL of another empty database of this kind."""
    if kind == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgresql")
        return cluster.database
    numbers = iter(range(1000))
    return lambda: f"sqlite:///{tmp_path / f'clinic-{next(numbers)}.db'}"


@pytest.fixture
def new_store(new_url: Callable[[], str], tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Each call: another empty store, in a folder of its own; a PostgreSQL's database beside it."""
    with ExitStack() as ending:

        def make() -> Store:
            folder = tmp_path / f"data-{uuid.uuid4().hex[:8]}"
            folder.mkdir()
            url = new_url()
            if url.startswith("sqlite"):
                url = f"sqlite:///{folder / 'cardiofusion.db'}"
            store = Store(folder, url)
            ending.callback(store.close)
            return store

        yield make


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    """An empty store, on SQLite and on PostgreSQL."""
    return new_store()
