"""P, QRS and T on LUDB's 200 records against two cardiologists' marks; NeuroKit2 in the same run.

Run: python benchmarks/delineation.py [--fit] [--write docs/delineation.md]. A wave is found where its peak
lies within 150 ms of the marked one; each lead of each record counts, between its first and its last mark.
Our waves are those of all leads together. Constants were chosen on records 1-100; 101-200 are the test.
NeuroKit2 (`make peers-delineation`) sees each lead by itself, as it is made to, and is left out where it is
not installed. --fit prints the rule for P waves anew. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from numpy.typing import NDArray

from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, Recording
from cardiofusion.signal import Delineation, delineate
from markers import arguments, write_between

DATA = Path(os.environ.get("CARDIOFUSION_DATA", "../shared/data")) / "ludb" / "data"
RECORDS, DEVELOPED = 200, 100
WITHIN = 0.150  # seconds
WAVES = {"P": "p", "QRS": "N", "T": "t"}
PEER = Path(__file__).resolve().parents[1] / ".venv-peers-delineation" / "bin" / "python"
SCRIPT = Path(__file__).with_name("delineation_peers.py")
SEED, VIRTUAL, VIRTUAL_WEIGHT = 5, 800, 0.05

Marks = NDArray[np.float64]  # [wave, onset peak offset], samples, NaN where not marked


@dataclass
class Tally:
    """What was found, missed and made up of one wave; errors of onset, peak and offset in ms."""

    found: int = 0
    missed: int = 0
    false: int = 0
    errors: list[Marks] = field(default_factory=list)

    def add(self, marked: Marks, ours: Marks, rate: float) -> None:
        pairs = matched(marked[:, 1], ours[:, 1], WITHIN * rate)
        self.found += len(pairs)
        self.missed += len(marked) - len(pairs)
        self.false += len(ours) - len(pairs)
        for i, j in pairs:
            self.errors.append((ours[j] - marked[i]) / rate * 1000.0)

    def cells(self) -> list[str]:
        errors = np.array(self.errors)
        spread = [f"{np.nanmean(e):+.0f} ± {np.nanstd(e):.0f}" for e in errors.T[[0, 2]]]
        return [f"{self.sensitivity:.4f}", f"{self.precision:.4f}", *spread]

    @property
    def sensitivity(self) -> float:
        return self.found / max(1, self.found + self.missed)

    @property
    def precision(self) -> float:
        return self.found / max(1, self.found + self.false)


def matched(marked: NDArray[np.float64], ours: NDArray[np.float64], within: float) -> list[tuple[int, int]]:
    """Pairs one to one, the closest first."""
    apart = np.abs(marked[:, None] - ours[None])
    pairs, free = [], (set(range(len(marked))), set(range(len(ours))))
    for flat in np.argsort(apart, axis=None, kind="stable"):
        i, j = divmod(int(flat), max(1, len(ours)))
        if apart[i, j] > within:
            break
        if i in free[0] and j in free[1]:
            pairs.append((i, j))
            free[0].discard(i)
            free[1].discard(j)
    return pairs


@cache
def cardiologists(record: int) -> list[dict[str, Marks]]:
    """By lead and wave."""
    found = []
    for lead in LEADS:
        notes = wfdb.rdann(str(DATA / str(record)), lead.lower())
        symbols, samples = [*notes.symbol, ""], notes.sample.astype(float)
        by_wave: dict[str, list[tuple[float, float, float]]] = {wave: [] for wave in WAVES}
        for k, symbol in enumerate(notes.symbol):
            for wave, letter in WAVES.items():
                if symbol == letter:
                    onset = samples[k - 1] if k and symbols[k - 1] == "(" else np.nan
                    offset = samples[k + 1] if symbols[k + 1] == ")" else np.nan
                    by_wave[wave].append((onset, samples[k], offset))
        found.append({wave: np.array(marks).reshape(-1, 3) for wave, marks in by_wave.items()})
    return found


def of_delineation(found: Delineation) -> dict[str, Marks]:
    waves = {"P": "p", "QRS": "qrs", "T": "t"}
    marks = {
        name: [
            (wave.onset, wave.peak, wave.offset)
            for beat in found.beats
            if (wave := getattr(beat, attribute)) is not None
        ]
        for name, attribute in waves.items()
    }
    return {name: np.array(some, dtype=float).reshape(-1, 3) for name, some in marks.items()}


def tallies(
    found: Callable[[int, int], dict[str, Marks]], records: Iterable[int], rate: float = 500.0
) -> dict[str, Tally]:
    total = {wave: Tally() for wave in WAVES}
    for record in records:
        for lead, marked in enumerate(cardiologists(record)):
            marks = np.concatenate(list(marked.values()))
            first, last = np.nanmin(marks), np.nanmax(marks)
            ours = found(record, lead)
            for wave, tally in total.items():
                inside = (ours[wave][:, 1] >= first) & (ours[wave][:, 1] <= last)
                tally.add(marked[wave], ours[wave][inside], rate)
    return total


def peer() -> Callable[[int, int], dict[str, Marks]] | None:
    if not PEER.exists():
        print("NeuroKit2 is left out: `make peers-delineation` installs it", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "marks.json"
        subprocess.run([str(PEER), str(SCRIPT), str(DATA), str(target)], check=True)
        stored = json.loads(target.read_text(encoding="utf-8"))
    return lambda record, lead: {
        wave: np.array(marks, dtype=float).reshape(-1, 3) for wave, marks in stored[str(record)][lead].items()
    }


def fit() -> None:
    """The rule for P waves from the first records and from virtual ECGs with and without fibrillation."""
    from sklearn.linear_model import LogisticRegression

    from cardiofusion.signal import delineation
    from cardiofusion.simulate.causes import columns
    from cardiofusion.simulate.ecg import render
    from cardiofusion.simulate.population import draw_causes

    seen: list[Any] = []
    asked, delineation.p_wave_probability = (
        delineation.p_wave_probability,
        lambda *given: float(bool(seen.append(given))),
    )  # type: ignore[assignment]
    from cardiofusion.signal.p_waves import p_wave_evidence

    rows, has, weight = [], [], []

    def take(recording: Recording, p_waves: bool, share: float) -> None:
        seen.clear()
        delineate(recording)
        evidence = p_wave_evidence(*seen[0]) if seen else None
        if evidence is not None:
            rows.append(evidence)
            has.append(p_waves)
            weight.append(share)

    for record in range(1, DEVELOPED + 1):
        marked = cardiologists(record)[1]
        take(read_recording(DATA / f"{record}.hea"), len(marked["P"]) > 0.4 * len(marked["QRS"]), 1.0)
    rng = np.random.default_rng(SEED)
    causes = draw_causes(VIRTUAL * 5, rng)
    flags = columns(causes)
    odd = sum(flags[name] > 0 for name in ("aflt", "junctional", "svt", "av_block_3", "paced")) > 0
    chosen = np.flatnonzero(~odd)[:VIRTUAL]
    for ecg, afib in zip(render(causes[chosen], rng, 500.0), flags["afib"][chosen], strict=True):
        take(Recording(ecg, 500.0, LEADS), not afib, VIRTUAL_WEIGHT)
    delineation.p_wave_probability = asked
    rule = LogisticRegression(C=1.0, max_iter=1000).fit(np.array(rows), has, weight)
    print(
        "WEIGHTS =",
        tuple(float(w) for w in rule.coef_[0].round(2)),
        "BIAS =",
        float(rule.intercept_[0].round(2)),
    )


def main() -> None:
    words = sys.argv[1:]
    if "--fit" in words:
        fit()
        return
    _, target = arguments(words)
    started = time.perf_counter()
    ours = {r: of_delineation(delineate(read_recording(DATA / f"{r}.hea"))) for r in range(1, RECORDS + 1)}
    seconds = (time.perf_counter() - started) / RECORDS
    methods: dict[str, Callable[[int, int], dict[str, Marks]]] = {"ours": lambda record, _: ours[record]}
    neurokit = peer()
    if neurokit:
        methods["NeuroKit2 (wavelets)"] = neurokit
    parts = {
        "1-100": range(1, DEVELOPED + 1),
        "101-200": range(DEVELOPED + 1, RECORDS + 1),
        "all": range(1, RECORDS + 1),
    }
    lines = [
        "| records | method | wave | sensitivity | PPV | onset, ms | offset, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    summary: dict[str, Any] = {
        "benchmark": "delineation",
        "records": RECORDS,
        "seconds_a_record": round(seconds, 4),
    }
    for part, records in parts.items():
        for method, found in methods.items():
            for wave, tally in tallies(found, records).items():
                lines.append(f"| {part} | {method} | {wave} | {' | '.join(tally.cells())} |")
                summary[f"{part}/{method}/{wave}"] = [round(tally.sensitivity, 4), round(tally.precision, 4)]
    table = "\n".join(lines)
    print(table)
    if target:
        write_between(target, "delineation", table)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
