"""What the scores of tabular_cardio.py come to: figures with intervals, and the tables of docs/tabular.md."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics import (
    Measure,
    brier,
    expected_calibration_error,
    percentile_interval,
    replicates,
    roc_auc,
)
from cardiofusion.tabular import Recipe, published_risks, sure_directions
from kept import digest, kept
from tabular_cardio import (
    AUTOGLUON,
    AUTOML,
    ONE_SEED,
    OURS,
    PEER_NAMES,
    PEERS,
    SEEDS,
    TRIALS,
    TUNED,
    Rows,
    ours,
    peer,
    tuned,
)

REPEATS, SIMULATED = 500, 300
FRAMINGHAM = "framingham_2008_office"

Array = NDArray[np.float64]
Scores = Mapping[str, Sequence[Array]]  # by model and seed: logits [n]


@dataclass(frozen=True, eq=False)
class Figure:
    """A mean over seeds, and the same mean under every draw of patients."""

    value: float
    drawn: Array

    @classmethod
    def mean(cls, values: Sequence[float], drawn: Array) -> Figure:
        return cls(float(np.mean(values)), drawn.mean(axis=1))

    def minus(self, other: Figure) -> Figure:
        return Figure(self.value - other.value, self.drawn - other.drawn)

    def words(self, sign: str = "") -> str:
        low, high = percentile_interval(self.drawn)
        link = " to " if sign else "-"
        return f"{self.value:{sign}.4f} [{low:{sign}.4f}{link}{high:{sign}.4f}]"

    def numbers(self) -> list[float]:
        return [round(float(x), 5) for x in (self.value, *percentile_interval(self.drawn))]


def chance(logits: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(logits / 2.0))


def figures(rows: Rows, scores: Scores) -> dict[str, dict[str, Figure]]:
    """model -> {auc, brier}, all under the same draws of patients; a model's seeds count alike."""
    order = [(name, seed) for name, runs in scores.items() for seed in range(len(runs))]
    measures = [Measure(roc_auc, rows.y, scores[name][seed]) for name, seed in order]
    measures += [Measure(brier, rows.y, chance(scores[name][seed])) for name, seed in order]
    what = {"scores": [digest(m.score) for m in measures], "repeats": REPEATS}
    drawn = kept(
        "tabular",
        f"cardio-draws-{len(order)}",
        what,
        lambda: replicates(measures, rows.patients, np.random.default_rng(7), REPEATS),
    )
    values = np.array([measure.value() for measure in measures])
    found: dict[str, dict[str, Figure]] = {}
    for name in scores:
        of_model = np.array([k for k, (model, _) in enumerate(order) if model == name])
        found[name] = {
            "auc": Figure.mean(values[of_model].tolist(), drawn[:, of_model]),
            "brier": Figure.mean(values[of_model + len(order)].tolist(), drawn[:, of_model + len(order)]),
        }
    return found


def calibration(rows: Rows, runs: Sequence[Array]) -> str:
    """Mean error over seeds in 10 bins, what 95 % of perfect scores stay below, and how many seeds do."""
    errors, bands = [], []
    for seed, logits in enumerate(runs):
        p, rng = chance(logits), np.random.default_rng([7, seed])
        errors.append(expected_calibration_error(rows.y, p))
        perfect = kept(
            "tabular",
            "cardio-calibrated",
            {"scores": digest(logits), "seed": seed, "n": SIMULATED},
            lambda p=p, rng=rng: np.array(  # type: ignore[misc]
                [
                    expected_calibration_error((rng.random(len(p)) < p).astype(np.float64), p)
                    for _ in range(SIMULATED)
                ]
            ),
        )
        bands.append(np.quantile(perfect, 0.95))
    inside = sum(error <= band for error, band in zip(errors, bands, strict=True))
    return f"{np.mean(errors):.4f} ({np.mean(bands):.4f}; {inside} of {len(runs)})"


def peers(rows: Rows) -> dict[str, list[Array]]:
    if not PEERS.exists():
        print("peers are left out: `make peers-tabular` installs them", file=sys.stderr)
        return {}
    return {
        title: [peer(rows, name, seed) for seed in (SEEDS[:1] if name in ONE_SEED else SEEDS)]
        for name, (title, _) in PEER_NAMES.items()
    }


