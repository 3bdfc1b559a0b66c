"""What a server's memory and open files do over very many requests."""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from served import Client, Server, memory_bytes, open_files, record_parts, row_part

CLIENTS = 4
EVERY = 500  # requests between two looks at the memory
WARM_UP = 5000
WINDOW = 5  # looks at either end whose middle counts
ROW = {"age": 61, "sex": "male", "systolic": 152, "diastolic": 90, "cholesterol": 241, "smoking": "no"}

Request = Callable[[Client], int]


def soak(
    server: Server, record: Path, requests: int, say: Callable[[str], None], seconds: float = math.inf
) -> dict[str, Any]:
    """Memory of the server and its workers, and open files, over `requests` of a fixed mix.

    seconds: then it ends, with fewer.
    """
    mix = requests_of(server.client(), record)
    looks: list[dict[str, float]] = []
    counted, failed = _Counter(), _Counter()
    began = time.perf_counter()

    def work(index: int) -> None:
        client = server.client()
        for number in range(index, requests, CLIENTS):
            if time.perf_counter() - began > seconds:
                return
            if mix[number % len(mix)](client) != 200:
                failed.add()
            done = counted.add()
            if done % EVERY == 0:
                looks.append(look(server, done))
                if done % (10 * EVERY) == 0:
                    say(f"{done:,} requests, {done / (time.perf_counter() - began):.0f}/s, {looks[-1]}")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - began
    done = counted.value
    told = {"requests": done, "failed": failed.value, "requests_s": round(done / spent, 1)}
    return told | growth(sorted(looks, key=lambda one: one["requests"]))


def requests_of(client: Client, record: Path) -> list[Request]:
    """Row only twice, the worklist, a sheet and a static file."""
    kept = client.send("/api/v1/cases", record_parts(record)).json()["id"]
    rows = [("explain", None, b"false"), row_part(ROW)]
    return [
        lambda c: c.send("/api/v1/assess", rows).status,
        lambda c: c.get("/").status,
        lambda c: c.send("/api/v1/assess", [row_part(ROW)]).status,
        lambda c: c.get(f"/cases/{kept}").status,
        lambda c: c.get("/static/clinic.css").status,
    ]


def look(server: Server, done: int) -> dict[str, float]:
    """Mebibytes of the server and of what it started, and descriptors."""
    own, *others = server.family()
    return {
        "requests": done,
        "server_mib": round(memory_bytes(own) / 2**20, 1),
        "workers_mib": round(sum(map(memory_bytes, others)) / 2**20, 1),
        "files": open_files(own),
    }


def growth(looks: list[dict[str, float]]) -> dict[str, Any]:
    """From the end of the warm-up to the end, the middle of some looks at either end."""
    warm = [one for one in looks if one["requests"] >= WARM_UP] or looks
    if not warm:
        return {}
    found: dict[str, Any] = {"looks": len(warm)}
    for name in ("server_mib", "workers_mib", "files"):
        first, last = (
            statistics.median(one[name] for one in part) for part in (warm[:WINDOW], warm[-WINDOW:])
        )
        found[name] = {"before": first, "after": last, "most": max(one[name] for one in warm)}
    before, after = (found["server_mib"][when] for when in ("before", "after"))
    return found | {"growth": round(after / before - 1, 4)}


class _Counter:
    """Counts across threads."""

    def __init__(self) -> None:
        self._lock, self.value = threading.Lock(), 0

    def add(self) -> int:
        with self._lock:
            self.value += 1
            return self.value
