"""A server that is killed while files are uploaded: nothing it accepted is lost, nothing is half there.

`cardiofusion serve` is started on a folder, clients upload ECGs as jobs, and at a random moment the server
gets SIGKILL. Then the folder is opened: every upload that was answered must be there byte for byte, with its
case; every case must have all its files; the database must be whole; what was being written must be cleared.
The next server starts on the same folder. At the end one is left alone until nothing waits.

    python benchmarks/kill.py [--moments 100] [--seed 7] [--database URL]

Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select, text

from cardiofusion.serve.lock import running_address
from cardiofusion.serve.store import Case, Search, Store
from cardiofusion.simulate import virtual_cohort
from cardiofusion.writers import write_recording

CLIENTS = 4
LONGEST_SECONDS = 1.5  # of uploading before the kill
START_SECONDS = 120
SETTLE_SECONDS = 600
HEARTS = 6
BOUNDARY = "part-of-an-upload"
SERVE = "from cardiofusion.cli import main; main()"


@dataclass
class Clients:
    """What was sent, and what was answered: the SHA-256 of every file that the server said it has."""

    contents: list[bytes]
    port: int = 0
    token: str = ""
    sent: int = 0
    accepted: dict[str, str] = field(default_factory=dict)
    answers: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> bytes:
        """An ECG like no other: four samples in its middle are a number."""
        with self._lock:
            self.sent += 1
            content = self.contents[self.sent % len(self.contents)]
            middle = len(content) // 2 & ~1
            return content[:middle] + self.sent.to_bytes(2, "little") * 4 + content[middle + 8 :]

    def upload(self) -> None:
        """One ECG. Raises OSError, HTTPException where the server dies before it has answered."""
        content = self.next()
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="ecg.edf"\r\n\r\n'
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        }
        try:
            body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
            connection.request("POST", "/api/v1/jobs", body, headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        with self._lock:
            self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
            if answer.status == 202:
                self.accepted[hashlib.sha256(content).hexdigest()] = json.loads(said)["id"]

    def until_dead(self) -> None:
        """Upload until nobody answers."""
        with suppress(OSError, http.client.HTTPException):
            while True:
                self.upload()


@dataclass
class Place:
    """A data folder, its database, and how servers are started on them."""

    folder: Path
    database: str | None

    @contextmanager
    def server(self) -> Iterator[tuple[subprocess.Popen[bytes], int, str]]:
        """A running server, its port and token; killed at the end."""
        command = [sys.executable, "-c", SERVE, "serve", "--data", str(self.folder), "--port", "0"]
        command += ["--no-browser", "--no-examples", "--workers", "1"]
        command += ["--database", self.database] if self.database else []
        with (self.folder.parent / "server.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process, *self._ready(process)
        finally:
            with suppress(ProcessLookupError):  # with its reading workers
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _ready(self, process: subprocess.Popen[bytes]) -> tuple[int, str]:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(OSError, http.client.HTTPException, ValueError):
                port = int((running_address(self.folder) or "").rstrip("/").rpartition(":")[2])
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/health")
                healthy = connection.getresponse().status == 200
                connection.close()
                if healthy:
                    return port, (self.folder / "token").read_text("utf-8").strip()
            time.sleep(0.05)
        raise SystemExit(
            f"the server did not start: {(self.folder.parent / 'server.log').read_text('utf-8')}"
        )

    def store(self) -> Store:
        return Store(self.folder, self.database or f"sqlite:///{self.folder / 'cardiofusion.db'}")


def check(place: Place, accepted: dict[str, str]) -> list[str]:
    """What is wrong in a folder whose server was killed; then what a start would clear is cleared."""
    store, wrong = place.store(), []
    try:
        cases = list(store.every(Search()))
        held = {file.sha256: file for case in cases for file in case.files}
        wrong += [f"accepted and not on the worklist: {name}" for name in accepted.keys() - held.keys()]
        wrong += [f"a case of nothing: {case.id}" for case in cases if not case.files and not case.row]
        wrong += [f"no original: {name}" for name in held.keys() - store.originals.names()]
        strays = store.originals.names() - held.keys()
        wrong += [f"a stray file: {name}" for name in strays - store.originals.marked()]
        wrong += _jobs_amiss(store, accepted) + _database_amiss(store)
        store.tidy()
        if store.originals.names() != held.keys() or list(store.originals.incoming.iterdir()):
            wrong.append("something is left")
        for name in held.keys() & accepted.keys():
            store.originals.read(name)  # raises where a byte is wrong
    finally:
        store.close()
    return wrong


def _jobs_amiss(store: Store, accepted: dict[str, str]) -> list[str]:
    """Jobs that were answered and are empty."""
    with store.look() as connection:
        kept = set(connection.scalars(select(Case.batch_id)))
    return [f"a job without its case: {job}" for job in set(accepted.values()) - kept]


def _database_amiss(store: Store) -> list[str]:
    if store.engine.dialect.name != "sqlite":
        return []
    with store.look() as connection:
        said = [str(row) for row in connection.execute(text("PRAGMA integrity_check")).scalars()]
        loose = connection.execute(text("PRAGMA foreign_key_check")).all()
    return [line for line in said if line != "ok"] + [f"a loose row: {tuple(row)}" for row in loose]


def settled(place: Place) -> dict[str, int]:
    """Leave a server alone until nothing waits; how many cases have each status, or were refused why."""
    with place.server():
        store, deadline = place.store(), time.monotonic() + SETTLE_SECONDS
        try:
            while (waits := len(store.waiting())) and time.monotonic() < deadline:
                print(f"\r{waits} wait ", end="", file=sys.stderr, flush=True)
                time.sleep(0.5)
            found = [(case.refusal or {}).get("code", case.status) for case in store.every(Search())]
        finally:
            store.close()
    return {"received": 0, "assessed": 0} | {status: found.count(status) for status in sorted(set(found))}


def ecgs(folder: Path) -> list[bytes]:
    """EDF files of virtual hearts, whose middle is samples."""
    found = []
    for source in virtual_cohort(HEARTS, 20_031).recordings:
        place = folder / f"{source.record_id}.edf"
        write_recording(source.read(), place)
        found.append(place.read_bytes())
    return found


def killed(place: Place, clients: Clients, after: float) -> None:
    """Upload to a new server, and kill it so many seconds later."""
    with place.server() as (process, port, token):
        clients.port, clients.token = port, token
        threads = [threading.Thread(target=clients.until_dead) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(after)
        os.killpg(process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()


def run(folder: Path, moments: int, seed: int, database: str | None = None) -> dict[str, object]:
    """Kill so many servers one after another; what came of it."""
    (folder / "data").mkdir()
    place, chance = Place(folder / "data", database), random.Random(seed)
    clients, wrong = Clients(ecgs(folder)), []
    for moment in range(1, moments + 1):
        killed(place, clients, chance.uniform(0.0, LONGEST_SECONDS))
        wrong += [f"after kill {moment}: {what}" for what in check(place, clients.accepted)]
        print(
            f"\r{moment} of {moments}, {len(clients.accepted)} accepted ", end="", file=sys.stderr, flush=True
        )
    statuses = settled(place)
    wrong += check(place, clients.accepted)
    return {
        "benchmark": "kill",
        "moments": moments,
        "seed": seed,
        "database": "postgresql" if database else "sqlite",
        "sent": clients.sent,
        "accepted": len(clients.accepted),
        "answers": {str(status): count for status, count in sorted(clients.answers.items())},
        "statuses": statuses,
        "wrong": wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="kill a server while files are uploaded")
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--database", help="a PostgreSQL URL of an empty database; default: SQLite")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        found = run(Path(folder), given.moments, given.seed, given.database)
    print(json.dumps(found))
    sys.exit(bool(found["wrong"]))


if __name__ == "__main__":
    main()