def report() -> tuple[dict[str, str], dict[str, Any]]:
    """Blocks of Markdown by title, and plain numbers."""
    rows = Rows.read()
    scores: dict[str, Sequence[Array]] = {OURS: [ours(rows, seed) for seed in SEEDS], **peers(rows)}
    first = {f"{OURS}, seed 0": scores[OURS][:1]}
    directions = sure_directions(rows.table.schema)
    monotone = {"monotone": [ours(rows, SEEDS[0], Recipe(monotone=directions))]}
    searched, settings = tuned(rows, SEEDS[0])
    variants = {**first, **monotone, "tuned": [searched]}
    found = figures(rows, {**scores, **variants})
    compared = [row(rows, name, found, runs, found[_against(name)]) for name, runs in scores.items()]
    own = [row(rows, name, found, runs, found[next(iter(first))]) for name, runs in variants.items()]
    head = ["| model | seeds | AUC | ours minus this | Brier | calibration error (95 % band; seeds inside) |"]
    head.append("|---|---|---|---|---|---|")
    n = f"{len(rows.y):,} rows of {len(np.unique(rows.patients)):,} patients, prevalence {rows.y.mean():.4f}"
    blocks = {
        f"cardio70k, {n}, 5 folds by patient:": "\n".join([*head, *compared]),
        f"What a recipe changes (seed 0; tuned: {TRIALS} settings and the rule inside each training part):": (
            "\n".join([*head, *own, "", chosen_words(settings)])
        ),
        "Framingham 2008 with body mass index (discrimination only):": framingham(rows, scores[OURS]),
    }
    numbers = {name: {kind: figure.numbers() for kind, figure in by.items()} for name, by in found.items()}
    return blocks, {"n": len(rows.y), "cardio70k": numbers}


def automl() -> tuple[dict[str, str], dict[str, Any]]:
    """Ours and AutoGluon, one seed: a search by itself, so that the other peers need not run again."""
    if not AUTOML.exists():
        print("AutoGluon is left out: `make peers-automl` installs it", file=sys.stderr)
        return {}, {}
    rows = Rows.read()
    mine, title = f"{OURS}, seed 0", AUTOGLUON[0]
    scores = {mine: [ours(rows, SEEDS[0])], title: [peer(rows, "autogluon", SEEDS[0])]}
    found = figures(rows, scores)
    head = ["| model | seeds | AUC | ours minus this | Brier | calibration error (95 % band; seeds inside) |"]
    lines = [*head, "|---|---|---|---|---|---|"]
    lines += [row(rows, name, found, runs, found[mine]) for name, runs in scores.items()]
    numbers = {name: {kind: figure.numbers() for kind, figure in by.items()} for name, by in found.items()}
    return {"cardio70k beside a search over models and their stacks:": "\n".join(lines)}, {"automl": numbers}


def _against(name: str) -> str:
    """A peer of one seed stands against ours of that seed."""
    single = [PEER_NAMES[peer][0] for peer in ONE_SEED]
    return f"{OURS}, seed 0" if name in single else OURS


def row(
    rows: Rows,
    name: str,
    found: Mapping[str, Mapping[str, Figure]],
    runs: Sequence[Array],
    against: Mapping[str, Figure],
) -> str:
    auc = found[name]["auc"]
    gap = against["auc"].minus(auc).words("+") if against["auc"] is not auc else ""
    return (
        f"| {name} | {len(runs)} | {auc.words()} | {gap} | {found[name]['brier'].words()} |"
        f" {calibration(rows, runs)} |"
    )


def chosen_words(settings: Array) -> str:
    folds = [
        "the rule"
        if np.isnan(one).all()
        else ", ".join(f"{name} {value:.3g}" for name, value in zip(TUNED, one, strict=True))
        for one in settings
    ]
    return "Chosen in each fold: " + "; ".join(folds) + "."


def framingham(rows: Rows, runs: Sequence[Array]) -> str:
    """With and without treatment, which the table does not tell; diabetes is the highest glucose class."""
    schema, values = rows.table.schema, rows.table.values
    columns = {
        name: values[:, schema.names.index(name)]
        for name in ("age", "sex", "height", "weight", "systolic", "smoking")
    }
    columns["diabetes"] = (values[:, schema.names.index("glucose")] == 2.0).astype(np.float64)
    lines = ["| score | people it is for | its AUC | ours, the same people |", "|---|---|---|---|"]
    for treated, words in ((0.0, "nobody treated"), (1.0, "everybody treated")):
        given = columns | {"pressure_treatment": np.full(len(values), treated)}
        given["cardiovascular_disease"] = np.zeros(len(values))
        risk = published_risks(given)[FRAMINGHAM]
        there = ~np.isnan(risk)
        both = [risk[there], runs[0][there]]
        measures = [Measure(roc_auc, rows.y[there], score) for score in both]
        drawn = replicates(measures, rows.patients[there], np.random.default_rng(7), REPEATS)
        cells = [Figure(m.value(), d).words() for m, d in zip(measures, drawn.T, strict=True)]
        lines.append(f"| {words} | {int(there.sum()):,} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)
