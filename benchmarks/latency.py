"""One patient, ECG array and clinical row to calibrated sets: p50 and p99 on one thread, per bundle.

Run: python benchmarks/latency.py BUNDLE [BUNDLE ...] [--write README.md]. The ECG is a 12-lead, 10 s, 500 Hz
array in memory, as a reader would give it: canonical form, encoder, fusion, boosters, calibration and sets
are all inside the clock; explanations, quality and the HTML sheet are timed apart. The speed of the machine
is timed in the same rounds by a yardstick, and told as a ratio. --write puts the table
between the markers of that file. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import LEADS, Recording
from cardiofusion.report import patient_sheet
from cardiofusion.runtime import System
from cardiofusion.signal import assess_quality, canonical
from cardiofusion.simulate import virtual_cohort
from markers import arguments, write_between

WARM_UP, RUNS, SLOW_RUNS = 20, 400, 20
ROUNDS, PAUSE_S = 5, 4.0  # a shared machine is quiet and busy by turns: the rounds show by how much
SEED = 7
# One product of 43 million multiplications, as many as the encoder's: what the machine gives at that minute.
YARDSTICK = (120, 800, 450)


def milliseconds(work: Callable[[], object], runs: int) -> dict[str, float]:
    for _ in range(min(WARM_UP, runs)):
        work()
    spent = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        spent.append(1000.0 * (time.perf_counter() - started))
    p50, p99 = np.percentile(spent, [50, 99])
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2), "n": runs}


def together(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The middle round, and the p50 of the quietest and the busiest one."""
    p50, p99 = (sorted(found[key] for found in rounds) for key in ("p50_ms", "p99_ms"))
    middle = len(rounds) // 2
    return {
        "p50_ms": p50[middle],
        "p99_ms": p99[middle],
        "quietest_p50_ms": p50[0],
        "busiest_p50_ms": p50[-1],
        "n": sum(int(found["n"]) for found in rounds),
    }


def yardstick() -> Callable[[], NDArray[np.float32]]:
    rows, inner, columns = YARDSTICK
    rng = np.random.default_rng(SEED)
    left, right = rng.random((rows, inner), np.float32), rng.random((inner, columns), np.float32)
    return lambda: left @ right


def virtual_recording() -> Recording:
    source = virtual_cohort(1, SEED, sampling_rate=500.0).recordings[0].read()
    return Recording(source.signal, source.sampling_rate, LEADS, age=source.age, sex=source.sex)


def measure(folder: Path) -> dict[str, Any]:
    started = time.perf_counter()
    system = System.load(folder)
    loaded = time.perf_counter() - started
    recording = virtual_recording()
    schema = system.manifest.schema
    row = {c.name: c.categories[0] if c.kind == "category" else _middle(c.low, c.high) for c in schema or ()}

    def to_sets() -> object:
        return system.answer(canonical(recording), system.encode_row(row) if row else None)

    encoded_row = system.encode_row(row) if row else None
    ecg = canonical(recording)
    encoded = system.encoder(ecg.signal[None], ecg.present[None])

    def from_encoded() -> object:
        return system.answer_encoded(encoded, encoded_row)

    started = time.perf_counter()
    to_sets()
    first = time.perf_counter() - started
    rounds, yardsticks = [], []
    for _ in range(ROUNDS):
        rounds.append(milliseconds(to_sets, RUNS))
        yardsticks.append(milliseconds(yardstick(), RUNS))
        time.sleep(PAUSE_S)
    ratios = [a["p50_ms"] / b["p50_ms"] for a, b in zip(rounds, yardsticks, strict=True)]
    found: dict[str, Any] = {
        "bundle": system.manifest.name,
        "tasks": len(system.manifest.tasks),
        "load_s": round(loaded, 3),
        "first_answer_s": round(first, 3),
        "array_and_row_to_sets": together(rounds),
        "yardstick": together(yardsticks),
        "times_the_yardstick": round(sorted(ratios)[ROUNDS // 2], 1),
        "of_which_boosters_fusion_sets": together([milliseconds(from_encoded, RUNS) for _ in range(ROUNDS)]),
        "of_which_canonical": milliseconds(lambda: canonical(recording), RUNS),
        "quality": milliseconds(lambda: assess_quality(recording), SLOW_RUNS),
        "whole_assessment_explained": milliseconds(lambda: system.assess(recording, row), SLOW_RUNS),
    }
    assessment = system.assess(recording, row)
    found["sheet"] = milliseconds(lambda: patient_sheet(assessment, recording), SLOW_RUNS)
    return found


def _middle(low: float, high: float) -> float:
    return (max(low, 0.0) + min(high, 1000.0)) / 2.0


def table(results: list[dict[str, Any]]) -> str:
    lines = [
        "| bundle | tasks | p50 | quietest and busiest round | p99 | n | yardstick | ratio |"
        " of which boosters, fusion and sets p50, p99 | whole assessment, explained (p50) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for found in results:
        sets, whole = found["array_and_row_to_sets"], found["whole_assessment_explained"]
        after = found["of_which_boosters_fusion_sets"]
        lines.append(
            f"| {found['bundle']} | {found['tasks']} | {sets['p50_ms']:.2f} ms |"
            f" {sets['quietest_p50_ms']:.2f}, {sets['busiest_p50_ms']:.2f} ms | {sets['p99_ms']:.2f} ms |"
            f" {sets['n']} | {found['yardstick']['p50_ms']:.2f} ms | {found['times_the_yardstick']:.1f} |"
            f" {after['p50_ms']:.2f}, {after['p99_ms']:.2f} ms | {whole['p50_ms']:.2f} ms |"
        )
    return "\n".join(lines)


def main() -> None:
    folders, target = arguments(sys.argv[1:])
    results = [measure(folder) for folder in folders]
    for result in results:
        for name, value in result.items():
            print(f"{name:<28} {value}")
        print()
    if target:
        write_between(target, "latency", table(results))
    print(json.dumps({"benchmark": "latency", "threads": 1, "results": results}))


if __name__ == "__main__":
    main()
