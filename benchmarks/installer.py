"""The installed program measured: size, start to /health, memory of server and worker after assessments.

Run: python benchmarks/installer.py [DIST] [--rounds 5] [--ahead] [--write packaging/README.md]. DIST is what
`make installer` built (dist). Each round starts with a new home folder: first with an empty file cache where
we may empty it (root on Linux), then again on the same data with a warm one. Memory is counted (VmRSS) once
the examples and one more ECG are assessed. --ahead runs it before all other programs (root, Linux), for a
machine that others keep busy: what it would show alone, but for the disk. --write puts the table between the
markers of that file. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from cardiofusion.simulate import virtual_cohort
from cardiofusion.writers import write_recording
from installed import Program, Server, folder_mb, processor_s, resident_mb
from markers import write_between

ROOT = Path(__file__).resolve().parent.parent
AIMS = {"installed_mb": 350.0, "cold_start_s": 3.0, "resident_mb": 300.0}
CACHES = Path("/proc/sys/vm/drop_caches")
SEED = 7
SETTLED_SECONDS = 60.0
MORE = 20  # ECGs after the first, to see whether memory grows
Round = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dist", type=Path, nargs="?", default=ROOT / "dist")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ahead", action="store_true")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    if given.ahead:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    with tempfile.TemporaryDirectory() as work:
        found = measured(given.dist, Path(work), given.rounds)
    table = as_table(found)
    print(table)
    if given.write:
        write_between(given.write, "installer", table)
    print(json.dumps(found))


def measured(dist: Path, work: Path, rounds: int) -> dict[str, object]:
    (package,) = dist.glob("cardiofusion_*.deb")
    (archive,) = dist.glob("cardiofusion-*.tar.gz")
    subprocess.run(["dpkg-deb", "--extract", package, work / "root"], check=True)
    ecg = virtual_ecg(work)
    found = [one_round(work / "root", work / f"home-{i}", ecg) for i in range(rounds)]
    return {
        "package_mb": round(package.stat().st_size / 1e6, 1),
        "archive_mb": round(archive.stat().st_size / 1e6, 1),
        "installed_mb": round(folder_mb(work / "root"), 1),
        **{name: [round(values[name], 2) for values in found] for name in found[0]},
        "cache_emptied": emptied(),
        "rounds": rounds,
        "aims": AIMS,
        "machine": platform.machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def virtual_ecg(folder: Path) -> bytes:
    recording = virtual_cohort(1, SEED).recordings[0].read()
    return write_recording(recording, folder / "ecg.dcm").read_bytes()


def one_round(root: Path, home: Path, ecg: bytes) -> Round:
    program = Program(root / "usr" / "bin" / "cardiofusion", home)
    home.mkdir()
    emptied()
    with program.serve("--no-browser") as server:
        found: Round = {"cold_start_s": server.started_s, "load": os.getloadavg()[0]}
        until_settled(server)
        found |= {"first_ecg_s": timed(server, ecg), "resident_mb": resident_mb(server.process.pid)}
        found["worker_mb"] = max(map(resident_mb, server.workers()))
        found["ecg_s"] = median(timed(server, ecg) for _ in range(MORE))
        found["resident_later_mb"] = resident_mb(server.process.pid)
    with program.serve("--no-browser") as server:
        found |= {"warm_start_s": server.started_s, "start_processor_s": processor_s(server.process.pid)}
    return found


def timed(server: Server, ecg: bytes) -> float:
    began = time.perf_counter()
    server.keep(ecg, "ecg.dcm", {"age": 61, "sex": "male"})
    return time.perf_counter() - began


def until_settled(server: Server) -> None:
    """The examples of the first start are assessed."""
    until = time.perf_counter() + SETTLED_SECONDS
    while json.loads(server.ask("/api/v1/cases?status=received")[1])["total"]:
        if time.perf_counter() > until:
            raise TimeoutError("the examples are not assessed")
        time.sleep(0.1)


def emptied() -> bool:
    """Empty the system's file cache; whether that was allowed."""
    subprocess.run(["sync"], check=True)
    try:
        CACHES.write_text("3")
    except OSError:
        return False
    return True


def as_table(found: dict[str, object]) -> str:
    cache = "file cache emptied" if found["cache_emptied"] else "file cache as it was"
    lines = [
        ("`.deb`", f"{found['package_mb']} MB", ""),
        ("tarball", f"{found['archive_mb']} MB", ""),
        ("installed", f"{found['installed_mb']} MB", "350 MB"),
        (f"start to `/health`, new data folder, {cache}", spread(found["cold_start_s"], "s"), "3 s"),
        ("start again, warm", spread(found["warm_start_s"], "s"), ""),
        ("processor time of that start", spread(found["start_processor_s"], "s"), ""),
        ("memory of the server, examples and one ECG assessed", spread(found["resident_mb"], "MB"), "300 MB"),
        (f"the same, {MORE} ECGs later", spread(found["resident_later_mb"], "MB"), ""),
        ("memory of the process that reads files", spread(found["worker_mb"], "MB"), ""),
        ("an ECG and a row, kept and assessed over HTTP", spread(found["ecg_s"], "s"), ""),
    ]
    ahead = ", ahead of the machine's other programs" if os.sched_getscheduler(0) == os.SCHED_RR else ""
    machine = f"{os.cpu_count()} cores, {found['machine']}{ahead}, {found['date']}"
    head = f"| {machine} | median (least to most of {found['rounds']}) | aim |"
    return "\n".join([head, "|---|---|---|", *(f"| {' | '.join(line)} |" for line in lines)])


def spread(values: object, unit: str) -> str:
    assert isinstance(values, Sequence)
    return f"{median(values):.3g} {unit} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()
