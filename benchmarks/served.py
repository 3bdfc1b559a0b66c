"""A real server process over a folder of its own, and what its clients see of it."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

START_SECONDS = 60.0
END_SECONDS = 30.0
POLL_SECONDS = 0.02

Part = tuple[str, str | None, bytes]  # of a form: the field's name, a file's name, the content


@dataclass(frozen=True)
class Answer:
    """What came back. header names are small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection that stays open, with the token of the server's start."""

    def __init__(self, host: str, port: int, token: str | None) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=120)
        self._always = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """headers: with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self._connection.request(method, path, body or None, self._always | named)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()  # it was idle for too long: once more
            self._connection.request(method, path, body or None, self._always | named)
            answer = self._connection.getresponse()
        content = answer.read()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, content)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def send(self, path: str, parts: Iterable[Part], **headers: str) -> Answer:
        """A form with files."""
        kind, body = form(parts)
        return self.ask("POST", path, body, Content_Type=kind, **headers)

    def close(self) -> None:
        self._connection.close()


class Server:
    """`cardiofusion serve` on any free port. A context manager; further options as on the command line.

    program: the words that start Python, for another one or other limits.
    """

    def __init__(self, data: Path, *options: str, program: Sequence[str] = (sys.executable,)) -> None:
        command = [*program, "-m", "cardiofusion", "serve", "--data", str(data), "--no-browser"]
        port = () if "--port" in options else ("--port", "0")
        self.data = data
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, *port, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._clients: list[Client] = []
        self.host, self.port, self.token = "", 0, ""

    def start(self) -> None:
        """Wait for the address that it prints. RuntimeError with its words where it ends instead."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("CardioFusion: "):
                address = urlsplit(line.split()[1])
                self.host, self.port = str(address.hostname), int(address.port or 0)
                self.token = "".join(parse_qs(address.query).get("token", []))
                return
        raise RuntimeError(f"the server ended with {self.process.wait()}: {self.process.stderr.read()}")  # type: ignore[union-attr]

    def until_healthy(self) -> float:
        """Seconds from the process's start to its first answer."""
        client = self.client(token=False)
        while True:
            try:
                if client.get("/health").status == 200:
                    return time.perf_counter() - self.began
            except OSError:
                if self.process.poll() is not None:
                    raise
                client.close()
                time.sleep(POLL_SECONDS)

    def client(self, *, token: bool = True) -> Client:
        """Closed with the server."""
        self._clients.append(Client(self.host, self.port, self.token if token else None))
        return self._clients[-1]

    def end(self, signal: int | None = None) -> tuple[int, str]:
        """Tell it to stop; its exit code, and what it said on stderr."""
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            self.process.terminate() if signal is None else self.process.send_signal(signal)
        try:
            out, err = self.process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
        self.said += out.splitlines()
        return self.process.returncode, err

    def family(self) -> list[int]:
        """The server's process and those it started."""
        me, found = self.process.pid, [self.process.pid]
        for task in Path(f"/proc/{me}/task").iterdir():
            with suppress(FileNotFoundError):  # a thread that ended meanwhile
                found += [int(pid) for pid in (task / "children").read_text().split()]
        return found

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def memory_bytes(pid: int) -> int:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def open_files(pid: int) -> int:
    """Descriptors that a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def form(parts: Iterable[Part]) -> tuple[str, bytes]:
    """(content type, body) of multipart/form-data."""
    boundary = secrets.token_hex(16)
    pieces = []
    for field, name, content in parts:
        file = "" if name is None else f'; filename="{name}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'
        pieces += [head.encode(), content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def record_parts(header: Path) -> list[Part]:
    """A WFDB record's two files as parts of a form."""
    return [("files", path.name, path.read_bytes()) for path in (header, header.with_suffix(".dat"))]


def row_part(row: Mapping[str, Any]) -> Part:
    return ("row", None, json.dumps(row).encode())


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest in milliseconds, and n."""
    ordered = sorted(seconds)
    named = {f"p{q}_ms": 1e3 * ordered[min(len(ordered) - 1, q * len(ordered) // 100)] for q in (50, 95, 99)}
    rounded = {name: round(value, 1) for name, value in named.items()}
    return {**rounded, "max_ms": round(1e3 * ordered[-1], 1), "n": len(ordered)}
