"""What fusing ECG and row adds, where the truth is known and where it is not.

Run: python benchmarks/fusion.py [interaction] [useless] [survival] [ptb-xl] [code15] [--write FILE.md]

interaction: virtual patients whose risk depends on ECG and pressure together (simulate/cohort.py). useless:
the same patients' additive risk, beside ECGs or rows of others. survival: virtual patients with times.
ptb-xl: five superclasses from ECG, age, sex, height and weight. code15: Chagas disease inside one source,
from ECG, age and sex. The encoder is the shipped one, frozen. Intervals: paired bootstraps over patients.
What is done is kept in runs/fusion, so that an interrupted run goes on. --write puts the tables between the
markers `fusion` of that file. The last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from cardiofusion.cmaf import (
    CMAF,
    NOBODY,
    NOT_TIMES,
    CMAFConfig,
    FusionData,
    FusionOptions,
    ecg_tokens,
    feature_edges,
    fusion_logits,
    train_fusion,
)
from cardiofusion.evaluate import survival_figures
from cardiofusion.metrics import Measure, Observed, percentile_interval, replicates, roc_auc
from cardiofusion.records import ClinicalSchema, ClinicalTable, Column, patient_folds
from cardiofusion.signal import canonical
from cardiofusion.simulate import VIRTUAL_SCHEMA, virtual_cohort, virtual_truth
from cardiofusion.tabular import hazard_targets, risk_logit, time_edges, train_booster
from cardiofusion.tmae import read_tmae, shipped_encoder, standard_config
from features import CHAGAS_SOURCE, Dataset, chagas
from markers import write_between

SEED = 2027
TAUGHT, STOPPED, TESTED = 20_000, 2_000, 8_000  # virtual patients
SMALL = (480, 80)  # who teach, and who say when to stop, where a modality is useless
DRAWS = 5  # of so few patients
FOLDS, REPEATS = 5, 1000
SHUFFLES = 20
STOP_SHARE = 0.15
BATCH = 64
N_FINDINGS = len(standard_config().findings)
KEPT = Path("runs/fusion")
LARGE = FusionOptions(epochs=12, batch=256, patience=4)
FEW = FusionOptions(epochs=40, batch=64)

Float = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Patients:
    """Examples for a fusion, the columns of their rows, and who they are."""

    data: FusionData
    schema: ClinicalSchema
    ids: NDArray[np.str_]


# --- patients ----------------------------------------------------------------------------------------------


def tokens_of(signal: NDArray[np.float32], present: NDArray[np.bool_], name: str) -> NDArray[np.float32]:
    """The shipped encoder's tokens for the fusion [n, time + 14, width], kept on disk under `name`."""
    place = KEPT / f"{name}-{shipped_encoder().hash[:12]}-{NOT_TIMES}.npy"
    if not place.exists():
        model, found = read_tmae(shipped_encoder().bytes("encoder.safetensors")).eval(), []
        with torch.no_grad():
            for at in range(0, len(signal), BATCH):
                there = torch.from_numpy(present[at : at + BATCH])
                grid = model.encoder(torch.from_numpy(signal[at : at + BATCH]), there)
                found.append(ecg_tokens(model, grid, there).numpy())
                say(f"encoding {name}: {at + len(there)} of {len(signal)}")
        KEPT.mkdir(parents=True, exist_ok=True)
        np.save(place, np.concatenate(found), allow_pickle=False)
    return np.load(place, allow_pickle=False)


def virtual(n: int) -> tuple[Patients, Mapping[str, NDArray[np.float32]]]:
    """n virtual patients, their outcome still empty, and the outcomes to choose from."""
    cohort = virtual_cohort(n, SEED)
    assert cohort.table is not None
    ecgs = [canonical(source.read()) for source in cohort.recordings]
    tokens = tokens_of(
        np.stack([ecg.signal for ecg in ecgs]), np.stack([ecg.present for ecg in ecgs]), f"virtual-{n}"
    )
    rows = cohort.table.values.astype(np.float32)
    empty = np.zeros((n, 1), np.float32)
    data = FusionData(tokens, np.arange(n), rows, np.ones(n, np.bool_), empty, N_FINDINGS)
    return Patients(data, VIRTUAL_SCHEMA, cohort.patient_ids), cohort.outcomes


