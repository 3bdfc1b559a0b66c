"""P, QRS and T on LUDB's 200 records against two cardiologists' marks; NeuroKit2 in the same run.

Run: python benchmarks/delineation.py [--fit] [--write docs/delineation.md]. A wave is found where its peak
lies within 150 ms of the marked one; each lead of each record counts, between its first and its last mark.
Our waves are those of all leads together, and each lead's own. Constants were chosen on records 1-100;
101-200 are the test. What experts differ by is published for others (CSE) and counted here for these.
NeuroKit2 (`make peers-delineation`) sees each lead by itself, as it is made to, and is left out where it is
not installed; its marks are kept in runs/delineation. --fit prints the rule for P waves anew. Intervals are
of 95 %, records drawn anew. What is measured from these marks follows (measurements.py). The last line is
one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from numpy.typing import NDArray

from cardiofusion.metrics import percentile_interval
from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, Recording
from cardiofusion.signal import Beat, LeadBeat, delineate, delineate_leads, measure_intervals
from markers import arguments, write_between
from measurements import tables

DATA = Path(os.environ.get("CARDIOFUSION_DATA", "../shared/data")) / "ludb" / "data"
RECORDS, DEVELOPED = 200, 100
WITHIN = 0.150  # seconds
WAVES = {"P": "p", "QRS": "N", "T": "t"}
PEER = Path(__file__).resolve().parents[1] / ".venv-peers-delineation" / "bin" / "python"
SCRIPT = Path(__file__).with_name("delineation_peers.py")
# Twice the standard deviation between cardiologists, ms: CSE Working Party, Eur Heart J 1985;6:815, as in
# Martinez et al., IEEE Trans Biomed Eng 2004;51:570. There is none for the onset of T.
CSE = {"P": ("10.2", "12.7"), "QRS": ("6.5", "11.6"), "T": ("", "30.6")}
SEED, VIRTUAL, VIRTUAL_WEIGHT = 5, 800, 0.05

REPEATS = 1000
KEPT = Path("runs/delineation/neurokit2.json")
FORMATS = DATA.parents[1] / "formats"
FILES = (
    "dicom/anonymous_ecg.dcm",
    "scp/Example.scp",
    "muse/IntroECG_MUSE_example.xml",
    "philips/1_03_129DYPRG.XML",
    "philips/1_04_3191723_ZZDEMOPTONLY.xml",
    "philips/1_04_ad4d3d80.xml",
    "schiller/cvrg_schiller.xml",
)

Marks = NDArray[np.float64]  # [wave, onset peak offset], samples, NaN where not marked
Found = Callable[[int, int], dict[str, Marks]]  # of a record and a lead, by wave


@dataclass
class Tally:
    """What was found, missed and made up of one wave, by record; errors of onset, peak and offset in ms."""

    counts: list[tuple[int, int, int]] = field(default_factory=list)
    errors: list[Marks] = field(default_factory=list)

    def add(self, leads: Iterable[tuple[Marks, Marks]], rate: float) -> None:
        """One record: for each lead the marked waves and ours."""
        found = missed = false = 0
        for marked, ours in leads:
            pairs = matched(marked[:, 1], ours[:, 1], WITHIN * rate)
            found += len(pairs)
            missed += len(marked) - len(pairs)
            false += len(ours) - len(pairs)
            self.errors += [(ours[j] - marked[i]) / rate * 1000.0 for i, j in pairs]
        self.counts.append((found, missed, false))

    def cells(self) -> list[str]:
        errors = np.array(self.errors)
        spread = [f"{np.nanmean(e):+.0f} ± {np.nanstd(e):.0f}" for e in errors.T[[0, 2]]]
        shares = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in self.shares()]
        return [str(sum(found + missed for found, missed, _ in self.counts)), *shares, *spread]

    def shares(self) -> list[list[float]]:
        """Sensitivity and predictive value, each with its interval: records drawn anew."""
        counts, rng = np.array(self.counts, dtype=float), np.random.default_rng(SEED)
        drawn = counts[rng.integers(0, len(counts), (REPEATS, len(counts)))].sum(axis=1)
        total = counts.sum(axis=0)
        return [
            [
                float(total[0] / (total[0] + total[k])),
                *percentile_interval(drawn[:, 0] / (drawn[:, 0] + drawn[:, k])),
            ]
            for k in (1, 2)
        ]


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


def of_beats(beats: Iterable[Beat | LeadBeat]) -> dict[str, Marks]:
    waves = {"P": "p", "QRS": "qrs", "T": "t"}
    marks = {
        name: [
            (wave.onset, wave.peak, wave.offset)
            for beat in beats
            if (wave := getattr(beat, attribute)) is not None
        ]
        for name, attribute in waves.items()
    }
    return {name: np.array(some, dtype=float).reshape(-1, 3) for name, some in marks.items()}


def between_experts() -> list[str]:
    """Rows: what cardiologists differ by, and how the ends that these marked stray about their own peaks."""
    lines = []
    for wave, (onset, offset) in CSE.items():
        lines.append(f"| published | between experts, 2 SD (CSE) | {wave} | | | | {onset} | {offset} |")
    for wave in WAVES:
        strayed = []
        for record in range(1, RECORDS + 1):
            for marks in (lead[wave] for lead in cardiologists(record)):
                ends = marks[:, [0, 2]] - marks[:, [1]]
                strayed += [
                    end - np.nanmedian(ends, axis=0) for end in ends if np.isfinite(ends).any(axis=0).all()
                ]
        onset, offset = (f"± {s * 2.0:.0f}" for s in np.nanstd(np.array(strayed), axis=0))
        lines.append(f"| all | LUDB's experts, beat to beat | {wave} | | | | {onset} | {offset} |")
    return lines


def tallies(found: Found, records: Iterable[int], rate: float = 500.0) -> dict[str, Tally]:
    total = {wave: Tally() for wave in WAVES}
    for record in records:
        by_wave: dict[str, list[tuple[Marks, Marks]]] = {wave: [] for wave in WAVES}
        for lead, marked in enumerate(cardiologists(record)):
            marks = np.concatenate(list(marked.values()))
            first, last = np.nanmin(marks), np.nanmax(marks)
            ours = found(record, lead)
            for wave, pairs in by_wave.items():
                inside = (ours[wave][:, 1] >= first) & (ours[wave][:, 1] <= last)
                pairs.append((marked[wave], ours[wave][inside]))
        for wave, tally in total.items():
            tally.add(by_wave[wave], rate)
    return total


def peer() -> Found | None:
    """NeuroKit2's marks; kept, for they take minutes."""
    if not PEER.exists():
        print("NeuroKit2 is left out: `make peers-delineation` installs it", file=sys.stderr)
        return None
    if not KEPT.exists():
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(PEER), str(SCRIPT), str(DATA), str(KEPT)], check=True)
    stored = json.loads(KEPT.read_text(encoding="utf-8"))
    return lambda record, lead: {
        wave: np.array(marks, dtype=float).reshape(-1, 3) for wave, marks in stored[str(record)][lead].items()
    }


