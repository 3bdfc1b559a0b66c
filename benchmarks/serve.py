"""The clinic application as a real server process: latency, a batch beside pages, memory over many requests.

Run: python benchmarks/serve.py [--data PTB-XL] [--requests 100000] [--parts start,latency,upload,batch,soak]
[--seconds S] [--runs 200] [--batch 1000] [--program PYTHON] [--write docs/clinic.md]. --seconds: the soak
ends then. --program: the interpreter of an installation without torch and pandas, as at a clinic. --write
puts the table between the markers of that file. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from markers import write_between
from served import Client, Part, Server, memory_bytes, percentiles, record_parts, row_part
from soak import ROW, soak

STARTS = 5
RUNS = 200
CLIENTS = 4
UPLOADS = 50
BATCH, AT_ONCE = 1000, 50  # recordings; of one request
LOOP = 100  # recordings of the plain loop, before the batch and after it
PAUSE_S = 0.1  # between two looks at the worklist
PARTS = ("start", "latency", "upload", "batch", "soak")
MIB = 2**20


def starts(server_of: Callable[[Path], Server]) -> dict[str, Any]:
    """Seconds from the start of the process to its first answer, on an empty folder and on one in use."""
    with TemporaryDirectory() as folder:
        seconds = []
        for _ in range(STARTS):
            with server_of(Path(folder) / "data") as server:
                seconds.append(server.until_healthy())
    return {"first_s": round(seconds[0], 2), "median_s": round(sorted(seconds)[STARTS // 2], 2), "n": STARTS}


def kinds(record: Path) -> dict[str, list[Part]]:
    ecg, plain = record_parts(record), ("explain", None, b"false")
    return {
        "ECG and row, explained": [*ecg, row_part(ROW)],
        "ECG, not explained": [*ecg, plain],
        "row, explained": [row_part(ROW)],
        "row, not explained": [row_part(ROW), plain],
    }


def latency(server: Server, record: Path, runs: int) -> dict[str, Any]:
    """POST /api/v1/assess: one client after another request, and CLIENTS at the same time."""
    found = {}
    for name, parts in kinds(record).items():
        asked(server.client(), parts, runs // 10)
        alone = asked(server.client(), parts, runs)
        began = time.perf_counter()
        threads = [
            threading.Thread(target=asked, args=(server.client(), parts, runs // CLIENTS))
            for _ in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        together = CLIENTS * (runs // CLIENTS) / (time.perf_counter() - began)
        rate = {"one_client_s": round(runs / sum(alone), 1), "four_clients_s": round(together, 1)}
        found[name] = percentiles(alone) | rate
    own, *others = server.family()
    memory = {"server_mib": memory_bytes(own) / MIB, "workers_mib": sum(map(memory_bytes, others)) / MIB}
    return found | {"memory": {name: round(value) for name, value in memory.items()}}


def asked(client: Client, parts: Sequence[Part], count: int) -> list[float]:
    """Seconds of each request; every one must be answered."""
    spent = []
    for _ in range(count):
        began = time.perf_counter()
        status = client.send("/api/v1/assess", parts).status
        spent.append(time.perf_counter() - began)
        assert status == 200, status
    return spent


def upload(server: Server, records: Sequence[Path]) -> dict[str, Any]:
    """From the form's first byte to the last of the rendered sheet, as a browser without a script goes."""
    client, spent = server.client(), []
    for record in records[:UPLOADS]:
        began = time.perf_counter()
        place = client.send("/new", record_parts(record)).headers["location"]
        sheet = client.get(place)
        spent.append(time.perf_counter() - began)
        assert sheet.status == 200
        assert b"<svg" in sheet.body, "this is no sheet"
    return percentiles(spent)


def batch(server: Server, records: Sequence[Path], size: int, runtime: Callable[[], float]) -> dict[str, Any]:
    """A job of `size` recordings beside somebody who looks at the worklist, and the runtime's own rate."""
    client = server.client()
    before = runtime()
    ended = threading.Event()
    pages: list[float] = []
    looking = threading.Thread(target=_look, args=(server.client(), ended, pages))
    looking.start()
    began = time.perf_counter()
    job = _sent(client, [records[number % len(records)] for number in range(size)])
    accepted = time.perf_counter() - began
    while (state := client.get(f"/api/v1/jobs/{job}").json())["received"]:
        time.sleep(0.5)
    spent = time.perf_counter() - began
    ended.set()
    looking.join()
    own = (before + runtime()) / 2
    done = state["assessed"] + state["refused"]
    told = {"recordings": done, "refused": state["refused"], "accepted_s": round(accepted, 1)}
    rates = {"recordings_s": done / spent, "runtime_s": own, "ratio": done / spent / own}
    return told | {name: round(value, 2) for name, value in rates.items()} | {"worklist": percentiles(pages)}


def _sent(client: Client, records: Sequence[Path]) -> str:
    """The id of a job that all recordings are in."""
    pieces = list(_pieces(records))
    job = client.send("/api/v1/jobs", pieces[0]).json()["id"]
    for piece in pieces[1:]:
        answer = client.send(f"/api/v1/jobs/{job}/files", piece)
        assert answer.status == 202, answer.body
    return str(job)