def real(dataset: str) -> tuple[Patients, tuple[str, ...]]:
    """PTB-XL's superclasses, or Chagas disease in CODE-15."""
    source = Dataset.read(dataset)
    if dataset == "ptb-xl":
        task, table, ecgs, ids = source.cohort.tasks[0], source.cohort.table, source.ecgs, source.patients
        assert table is not None
        names, y, rows, schema = task.targets, source.cohort.outcomes[task.name], table.values, table.schema
    else:
        ecgs, labels = chagas(source)
        names, y, ids = labels.names, labels.y, labels.patients
        rows = np.column_stack([ecgs.age, ecgs.sex])
        schema = ClinicalSchema(
            (Column("age", unit="years"), Column("sex", "category", categories=("female", "male")))
        )
    tokens = tokens_of(ecgs.signal, ecgs.present, dataset)
    seen = np.where(ecgs.usable, np.arange(len(ecgs)), NOBODY)
    return Patients(
        FusionData(tokens, seen, rows.astype(np.float32), np.isfinite(rows).any(axis=1), y, N_FINDINGS),
        schema,
        ids,
    ), names


# --- models ------------------------------------------------------------------------------------------------


def fused(patients: Patients, train: Rows, stop: Rows, options: FusionOptions, seed: int) -> CMAF:
    data = patients.data
    edges = feature_edges(ClinicalTable(patients.schema, data.rows[train].astype(np.float64)))
    config = CMAFConfig(
        data.tokens.shape[2], data.tokens.shape[1] - NOT_TIMES, data.outcome.shape[1], data.n_findings
    )
    return train_fusion(data, train, stop, config, edges, options, seed)


def ecg_alone(data: FusionData) -> FusionData:
    return replace(data, has_row=np.zeros(len(data), np.bool_))


def row_alone(data: FusionData) -> FusionData:
    return replace(data, ecg=np.full(len(data), NOBODY))


def trees(patients: Patients, values: Float, train: Rows, stop: Rows, test: Rows) -> Float:
    """Logits [test, target] of LightGBM; values: [n, column] that begin with the row's own."""
    more = values.shape[1] - len(patients.schema)
    schema = ClinicalSchema((*patients.schema, *(Column(f"e{k}") for k in range(more))))
    y = patients.data.outcome
    found = []
    for k in range(y.shape[1]):
        booster = train_booster(values[train], y[train, k], schema, SEED, (values[stop], y[stop, k]))
        found.append(booster.predict_logit(values[test]))
    return np.column_stack(found)


# --- figures -----------------------------------------------------------------------------------------------


class Comparison:
    """Scores [n, target] of several models on the same patients: macro AUCs and their paired differences."""

    def __init__(self, scores: Mapping[str, Float], y: NDArray[np.float32], ids: NDArray[np.str_]) -> None:
        targets = range(y.shape[1])
        measures = [Measure(roc_auc, y[:, k], score[:, k]) for score in scores.values() for k in targets]
        drawn = replicates(measures, ids, np.random.default_rng(SEED), REPEATS)
        shape = (len(scores), len(targets))
        values = np.array([measure.value() for measure in measures]).reshape(shape).mean(axis=1)
        self.value = dict(zip(scores, values, strict=True))
        means = drawn.reshape(REPEATS, *shape).mean(axis=2).T
        self.drawn = dict(zip(scores, means, strict=True))

    def auc(self, name: str) -> list[float]:
        return [float(self.value[name]), *percentile_interval(self.drawn[name])]

    def minus(self, one: str, other: str) -> list[float]:
        difference = self.drawn[one] - self.drawn[other]
        return [float(self.value[one] - self.value[other]), *percentile_interval(difference)]