def devices() -> list[str]:
    """Our intervals minus what the device that wrote the file measured."""
    names = ("heart_rate", "pr", "qrs", "qt", "p_axis", "qrs_axis", "t_axis")
    lines = [f"| file | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for file in FILES:
        recording = read_recording(FORMATS / file)
        ours = measure_intervals(recording, delineate(recording))
        cells = [
            f"{ours[name].value - recording.measured[name]:+.0f} ({recording.measured[name]:.0f})"
            if name in ours and name in recording.measured
            else ""
            for name in names
        ]
        lines.append(f"| {file} | {' | '.join(cells)} |")
    return lines


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
    recordings = {r: read_recording(DATA / f"{r}.hea") for r in range(1, RECORDS + 1)}
    found = {r: delineate(recording) for r, recording in recordings.items()}
    leads = {r: delineate_leads(recording, found[r]) for r, recording in recordings.items()}
    seconds = (time.perf_counter() - started) / RECORDS
    methods: dict[str, Found] = {
        "ours, all leads together": lambda record, _: of_beats(found[record].beats),
        "ours, per lead": lambda record, lead: of_beats(leads[record][LEADS[lead]]),
    }
    neurokit = peer()
    if neurokit:
        methods["NeuroKit2 (wavelets)"] = neurokit
    parts = {
        "1-100": range(1, DEVELOPED + 1),
        "101-200": range(DEVELOPED + 1, RECORDS + 1),
        "all": range(1, RECORDS + 1),
    }
    lines = [
        "| records | method | wave | marked | sensitivity | PPV | onset, ms | offset, ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    summary: dict[str, Any] = {
        "benchmark": "delineation",
        "records": RECORDS,
        "seconds_a_record": round(seconds, 4),
    }
    for part, records in parts.items():
        for method, waves in methods.items():
            for wave, tally in tallies(waves, records).items():
                lines.append(f"| {part} | {method} | {wave} | {' | '.join(tally.cells())} |")
                summary[f"{part}/{method}/{wave}"] = np.round(tally.shares(), 4).tolist()
    devices_words = (
        f"Our intervals minus the device's own (in brackets), {len(FILES)} ECGs; /min, ms, degrees:"
    )
    table = "\n".join([*lines, *between_experts(), "", devices_words, "", *devices()])
    measured = tables(DATA.parents[1], cardiologists)
    print(table, measured, sep="\n\n")
    if target:
        write_between(target, "delineation", table)
        write_between(target, "measurements", measured)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