def _pieces(records: Sequence[Path]) -> Iterator[list[Part]]:
    for start in range(0, len(records), AT_ONCE):
        piece = enumerate(records[start : start + AT_ONCE])
        yield [part for number, record in piece for part in _in_folder(str(start + number), record)]


def _in_folder(folder: str, record: Path) -> list[Part]:
    """Each recording in a folder of its own: the same one may come twice."""
    return [(field, f"{folder}/{name}", content) for field, name, content in record_parts(record)]


def _look(client: Client, ended: threading.Event, spent: list[float]) -> None:
    while not ended.is_set():
        began = time.perf_counter()
        assert client.get("/").status == 200
        spent.append(time.perf_counter() - began)
        ended.wait(PAUSE_S)


def runtime_rate(records: Sequence[Path]) -> Callable[[], float]:
    """Recordings a second of a plain loop that reads, assesses and explains, on one thread."""
    from cardiofusion.readers import read_recording
    from cardiofusion.runtime import System

    system = System.load("reference")
    system.assess(read_recording(records[0]), {})

    def rate() -> float:
        chosen = records[:LOOP]
        began = time.perf_counter()
        for record in chosen:
            system.assess(read_recording(record), {})
        return len(chosen) / (time.perf_counter() - began)

    return rate


def table(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    rows = [("what", "measured"), ("---", "---")]
    if start := found.get("start"):
        rows.append(
            (
                "start to first answer",
                f"{start['median_s']} s (first start {start['first_s']} s; n = {start['n']})",
            )
        )
    for name, told in found.get("latency", {}).items():
        rows.append((f"assess: {name}", _told(name, told)))
    if told := found.get("upload"):
        rows.append(("upload to rendered sheet", _spread(told)))
    if told := found.get("batch"):
        rate = f"{told['recordings_s']} a second, {told['ratio']} of a plain loop's {told['runtime_s']}"
        rows.append((f"batch of {told['recordings']:,} ECGs", rate))
        rows.append(("worklist meanwhile", _spread(told["worklist"])))
    if (told := found.get("soak")) and "growth" in told:
        memory, files = told["server_mib"], told["files"]
        grown = f"{memory['before']} to {memory['after']} MiB ({100 * told['growth']:+.1f} %)"
        rows.append((f"memory over {told['requests']:,} requests, {told['failed']} failed", grown))
        rows.append(("open files meanwhile", f"{files['before']:.0f} to {files['after']:.0f}"))
    return "\n".join(f"| {what} | {said} |" for what, said in rows)


def _told(name: str, told: dict[str, Any]) -> str:
    if name == "memory":
        return f"server {told['server_mib']} MiB, workers {told['workers_mib']} MiB"
    rate = f"{told['one_client_s']} a second alone, {told['four_clients_s']} by {CLIENTS} clients"
    return f"{_spread(told)}; {rate}"


def _spread(told: dict[str, Any]) -> str:
    return f"p50 {told['p50_ms']} ms, p95 {told['p95_ms']} ms, p99 {told['p99_ms']} ms (n = {told['n']})"


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    records = sorted(chosen.data.rglob("*_hr.hea"))

    def server_of(folder: Path, *options: str) -> Server:
        return Server(folder, "--no-examples", *options, program=(chosen.program,))

    found: dict[str, Any] = {"cpus": os.cpu_count(), "load": os.getloadavg()[0]}
    if "start" in chosen.parts:
        found["start"] = starts(server_of)
    with TemporaryDirectory() as folder, server_of(Path(folder) / "data") as server:
        server.until_healthy()
        parts: dict[str, Callable[[], Any]] = {
            "latency": lambda: latency(server, records[0], chosen.runs),
            "upload": lambda: upload(server, records),
            "batch": lambda: batch(server, records, chosen.batch, runtime_rate(records)),
            "soak": lambda: soak(server, records[0], chosen.requests, _progress, chosen.seconds),
        }
        for name in PARTS:
            if name in chosen.parts and name in parts:
                found[name] = parts[name]()
                _progress(f"{name}: {json.dumps(found[name])}")
    return found | {"load_after": os.getloadavg()[0]}


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--data", type=Path, default=_ptb_xl())
    told.add_argument("--requests", type=int, default=100_000)
    told.add_argument("--seconds", type=float, default=float("inf"))
    told.add_argument("--runs", type=int, default=RUNS)
    told.add_argument("--batch", type=int, default=BATCH)
    told.add_argument("--parts", type=lambda text: text.split(","), default=PARTS)
    told.add_argument("--program", default=sys.executable)
    told.add_argument("--write", type=Path)
    chosen = told.parse_args()
    found = measure(chosen)
    print(table(found))
    if chosen.write:
        write_between(chosen.write, "serve", table(found))
    print(json.dumps({"benchmark": "serve", **found}))


def _ptb_xl() -> Path:
    root = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("CARDIOFUSION_DATA", root.parent / "shared" / "data")) / "ptb-xl"


if __name__ == "__main__":
    main()