def interaction() -> dict[str, Any]:
    """A planted interaction: fused against each alone, against trees, and against the true risk."""
    n = TAUGHT + STOPPED + TESTED
    patients, outcomes = virtual(n)
    patients = replace(patients, data=replace(patients.data, outcome=outcomes["interaction"]))
    train, stop, test = np.split(np.arange(n), [TAUGHT, TAUGHT + STOPPED])
    data, truth = patients.data, virtual_truth(n, SEED)
    scores: dict[str, Float] = {"true risk": truth.interaction[test][:, None]}
    values = data.rows.astype(np.float64)
    scores["LightGBM, row"] = trees(patients, values, train, stop, test)
    both = np.column_stack([values, data.embedding])
    scores["LightGBM, row and embedding"] = trees(patients, both, train, stop, test)
    say("interaction: trees done")
    model = fused(patients, train, stop, LARGE, 1)
    for view in ("ecg", "row", "ecg+row"):
        scores[f"CMAF, {view}"] = fusion_logits(model, data, test, view).astype(np.float64)
    say("interaction: fused done")
    for view, part in (("ecg", ecg_alone(data)), ("row", row_alone(data))):
        single = fused(replace(patients, data=part), train, stop, replace(LARGE, modality_dropout=0.0), 1)
        scores[f"CMAF taught on {view} alone"] = fusion_logits(single, part, test, view).astype(np.float64)
        say(f"interaction: {view} alone done")
    found = Comparison(scores, data.outcome[test], patients.ids[test])
    aucs = {name: found.auc(name) for name in scores}
    best = max(("ecg", "row"), key=lambda view: found.value[f"CMAF taught on {view} alone"])
    return {
        "n": [TAUGHT, STOPPED, TESTED],
        "gate": model.gate.tolist(),
        "auc": aucs,
        "fused minus the better single": found.minus("CMAF, ecg+row", f"CMAF taught on {best} alone"),
        "fused minus LightGBM on row": found.minus("CMAF, ecg+row", "LightGBM, row"),
        "fused minus trees on both": found.minus("CMAF, ecg+row", "LightGBM, row and embedding"),
        "share of the true AUC": aucs["CMAF, ecg+row"][0] / aucs["true risk"][0],
        "row dropped": found.minus("CMAF, ecg", "CMAF taught on ecg alone"),
        "ECG dropped": found.minus("CMAF, row", "CMAF taught on row alone"),
    }


def useless() -> dict[str, Any]:
    """Beside a useless ECG or row the fused answer must be as good as the other alone."""
    n = TAUGHT + STOPPED + TESTED
    patients, outcomes = virtual(n)
    test = np.arange(n - TESTED, n)
    found: dict[str, Any] = {}
    for what in ("useless ECG", "useless row", "both of the patient"):
        differences, opened = [], []
        for seed in range(DRAWS):
            rng = np.random.default_rng([SEED, seed])
            order, dealt = rng.permutation(n - TESTED), rng.permutation(n)
            train, stop = np.split(order[: sum(SMALL)], [SMALL[0]])
            data = replace(patients.data, outcome=outcomes["event"])
            data = replace(data, ecg=data.ecg[dealt]) if what == "useless ECG" else data
            data = replace(data, rows=data.rows[dealt]) if what == "useless row" else data
            model = fused(replace(patients, data=data), train, stop, FEW, seed)
            opened.append(model.gate.tolist())
            views = {view: fusion_logits(model, data, test, view) for view in ("ecg", "row", "ecg+row")}
            aucs = {view: roc_auc(data.outcome[test, 0], logits[:, 0]) for view, logits in views.items()}
            model.gate.fill_(1.0)
            ungated = roc_auc(data.outcome[test, 0], fusion_logits(model, data, test, "ecg+row")[:, 0])
            single = max(aucs["ecg"], aucs["row"])
            differences.append([aucs["ecg+row"] - single, ungated - single])
            say(f"{what}: {seed + 1} of {DRAWS}")
        mean, spread = np.mean(differences, axis=0), np.std(differences, axis=0, ddof=1) / np.sqrt(DRAWS)
        found[what] = {
            "fused minus single": [float(mean[0]), float(spread[0])],
            "without gates": [float(mean[1]), float(spread[1])],
            "gates": opened,
        }
    return {"n": [*SMALL, TESTED], "draws": DRAWS, **found}


def survival() -> dict[str, Any]:
    """Time to event: C-indices of CMAF's views beside the true hazard."""
    n = TAUGHT + STOPPED + TESTED
    patients, outcomes = virtual(n)
    task = next(task for task in virtual_cohort(2, SEED).tasks if task.name == "survival")
    train, stop, test = np.split(np.arange(n), [TAUGHT, TAUGHT + STOPPED])
    observed = Observed.of(outcomes["survival"])
    taught = Observed(observed.time[train], observed.event[train])
    targets = hazard_targets(observed, time_edges(taught, float(task.horizon or 0.0), 8))
    data = replace(patients.data, outcome=targets)
    model = fused(replace(patients, data=data), train, stop, LARGE, 1)
    risks = {
        view: risk_logit(fusion_logits(model, data, test, view)) for view in ("ecg", "row", "ecg+row")
    } | {"true hazard": virtual_truth(n, SEED).hazard[test]}
    seen, rng = Observed(observed.time[test], observed.event[test]), np.random.default_rng(SEED)
    figures = survival_figures(task, seen, risks, patients.ids[test], "virtual", rng, 300)
    return {
        "n": [TAUGHT, STOPPED, TESTED],
        "events": int(seen.event.sum()),
        "gate": model.gate.tolist(),
        "figures": {key: [f.value, f.low, f.high] for key, f in figures.items()},
    }


