"""The real server, and clients without manners."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time

import httpx
import pytest

from cardiofusion.serve.guard.bodies import Pace
from cardiofusion.serve.guard.connections import CONNECTIONS, HEAD_BYTES, GuardedProtocol

HOST = b"Host: 127.0.0.1\r\n"


class Hasty(GuardedProtocol):
    """The same deadlines, sooner."""

    head_seconds = 0.5
    write_seconds = 0.5


def talk(port, sent, timeout=20.0):
    """Send bytes as they are; everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(sent)
        return read_all(connection)


def read_all(connection):
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer else None


def request(clinic, target, method=b"GET", fields=b"", body=b""):
    key = b"Authorization: Bearer " + clinic.token.encode() + b"\r\nConnection: close\r\n"
    return method + b" " + target + b" HTTP/1.1\r\n" + HOST + key + fields + b"\r\n" + body


def drip(port, first, seconds=10.0):
    """Send some bytes, then one every tenth of a second; how long the server took it, and its answer."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        connection.sendall(first)
        connection.settimeout(0.1)
        while time.monotonic() - began < seconds:
            try:
                received = connection.recv(65536)
                return time.monotonic() - began, received
            except TimeoutError:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(b"a")
            except ConnectionResetError:
                return time.monotonic() - began, b""
    return None, b""


@pytest.mark.parametrize(
    "path",
    [
        b"/static/../secret.txt",
        b"/static/%2e%2e/secret.txt",
        b"/static/..%2fsecret.txt",
        b"/static/%2e%2e%2fsecret.txt",
        b"/static/%252e%252e/secret.txt",
        b"/static/..%5csecret.txt",
        b"/static/..\\secret.txt",
        b"/static//../../secret.txt",
        b"/static/./app.css",
        b"/static/%00/secret.txt",
        b"/static/app.css%00.png",
        b"/case/..%2f..%2fsecret.txt",
        b"/case/a%0d%0aSet-Cookie:x",
        b"/static/../case/1",
    ],
)
def test_paths_that_climb_or_hide_are_refused(clinic, serving, path):
    with serving(clinic) as port:
        answer = talk(port, request(clinic, path))
        assert status_of(talk(port, request(clinic, b"/static/app.css"))) == 200
    assert status_of(answer) == 400
    assert b"SECRET" not in answer
    assert b"Set-Cookie" not in answer


@pytest.mark.parametrize(
    "target", [b"http://evil.example/", b"evil.example:80", b"*", b"//evil.example/", b"/\xff", b"/ x"]
)
def test_strange_targets_never_reach_a_page(clinic, serving, target):
    with serving(clinic) as port:
        assert status_of(talk(port, request(clinic, target))) in (400, 404)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n folded: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_heads_that_can_be_read_two_ways_are_refused(clinic, serving, head):
    with serving(clinic, http=Hasty) as port:
        assert status_of(talk(port, head)) in (400, 401, 403, 421, 501, 505, None)
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200


def test_a_request_hidden_behind_another_ones_body_is_not_answered(clinic, serving):
    inner = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    fields = b"Transfer-Encoding: chunked\r\nContent-Length: " + str(len(inner)).encode() + b"\r\n"
    with serving(clinic) as port:
        answer = talk(port, request(clinic, b"/case/1/outcome", b"POST", fields, b"0\r\n\r\n" + inner))
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * (2 * HEAD_BYTES),
        b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X%d: a\r\n" % i for i in range(HEAD_BYTES)),
        b"GET /" + b"a" * (2 * HEAD_BYTES),
    ],
)
def test_a_head_that_does_not_end_is_cut(clinic, serving, head):
    with serving(clinic) as port:
        assert status_of(talk(port, head)) == 400
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_a_slow_head_is_cut_and_others_are_served_meanwhile(clinic, serving, first):
    with serving(clinic, http=Hasty) as port:
        ended = []
        slow = [threading.Thread(target=lambda: ended.append(drip(port, first))) for _ in range(20)]
        for thread in slow:
            thread.start()
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
        for thread in slow:
            thread.join()
    assert len(ended) == 20
    assert all(seconds is not None and seconds < 5 for seconds, _ in ended)


def test_a_slow_head_after_a_whole_request_is_cut_too(clinic, serving):
    whole = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    with serving(clinic, http=Hasty) as port, socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(whole)
        assert status_of(connection.recv(65536)) == 200
        began, received = time.monotonic(), b"-"
        connection.settimeout(0.1)
        while received and time.monotonic() - began < 10:
            with contextlib.suppress(TimeoutError):
                connection.sendall(b"G")
                received = connection.recv(65536)
                break
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("path", [b"/upload", b"/case/1/outcome", b"/nowhere"])
def test_a_body_that_goes_on_after_its_refusal_is_cut(clinic, serving, path):
    head = (
        b"POST "
        + path
        + b" HTTP/1.1\r\n"
        + HOST
        + b"Origin: http://127.0.0.1\r\nContent-Length: 99999\r\n\r\n"
    )
    with serving(clinic, http=Hasty) as port, socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(head)
        assert status_of(connection.recv(65536)) == 401
        began, ended = time.monotonic(), False
        while not ended and time.monotonic() - began < 8:
            time.sleep(0.1)
            try:
                connection.sendall(b"a")
            except OSError:
                ended = True
    assert ended


def test_a_slow_body_is_answered_408(clinic, serving, monkeypatch):
    monkeypatch.setattr("cardiofusion.serve.guard.bodies.Pace", lambda: Pace(0.5, 1000))
    head = request(clinic, b"/case/1/outcome", b"POST", b"Content-Length: 100000\r\n")
    with serving(clinic) as port:
        seconds, answer = drip(port, head)
        assert status_of(answer) == 408
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "access.slow"
        assert 0.4 < seconds < 5
        whole = request(clinic, b"/case/1/outcome", b"POST", b"Content-Length: 5\r\n", b"abcde")
        assert talk(port, whole).endswith(b'{"size":5}')


def test_a_chunked_body_that_grows_is_cut(clinic, serving):
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    head = request(clinic, b"/case/1/outcome", b"POST", b"Transfer-Encoding: chunked\r\n")
    with serving(clinic) as port, socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(head)
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 400:
                connection.sendall(chunk)
                sent += 1
        answer = read_all(connection)
    assert sent < 400 or status_of(answer) == 413


def test_who_reads_nothing_is_cut(clinic, serving):
    with serving(clinic, http=Hasty) as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(request(clinic, b"/much"))
        time.sleep(2)
        assert len(read_all(connection)) < 65536 * 1000


def test_too_many_connections_are_told_so_and_leave_the_server_well(clinic, serving):
    with serving(clinic, limit_concurrency=20) as port:
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(25)]
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 503
        for connection in idle:
            connection.close()
        time.sleep(0.3)
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    assert CONNECTIONS >= 100


def test_nobody_can_pretend_to_come_from_elsewhere(clinic, serving):
    with serving(clinic) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        fields, statuses = ("x-forwarded-for", "x-real-ip", "forwarded"), set()
        for i in range(1000):
            headers = dict.fromkeys(fields, f"10.0.0.{i % 250}")
            statuses.add(client.get("/", headers=headers).status_code)
            if 429 in statuses:
                break
    assert statuses == {401, 429}


def test_there_are_no_web_sockets(clinic, serving):
    fields = (
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    with serving(clinic) as port:
        answer = talk(port, request(clinic, b"/", fields=fields))
    assert status_of(answer) in (200, 400, 403)
    assert b"101" not in answer.split(b"\r\n")[0]


def test_the_server_says_not_what_it_is_made_of(clinic, serving):
    with serving(clinic) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/health")
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers


@pytest.mark.parametrize("host", [b"[", b"[::1", b"a b", b"a/b", b"a@127.0.0.1", b"\xff", b"", b"127.0.0.1#"])
def test_a_host_that_is_none_is_refused_with_a_page_too(clinic, serving, host):
    for fields in (b"", b"Accept: text/html\r\n"):
        with serving(clinic) as port:
            answer = talk(port, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n" + fields + b"\r\n")
        assert status_of(answer) in (400, 421)


@pytest.fixture
def certificate(tmp_path):
    """A certificate of this test's own, for this machine."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl program to make a certificate with")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += [
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:localhost",
    ]
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=60)
    return tmp_path / "certificate.pem", tmp_path / "key.pem"


def test_under_tls_the_cookie_is_bound_to_this_host(clinic_of, serving, certificate):
    clinic = clinic_of(certificate=certificate[0], key=certificate[1])
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with (
        serving(clinic) as port,
        httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trusting) as client,
    ):
        answer = client.get("/open", params={"token": clinic.token})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-cardiofusion-")
        assert "; Secure" in cookie
        assert "Path=/" in cookie
        assert "domain" not in cookie.lower()
        assert answer.headers["strict-transport-security"]
        assert client.get("/").text == "local admin"
        own = {"origin": f"https://127.0.0.1:{port}"}
        assert client.post("/case/1/outcome", headers=own, content=b"abc").json() == {"size": 3}
        forged = {"origin": f"http://127.0.0.1:{port}"}
        assert client.post("/case/1/outcome", headers=forged).status_code == 403
        assert status_of(talk(port, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")) is None
