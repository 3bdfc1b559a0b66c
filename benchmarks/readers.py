"""How true, how hard to fool and how fast the readers are, beside wfdb, pydicom and pyEDFlib.

    python benchmarks/readers.py [--mutants N] [--write docs/formats.md]

A mutant that is read counts as right where leads, rate, length, missing samples and every mV (to a step of
the ECG) are those of the file before the change, and as wrong where any of these differs, whatever caused it.
A change that makes another sound file, checksums included, counts apart. A wrong one is flagged where
`assess_quality` warns of something that it does not find in the unchanged file; that no checksum vouches for
it (`unverified`) is noted in any case. Peers give neither flags nor notes.

The last line printed is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import reading_speed
import trueness
from ecg_readings import PEERS
from markers import write_between
from specimens import WRITERS, data_folder
from trial import Result, run, summary

MUTANTS = 2_000
PACKAGES = ("wfdb", "pydicom", "pyEDFlib")

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=MUTANTS)
    parser.add_argument("--write", type=Path)
    wanted = parser.parse_args()
    found = measure(wanted.mutants)
    for table in (true_table(found), mutant_table(found), speed_table(found)):
        print(f"{table}\n")
    if wanted.write:
        text = "\n\n".join((true_table(found), mutant_table(found), speed_table(found)))
        write_between(wanted.write, "readers", text)
        write_between(Path(wanted.write).parent.parent / "README.md", "readers", short_form(found))
    print(json.dumps(found))


def measure(mutants: int) -> Row:
    data = data_folder()
    found: Row = {"benchmark": "readers", "versions": {name: version(name) for name in PACKAGES}}
    found["true"] = [*trueness.of_virtual(), *trueness.of_samples(data), *trueness.of_records(data)]
    _say("read and compared")
    found["speed"] = [*reading_speed.of_records(data), *reading_speed.of_virtual()]
    found["worker"] = reading_speed.of_worker()
    _say("timed")
    found["mutants"] = list(of_mutants(mutants))
    return found


def of_mutants(count: int) -> Iterator[Row]:
    """A summary for each format and reader."""
    for format_name in WRITERS:
        for reader in ("cardiofusion", *filter(None, [PEERS.get(format_name)])):
            started = time.perf_counter()
            results = list(run(reader, format_name, "full", 0, count))
            _say(f"{format_name}, {reader}: {len(results)} mutants in {time.perf_counter() - started:.0f} s")
            yield {"format": format_name, "reader": reader, **summary(results), **_kinds(results)}


def _kinds(results: list[Result]) -> Row:
    """In what the unflagged wrong ones differ; of what bytes they were."""
    unflagged = [r for r in results if r["outcome"] == "wrong" and not r.get("flags")]
    vouched = sum(r["outcome"] == "wrong" and r.get("unverified") == [] for r in results)
    return {"unflagged_differ_in": Counter(r["differs"] for r in unflagged), "vouched_for": vouched}


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def true_table(found: Row) -> str:
    lines = [
        "| files | held against | n | as there | largest difference |",
        "|---|---|---|---|---|",
    ]
    for row in found["true"]:
        if "refused" in row:
            lines.append(f"| {row['set']} | to be refused | {row['files']} | {row['refused']} refused | |")
            continue
        raises = f" ({row['oracle_raises']} it cannot read)" if row.get("oracle_raises") else ""
        counts = f"{row['files']} | {row['right']} | {row['max_mv']:.1g} mV"
        lines.append(f"| {row['set']} | {row['oracle']}{raises} | {counts} |")
    return "\n".join(lines)


def mutant_table(found: Row) -> str:
    lines = [
        "| format | read by | mutants | refused | right | another sound file | wrong, flagged |"
        " wrong, only noted as unverified | crash, hang, memory, other error | slowest | memory |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found["mutants"]:
        failed = row["crash"] + row["slow"] + row["memory"] + row["error"]
        ours = row["reader"] == "cardiofusion"
        flagged = row["wrong_flagged"] if ours else "–"
        unflagged = row["wrong_unflagged"] if ours else f"{row['wrong']} (nothing noted)"
        lines.append(
            f"| {row['format']} | {row['reader']} | {row['mutants']:,} | {row['refused']} | {row['right']} |"
            f" {row['another']} | {flagged} | {unflagged} | {failed} | {row['slowest_s']:.2f} s |"
            f" {row['peak_bytes'] / 2**20:.0f} MiB |"
        )
    return "\n".join(lines)


def speed_table(found: Row) -> str:
    lines = ["| format | n | ours, files/s | peer | files/s | ratio |", "|---|---|---|---|---|---|"]
    for row in found["speed"]:
        peer = f"{row['peer']} | {row['theirs']:.0f} | {row['ratio']:.1f}" if "peer" in row else "– | – | –"
        lines.append(f"| {row['files']} | {row['n']} | {row['ours']:.0f} | {peer} |")
    worker = found["worker"]
    lines.append(
        f"\nThe DICOM file in a process of its own (`LimitedReader`): {worker['worker_ms']:.1f} ms, here"
        f" {worker['here_ms']:.1f} ms (medians of {worker['n']})."
    )
    return "\n".join(lines)


def short_form(found: Row) -> str:
    """For the README."""
    ours = [row for row in found["mutants"] if row["reader"] == "cardiofusion"]
    lines = [
        "| reader | mutants | refused | right | another sound file | wrong | of these flagged "
        "| crash, hang, other error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines.append(_short(f"cardiofusion, {len(ours)} formats", ours))
    for row in found["mutants"]:
        if row["reader"] != "cardiofusion":
            same = next(other for other in ours if other["format"] == row["format"])
            lines += [_short(f"cardiofusion, {row['format']}", [same]), _short(f"{row['reader']}", [row])]
    return "\n".join(lines)


def _short(name: str, rows: list[Row]) -> str:
    total = Counter[str]()
    for row in rows:
        total.update({key: value for key, value in row.items() if isinstance(value, int)})
    failed = total["crash"] + total["slow"] + total["memory"] + total["error"]
    return (
        f"| {name} | {total['mutants']:,} | {total['refused']:,} | {total['right']:,} |"
        f" {total['another']:,} | {total['wrong']:,} | {total['wrong_flagged']:,} | {failed} |"
    )


if __name__ == "__main__":
    main()