def matched(dataset: str) -> dict[str, Any]:
    """Cross-validation by patient on real matched patients, and the two controls."""
    patients, names = real(dataset)
    data, ids = patients.data, patients.ids
    rng = np.random.default_rng(SEED)
    fold = patient_folds(ids, [1.0] * FOLDS, rng, data.outcome)
    both = np.column_stack([data.rows.astype(np.float64), data.embedding])
    shape = data.outcome.shape
    keys = ("ecg", "row", "ecg+row", "LightGBM, row", "LightGBM, row and embedding", "late", "shuffled ECG")
    scores = {key: np.full(shape, np.nan) for key in keys}
    dealt_aucs = []
    for k in range(FOLDS):
        rest, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        apart = patient_folds(ids[rest], [1 - STOP_SHARE, STOP_SHARE], rng, data.outcome[rest])
        train, stop = rest[apart == 0], rest[apart == 1]
        model = fused(patients, train, stop, FEW, k)
        for view in ("ecg", "row", "ecg+row"):
            scores[view][test] = fusion_logits(model, data, test, view)
        scores["LightGBM, row"][test] = trees(patients, both[:, : len(patients.schema)], train, stop, test)
        scores["LightGBM, row and embedding"][test] = trees(patients, both, train, stop, test)
        scores["late"][test] = late(patients, model, train, stop, test, both)
        shuffled = data.ecg.copy()
        shuffled[test] = rng.permutation(data.ecg[test])
        scores["shuffled ECG"][test] = fusion_logits(model, replace(data, ecg=shuffled), test, "ecg+row")
        for _ in range(SHUFFLES // FOLDS):
            y = data.outcome.copy()
            y[train], y[stop] = y[rng.permutation(train)], y[rng.permutation(stop)]
            other = fused(replace(patients, data=replace(data, outcome=y)), train, stop, FEW, k)
            logits = fusion_logits(other, data, test, "ecg+row")
            aucs = [roc_auc(data.outcome[test, j], logits[:, j]) for j in range(shape[1])]
            dealt_aucs.append(float(np.nanmean(aucs)))
        say(f"{dataset}: fold {k + 1} of {FOLDS}")
    there = np.flatnonzero((data.ecg != NOBODY) & data.has_row)
    found = Comparison({key: s[there] for key, s in scores.items()}, data.outcome[there], ids[there])
    single = max(("ecg", "LightGBM, row"), key=lambda key: found.value[key])
    return {
        "n": [len(there), len(np.unique(ids[there]))],
        "targets": list(names),
        "positives": np.nansum(data.outcome[there], axis=0).astype(int).tolist(),
        "auc": {key: found.auc(key) for key in keys},
        "better single": single,
        "fused minus": {key: found.minus("ecg+row", key) for key in keys if key != "ecg+row"},
        "dealt labels": [float(np.mean(dealt_aucs)), float(np.std(dealt_aucs, ddof=1)), len(dealt_aucs)],
    }


def late(patients: Patients, model: CMAF, train: Rows, stop: Rows, test: Rows, both: Float) -> Float:
    """Late fusion: for each target a weighted sum of two logits, the weights learnt on who stopped."""
    data, width = patients.data, len(patients.schema)
    ecg = fusion_logits(model, data, np.concatenate([stop, test]), "ecg")
    row = trees(patients, both[:, :width], train, stop, np.concatenate([stop, test]))
    found = np.full((len(test), data.outcome.shape[1]), np.nan)
    for k in range(found.shape[1]):
        pair = np.column_stack([ecg[:, k], row[:, k]])
        weights = LogisticRegression().fit(pair[: len(stop)], data.outcome[stop, k])
        found[:, k] = weights.decision_function(pair[len(stop) :])
    return found


# --- words -------------------------------------------------------------------------------------------------


def three(found: list[float]) -> str:
    return f"{found[0]:.3f} [{found[1]:.3f}, {found[2]:.3f}]"


def signed(found: list[float]) -> str:
    return f"{found[0]:+.3f} [{found[1]:+.3f}, {found[2]:+.3f}]"


def interaction_table(found: dict[str, Any]) -> str:
    taught, stopped, tested = found["n"]
    lines = [
        f"Planted interaction: {taught:,} teach, {stopped:,} say when to stop, {tested:,} are tested.",
        "",
    ]
    lines += ["| | AUC [95 %] |", "|---|---|"]
    lines += [f"| {name} | {three(auc)} |" for name, auc in found["auc"].items()]
    lines.append(f"| CMAF's share of the true risk's AUC | {100 * found['share of the true AUC']:.1f} % |")
    names = ("fused minus the better single", "fused minus LightGBM on row", "fused minus trees on both")
    lines += [f"| {name} | {signed(found[name])} |" for name in (*names, "row dropped", "ECG dropped")]
    return "\n".join(lines)


def useless_table(found: dict[str, Any]) -> str:
    taught, stopped, tested = found["n"]
    lines = [
        f"A modality of other patients: {taught} teach, {stopped} say when to stop, {tested:,} are tested;"
        f" mean and standard error of {found['draws']} draws.",
        "",
        "| fused minus the better single view, AUC | with gates | gates left open |",
        "|---|---|---|",
    ]
    for what in ("useless ECG", "useless row", "both of the patient"):
        cells = [
            f"{m:+.3f} ± {e:.3f}"
            for m, e in (found[what]["fused minus single"], found[what]["without gates"])
        ]
        lines.append(f"| {what} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def survival_table(found: dict[str, Any]) -> str:
    lines = [
        f"Time to event: {found['n'][0]:,} virtual patients teach, {found['n'][2]:,} are tested"
        f" ({found['events']:,} events).",
        "",
        "| | Uno's C to 5 years | Harrell's C to 5 years |",
        "|---|---|---|",
    ]
    figures = found["figures"]
    for view in ("ecg", "row", "ecg+row", "true hazard"):
        uno, harrell = (three(figures[f"{view}/event/{name}"]) for name in ("c_uno", "c_harrell"))
        lines.append(f"| {view} | {uno} | {harrell} |")
    return "\n".join([*lines, f"| fused minus the better single | {signed(figures['gain/event/c_uno'])} | |"])


def matched_table(found: dict[str, Any]) -> str:
    rows, people = found["n"]
    counts = ", ".join(f"{t} {p}" for t, p in zip(found["targets"], found["positives"], strict=True))
    lines = [f"{rows} ECGs of {people} patients ({counts}), {FOLDS} folds by patient, pooled.", ""]
    lines += ["| | macro AUC [95 %] | fused minus it |", "|---|---|---|"]
    for key, auc in found["auc"].items():
        lines.append(
            f"| {key} | {three(auc)} | {signed(found['fused minus'][key]) if key != 'ecg+row' else ''} |"
        )
    mean, spread, n = found["dealt labels"]
    error = spread / np.sqrt(n)
    verdict = "within 3 s.e. of 0.5" if abs(mean - 0.5) <= 3 * error else "NOT within 3 s.e. of 0.5"
    lines.append(f"| fused, taught with dealt-out labels, {n} times | {mean:.3f} ± {error:.3f} | {verdict} |")
    return "\n".join(lines)


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


PARTS: Mapping[str, tuple[Callable[[], dict[str, Any]], Callable[[dict[str, Any]], str]]] = {
    "interaction": (interaction, interaction_table),
    "useless": (useless, useless_table),
    "survival": (survival, survival_table),
    "ptb-xl": (lambda: matched("ptb-xl"), lambda f: f"PTB-XL, five superclasses: {matched_table(f)}"),
    "code15": (
        lambda: matched("code15"),
        lambda f: f"CODE-15%, Chagas inside `{CHAGAS_SOURCE}`: {matched_table(f)}",
    ),
}


def measured(name: str) -> dict[str, Any]:
    """What a part gave; kept in runs/fusion."""
    place = KEPT / f"{name}.json"
    if not place.exists():
        found = PARTS[name][0]()
        place.write_text(json.dumps(found, indent=1), encoding="utf-8")
    kept: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return kept


def main() -> None:
    torch.set_num_threads(1)
    words = sys.argv[1:]
    target = Path(words[words.index("--write") + 1]) if "--write" in words else None
    wanted = [word for word in words if word in PARTS] or list(PARTS)
    KEPT.mkdir(parents=True, exist_ok=True)
    found = {name: measured(name) for name in wanted}
    content = "\n\n".join(PARTS[name][1](part) for name, part in found.items())
    print(content)
    if target:
        write_between(target, "fusion", content)
    print(json.dumps({"benchmark": "fusion", **found}))


if __name__ == "__main__":
    main()
