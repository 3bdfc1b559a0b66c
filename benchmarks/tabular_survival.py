"""NHANES I and MUSIC: our hazards beside Cox, Coxnet, a survival forest and gradient boosted Cox.

5 folds by patient, the same for all; nothing is chosen on the fold held out. Each model gives curves, and its
risk is the one at the horizon. Out-of-fold risks of all folds are pooled. Intervals: 1,000 draws of
patients, the same for all models.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import cardiofusion.tabular
from cardiofusion.metrics import (
    Observed,
    kaplan_meier,
)
from cardiofusion.records import ClinicalSchema, Cohort, patient_folds
from cardiofusion.tabular import train_survival
from kept import code, digest, kept
from tabular_cardio import PEERS

SEED, FOLDS, MOMENTS = 0, 5, 20
OURS, CHANCE = "hazards, trees and lines (ours)", "nothing but the calendar (Kaplan-Meier)"
TREES, LINES = "of which trees alone", "of which lines alone"
PEER_NAMES: Mapping[str, str] = {
    "ridge": "Cox, ridge",
    "coxnet": "Coxnet",
    "forest": "random survival forest",
    "boosted": "gradient boosted Cox",
}
GROUPS: Mapping[Literal["clinical", "ecg", "all"], str] = {
    "clinical": "clinical",
    "ecg": "ECG and Holter",
    "all": "both",
}
NEWS_OF_TIME = 0.1  # years: the forest keeps a number for every time it has seen

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class People:
    """Those of a survival task whose outcome is known. times: of the Brier score, up to the horizon."""

    name: str
    values: Array
    schema: ClinicalSchema
    observed: Observed
    patients: NDArray[np.str_]
    horizon: float

    @classmethod
    def of(cls, cohort: Cohort, task: str, name: str) -> People:
        assert cohort.table is not None
        outcome = cohort.outcomes[task]
        known = ~np.isnan(outcome).any(axis=1)
        (horizon,) = (t.horizon for t in cohort.tasks if t.name == task)
        assert horizon is not None
        return cls(
            name,
            cohort.table.values[known],
            cohort.table.schema,
            Observed.of(outcome[known]),
            cohort.patient_ids[known],
            horizon,
        )

    @property
    def fold(self) -> NDArray[np.int64]:
        event = self.observed.event[:, None].astype(np.float32)
        return patient_folds(self.patients, [1.0] * FOLDS, np.random.default_rng(SEED), event)

    @property
    def times(self) -> Array:
        return np.linspace(self.horizon / MOMENTS, self.horizon, MOMENTS)

    @property
    def digest(self) -> str:
        return digest(self.values, self.observed.time, self.observed.event, self.fold, self.times)


def ours(people: People) -> dict[str, Array]:
    """Curves [n, time] of the blend, of its trees and of its lines, and [n] the share of the trees."""
    folder = Path(cardiofusion.tabular.__file__).parent
    what = {
        "data": people.digest,
        "seed": SEED,
        "source": [code(folder / f"{room}.py") for room in ("survival", "hazards", "design")],
    }
    stacked = kept("tabular", f"{people.name}-ours", what, lambda: _our_curves(people))
    return dict(zip((OURS, TREES, LINES, "share"), stacked, strict=True))


def _our_curves(people: People) -> Array:
    found = np.full((4, len(people.values), MOMENTS), np.nan)
    for number in range(FOLDS):
        held, rest = people.fold == number, people.fold != number
        observed = Observed(people.observed.time[rest], people.observed.event[rest])
        model = train_survival(
            people.values[rest],
            observed,
            people.schema,
            people.horizon,
            SEED + number,
            groups=people.patients[rest],
        )
        for k, share in enumerate((model.share, 1.0, 0.0)):
            found[k, held] = replace(model, share=share).survival(people.values[held], people.times)
        found[3, held] = model.share
    return found


def peer(people: People, name: str) -> Array:
    script = Path(__file__).with_name("survival_peers.py")
    what = {"data": people.digest, "script": code(script)}
    return kept("tabular", f"{people.name}-{name}", what, lambda: _run_peer(people, name, script))


def _run_peer(people: People, name: str, script: Path) -> Array:
    late = people.observed.time > people.horizon
    time = np.where(late, people.horizon, people.observed.time)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "data.npz", Path(folder) / "curves.npy"
        np.savez(
            source,
            x=people.values,
            time=np.maximum(np.ceil(time / NEWS_OF_TIME) * NEWS_OF_TIME, NEWS_OF_TIME),
            event=people.observed.event & ~late,
            fold=people.fold,
            times=people.times,
            categories=np.array([len(c.categories) for c in people.schema]),
            ordered=np.array([c.ordered for c in people.schema]),
        )
        subprocess.run([str(PEERS), str(script), name, str(source), str(target)], check=True)
        return np.asarray(np.load(target, allow_pickle=False))


def calendar(people: People) -> Array:
    """Everybody's curve is that of the training part."""
    found = np.empty((len(people.values), MOMENTS))
    for number in range(FOLDS):
        rest = people.fold != number
        curve = kaplan_meier(Observed(people.observed.time[rest], people.observed.event[rest]))
        found[~rest] = curve.at(people.times)
    return found
