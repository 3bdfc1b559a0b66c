"""How lifelike virtual patients are: every measurement of measures.py, virtual and real (PTB-XL).

Run: python benchmarks/virtual.py [N]. Prints the Kolmogorov-Smirnov statistic of each measurement, the AUC
with which gradient boosting tells virtual from real (5 folds; 0.5 would be perfect, and cannot be had where
the mixture of findings differs), for normal ECGs and for all, what gave the virtual ones away, and ECGs a
minute. Virtual patients get the ages and sexes of the real. The last line is one JSON object.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from cardiofusion.readers import read_recording
from cardiofusion.simulate import draw_causes, render, simulate_ecgs
from measures import measure

SEED, FOLDS, SHOWN, SPEED_N = 11, 5, 15, 512
Array = NDArray[np.float64]


def data_folder() -> Path:
    return Path(os.environ.get("CARDIOFUSION_DATA", "../shared/data")) / "ptb-xl"


def real_ecgs() -> tuple[NDArray[np.float32], Array, Array, NDArray[np.bool_]]:
    """Signals [n, 12, 1000] mV, age, sex (1 male) and whether the cardiologist said normal."""
    with (data_folder() / "ptbxl_database.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    signal = [read_recording(data_folder() / f"{row['filename_lr']}.hea").signal for row in rows]
    age = np.array([float(row["age"] or 60) for row in rows])
    male = np.array([float(row["sex"] == "0") for row in rows])
    return (
        np.stack(signal),
        np.clip(age, 18, 95),
        male,
        np.array(["'NORM'" in row["scp_codes"] for row in rows]),
    )


def virtual_ecgs(n: int, age: Array, male: Array, normal: bool) -> NDArray[np.float32]:
    rng = np.random.default_rng(SEED + normal)
    of = rng.integers(0, len(age), n)
    return render(draw_causes(n, rng, age[of], male[of], () if normal else None), rng)


def table(signals: NDArray[np.float32]) -> tuple[list[str], Array]:
    """Names and values [n, name], NaN where an ECG has no beats to measure."""
    found = [measure(signal) for signal in signals]
    names = list(next(one for one in found if one))
    return names, np.array([[one.get(name, np.nan) for name in names] for one in found])


def told_apart(real: Array, virtual: Array, names: list[str]) -> tuple[float, list[tuple[str, float]]]:
    """Pooled out-of-fold AUC, and share of the gain by measurement, largest first."""
    x = np.concatenate([real, virtual])
    y = np.repeat([0, 1], [len(real), len(virtual)])
    score, gain = np.zeros(len(y)), np.zeros(len(names))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(x, y):
        model = LGBMClassifier(
            n_estimators=120,
            num_leaves=15,
            learning_rate=0.08,
            colsample_bytree=0.5,
            is_unbalance=True,
            importance_type="gain",
            random_state=SEED,
            n_jobs=1,
            verbose=-1,
        )
        model.fit(x[train], y[train])
        score[test] = model.predict_proba(x[test])[:, 1]
        gain += model.feature_importances_
    order = np.argsort(-gain)[:SHOWN]
    return float(roc_auc_score(y, score)), [(names[i], float(gain[i] / gain.sum())) for i in order]


def distances(real: Array, virtual: Array, names: list[str]) -> list[tuple[str, float, float, int, int]]:
    """(name, KS statistic, p, real n, virtual n), furthest first."""
    found = []
    for i, name in enumerate(names):
        a, b = (x[np.isfinite(x[:, i]), i] for x in (real, virtual))
        test = ks_2samp(a, b)
        found.append((name, float(test.statistic), float(test.pvalue), len(a), len(b)))
    return sorted(found, key=lambda row: -row[1])


def per_minute() -> float:
    simulate_ecgs(128, 0)
    start = time.process_time()
    simulate_ecgs(SPEED_N, SEED)
    return 60 * SPEED_N / (time.process_time() - start)


def compare(title: str, real: Array, virtual: Array, names: list[str]) -> dict[str, object]:
    rows = distances(real, virtual, names)
    auc, gain = told_apart(real, virtual, names)
    middle = float(np.median([statistic for _, statistic, *_ in rows]))
    print(f"\n{title}: AUC virtual against real {auc:.3f}; median KS {middle:.3f}")
    print("gave them away: " + ", ".join(f"{name} {share:.0%}" for name, share in gain))
    print(
        f"\n{'measurement':<18}{'KS':>6}{'p':>9}{'n real':>8}{'virtual':>8}   10/50/90 % of real | of virtual"
    )
    for name, statistic, p, n, m in rows:
        i = names.index(name)
        levels = " | ".join(
            "/".join(f"{q:.3g}" for q in np.nanquantile(x[:, i], (0.1, 0.5, 0.9))) for x in (real, virtual)
        )
        print(f"{name:<18}{statistic:>6.3f}{p:>9.1e}{n:>8}{m:>8}   {levels}")
    return {
        "auc": round(auc, 4),
        "median_ks": round(middle, 4),
        "furthest": {name: round(statistic, 3) for name, statistic, *_ in rows[:SHOWN]},
        "gain": {name: round(share, 3) for name, share in gain},
    }


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    signal, age, male, normal = real_ecgs()
    names, real = table(signal)
    _, everyone = table(virtual_ecgs(n, age, male, normal=False))
    _, healthy = table(virtual_ecgs(n // 2, age[normal], male[normal], normal=True))
    found = {
        "benchmark": "virtual",
        "real_n": len(real),
        "virtual_n": n,
        "normal": compare("Normal ECGs", real[normal], healthy, names),
        "all": compare("All ECGs", real, everyone, names),
        "ecgs_per_minute": round(per_minute()),
    }
    print(f"\n{found['ecgs_per_minute']:,} virtual ECGs a minute on one core")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
