"""What the curves of tabular_survival.py come to: C and Brier scores with intervals, as tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets import load_music, load_nhanes1
from cardiofusion.metrics import (
    censoring,
    concordances,
    integrated_brier,
    patient_draws,
    percentile_interval,
)
from kept import digest, kept
from tabular_cardio import PEERS
from tabular_survival import (
    CHANCE,
    GROUPS,
    LINES,
    OURS,
    PEER_NAMES,
    TREES,
    People,
    calendar,
    ours,
    peer,
)

REPEATS, SEED = 1000, 7
MUSIC_TASKS = ("death", "cardiac_death", "sudden_cardiac_death", "pump_failure_death")
RIDGE = "ridge"

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scored:
    """Harrell's C, Uno's C and the integrated Brier score: values [3], and under every draw [repeat, 3]."""

    values: Array
    drawn: Array

    def words(self, kind: int) -> str:
        low, high = percentile_interval(self.drawn[:, kind])
        return f"{self.values[kind]:.3f} [{low:.3f}-{high:.3f}]"

    def minus(self, other: Scored, kind: int = 0) -> str:
        low, high = percentile_interval(self.drawn[:, kind] - other.drawn[:, kind])
        return f"{self.values[kind] - other.values[kind]:+.3f} [{low:+.3f} to {high:+.3f}]"


def score(people: People, curves: Mapping[str, Array]) -> dict[str, Scored]:
    """Every model under the same draws of patients. The curve of censoring is that of all of them."""
    draws = patient_draws(people.patients, np.random.default_rng(SEED), REPEATS)
    by, observed = censoring(people.observed), people.observed
    risks = np.column_stack([1.0 - curve[:, -1] for curve in curves.values()])
    what = {"people": people.digest, "risks": digest(risks), "repeats": REPEATS}

    def measured() -> Array:
        weights = np.vstack([np.ones(len(observed)), draws])
        harrell = concordances(observed, risks, weights, people.horizon)
        uno = concordances(observed, risks, weights, people.horizon, by)
        return np.stack([harrell, uno])

    concordance = kept("tabular", f"{people.name}-concordance", what, measured)
    found = {}
    for k, (name, curve) in enumerate(curves.items()):
        parts = integrated_brier(observed, curve, people.times, by)
        briers = np.append(parts.mean(), (draws @ parts) / draws.sum(axis=1))
        every = np.column_stack([*concordance[:, :, k], briers])
        found[name] = Scored(every[0], every[1:])
    return found


def curves(people: People, peers: tuple[str, ...] = tuple(PEER_NAMES)) -> dict[str, Array]:
    own = ours(people)
    found = {name: own[name] for name in (OURS, TREES, LINES)}
    if PEERS.exists():
        found |= {PEER_NAMES[name]: peer(people, name) for name in peers}
    else:
        print("survival peers are left out: `make peers-tabular` installs them", file=sys.stderr)
    return found | {CHANCE: calendar(people)}


def table(people: People) -> tuple[str, dict[str, Any]]:
    found = score(people, curves(people))
    lines = [
        "| model | Harrell's C | ours minus this | Uno's C | integrated Brier | ours minus this |",
        "|---|---|---|---|---|---|",
    ]
    for name, scored in found.items():
        gaps = ["" if name == OURS else found[OURS].minus(scored, kind) for kind in (0, 2)]
        cells = [scored.words(0), gaps[0], scored.words(1), scored.words(2), gaps[1]]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    share = ours(people)["share"][:, 0]
    lines += ["", f"Share of the trees, by fold: {', '.join(f'{s:g}' for s in _by_fold(people, share))}."]
    return "\n".join(lines), {
        name: [round(float(v), 4) for v in scored.values] for name, scored in found.items()
    }


def _by_fold(people: People, values: Array) -> list[float]:
    return [float(values[people.fold == number][0]) for number in np.unique(people.fold)]


def added(folder: Path) -> str:
    """MUSIC: Harrell's C of ours on each group of columns, and what both have beyond the clinical ones."""
    lines = [
        f"| outcome | events | {' | '.join(GROUPS.values())} | both minus clinical | Cox, ridge, both |",
        "|---|---|---|---|---|---|---|",
    ]
    for task in MUSIC_TASKS:
        people = {group: _music(folder, task, group) for group in GROUPS}
        whole = people["all"]
        own = {group: ours(one)[OURS] for group, one in people.items()}
        if PEERS.exists():
            own[RIDGE] = peer(whole, RIDGE)
        found = score(whole, own)
        cells = [found[group].words(0) for group in GROUPS]
        cells += [found["all"].minus(found["clinical"])]
        cells += [found[RIDGE].words(0) if RIDGE in found else "not installed"]
        events = int((whole.observed.event & (whole.observed.time <= whole.horizon)).sum())
        lines.append(f"| {task.replace('_', ' ')} | {events} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _music(folder: Path, task: str, group: Any) -> People:
    return People.of(load_music(folder, group), task, f"music-{task}-{group}")


def report() -> tuple[dict[str, str], dict[str, Any]]:
    """Blocks of Markdown by title, and plain numbers."""
    data = Path(os.environ.get("CARDIOFUSION_DATA", "../shared/data"))
    everybody = {
        "MUSIC, death within 4 years": _music(data / "music", "death", "all"),
        "NHANES I, death within 10 years": People.of(load_nhanes1(data / "nhanes1"), "mortality", "nhanes1"),
    }
    blocks, numbers = {}, {}
    for name, people in everybody.items():
        observed, k = people.observed, people.values.shape[1]
        events = int((observed.event & (observed.time <= people.horizon)).sum())
        title = f"{name}, n = {len(observed):,}, {events:,} events, {k} columns:"
        blocks[title], numbers[people.name] = table(people)
    blocks["What each group of columns gives in MUSIC, Harrell's C:"] = added(data / "music")
    return blocks, {"survival": numbers}
