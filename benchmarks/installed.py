"""The installed program from outside: unpacked, started, asked over HTTP, measured, ended.

Nothing of ours is imported: it is the program that is looked at.

with Program(folder / "usr/bin/cardiofusion", home).serve("--no-browser") as server:
    server.keep(content, "ecg.dcm", {"age": 61})
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

START_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 120.0, 30.0, 120.0
POLL_SECONDS = 0.005
KIBIBYTE = 1024


@dataclass(frozen=True)
class Program:
    """An executable, and the folder that stands for its user's home."""

    path: Path
    home: Path

    @property
    def surroundings(self) -> dict[str, str]:
        """What a desktop gives to a program: nothing of Python's, nor of ours."""
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8"}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command to its end. more: of its environment."""
        return subprocess.run(
            [self.path, *arguments],
            env=self.surroundings | more,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )

    @contextmanager
    def serve(self, *options: str, **more: str) -> Iterator[Server]:
        """Started on a free port, until /health answers; ended by SIGTERM."""
        began = time.perf_counter()
        process = subprocess.Popen(
            [self.path, "serve", "--port", "0", *options],
            env=self.surroundings | more,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            server = _announced(process)
            _wait_for_health(server, began + START_SECONDS)
            server.started_s = time.perf_counter() - began
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                assert process.stdout is not None
                process.stdout.close()


@dataclass
class Server:
    """process: of the server. url: without a slash at the end. started_s: from the start to /health."""

    process: subprocess.Popen[str]
    url: str
    token: str
    started_s: float = field(default=float("nan"))

    def ask(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[str, bytes]:
        """(content type, content) of an answer. Raises HTTPError where it is refused."""
        told = {"Authorization": f"Bearer {self.token}", "Accept": "*/*", **(headers or {})}
        request = Request(f"{self.url}{path}", body, told)
        with urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return answer.headers.get_content_type(), answer.read()

    def keep(self, content: bytes, name: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """An ECG and a row put on the worklist and assessed: the case with its assessment."""
        border = secrets.token_hex(16)
        parts = (
            f'--{border}\r\nContent-Disposition: form-data; name="row"\r\n\r\n{json.dumps(row)}\r\n'
            f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        )
        body = parts.encode() + content + f"\r\n--{border}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
        case: dict[str, Any] = json.loads(self.ask("/api/v1/cases", body, kind)[1])
        return case

    def workers(self) -> list[int]:
        """Process ids of what it has started."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for path in children for child in path.read_text("ascii").split()]


def resident_mb(pid: int) -> float:
    """Memory of a process that is in RAM (VmRSS), in MB of 10^6 bytes."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kilobytes) * KIBIBYTE / 1e6


def processor_s(pid: int) -> float:
    """Processor time of a process so far, its own and the system's for it, in s."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def folder_mb(folder: Path) -> float:
    """What its files hold, in MB of 10^6 bytes; what a link points to counts once."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 1e6


def _announced(process: subprocess.Popen[str]) -> Server:
    """From the line that says where it is and the key of this start."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("CardioFusion: "):
            address = urlsplit(line.removeprefix("CardioFusion: ").strip())
            token = parse_qs(address.query).get("token", [""])[0]
            return Server(process, f"{address.scheme}://{address.netloc}", token)
    raise RuntimeError(f"it ended with {process.wait()} before it said where it is")


def _wait_for_health(server: Server, until: float) -> None:
    while time.perf_counter() < until:
        try:
            server.ask("/health")
            return
        except URLError:
            time.sleep(POLL_SECONDS)
    raise TimeoutError("/health does not answer")
