"""A real server process: how it starts, how it ends, and how it says that it cannot."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardiofusion.serve.server import _listen
from cardiofusion.serve.settings import Settings
from served import Server, form

MISTAKE, INTERRUPTED = 2, 130


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that all tests share that do not end it."""
    with Server(tmp_path_factory.mktemp("server") / "data", "--no-examples") as server:
        server.until_healthy()
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One for a test that ends it."""
    with Server(tmp_path / "data", "--no-examples") as server:
        yield server


def refused(data: Path, *options: str) -> str:
    """What a server says that cannot start; it must end with 2 and without a traceback."""
    command = [
        sys.executable,
        "-m",
        "cardiofusion",
        "serve",
        "--no-browser",
        "--no-examples",
        "--data",
        str(data),
    ]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == MISTAKE, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr
    return done.stderr


def test_it_says_where_it_is_and_lets_nobody_in_without_the_key(running: Server) -> None:
    assert running.client().get("/").status == 200
    assert running.client(token=False).get("/").status == 401
    assert (running.data / "token").read_text().strip() == running.token
    for path in running.data.rglob("*"):
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path


@pytest.fixture
def as_at_a_terminal() -> Iterator[None]:
    """Ctrl-C reaches what is started from here: a job in the background inherits that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("as_at_a_terminal")
@pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, INTERRUPTED)])
def test_it_ends_well(server: Server, told: int, code: int) -> None:
    server.until_healthy()
    family = server.family()
    ended, said = server.end(told)
    assert ended == code
    assert "Traceback" not in said
    assert not (server.data / "token").exists()
    assert not (server.data / "open.html").exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in family)


def test_told_to_end_while_it_starts(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")  # with examples: there is work to be left
    server.start()
    ended, said = server.end(signal.SIGTERM)
    assert ended == 0
    assert "Traceback" not in said
    assert not (server.data / "token").exists()


def test_a_second_start_on_a_folder_is_told_where_the_first_is(running: Server) -> None:
    assert f"http://127.0.0.1:{running.port}" in refused(running.data, "--port", "0")


def test_answers_are_not_held_back_for_the_clients_acknowledgement(tmp_path: Path) -> None:
    """asyncio sets TCP_NODELAY on sockets that say that they are TCP's, and on no others."""
    with (
        _listen(Settings(data=tmp_path, port=0)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = refused(tmp_path / "data", "--port", str(other.getsockname()[1]))
    assert "[serve.port]" in said


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("not a folder")
    refused(place / "data", "--port", "0")
    refused(place, "--port", "0")


def test_a_bundle_and_a_database_that_are_none(tmp_path: Path) -> None:
    refused(tmp_path / "data", "--port", "0", "--bundle", str(tmp_path / "none"))
    assert "secret" not in refused(
        tmp_path / "data", "--port", "0", "--database", "mysql://me:secret@host/name"
    )


@pytest.mark.parametrize("size", [900_000, 3_000_000])  # kept in memory on their way in, and put aside
def test_a_disk_that_is_full_refuses_and_the_server_goes_on(tmp_path: Path, size: int) -> None:
    """By a limit on the size of files, which the system enforces for this process alone."""
    limit = 850_000  # bytes: room for the database, not for the file
    command = f'ulimit -f {limit // 1024}; exec {sys.executable} "$@"'
    with Server(tmp_path / "data", "--no-examples", program=("bash", "-c", command, "bash")) as server:
        client = server.client()
        answer = client.send("/api/v1/cases", [("files", "large.dcm", os.urandom(size))])
        assert answer.status == 503, answer.body
        assert answer.json()["code"].startswith("storage.")
        assert client.get("/api/v1/cases").json()["total"] == 0
        assert not list((tmp_path / "data" / "originals").rglob("?" * 64))
        assert client.get("/").status == 200


def test_a_request_under_way_is_answered_when_the_server_ends(
    server: Server, dicom: dict[str, bytes]
) -> None:
    server.until_healthy()
    (content,) = dicom.values()
    kind, body = form([("files", "ecg.dcm", content)])
    with socket.create_connection((server.host, server.port)) as peer:
        head = (
            f"POST /api/v1/assess HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: {kind}\r\n"
            f"Authorization: Bearer {server.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        peer.sendall(head.encode() + body)
        peer.settimeout(60)
        assert peer.recv(1, socket.MSG_PEEK)
        answer = peer.recv(64)
    assert answer.startswith(b"HTTP/1.1 200")
    assert server.end()[0] == 0
