"""The study's results as the report and the manifest want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.bundle import Manifest
from cardiofusion.cmaf import Balance
from cardiofusion.conformal import guarantee_words
from cardiofusion.metrics import reliability_curve
from cardiofusion.records import ALIGNMENT_WORDS, Figure
from cardiofusion.report import StudyReport
from cardiofusion.study.ecgs import read_problems
from cardiofusion.study.encoding import history_of
from cardiofusion.study.pipeline import Pipeline
from cardiofusion.study.results import Results
from cardiofusion.study.workspace import load_json

COMPARED_ONLY = "cmaf_row"


def headline(results: Results) -> dict[str, Figure]:
    """The figures a manifest carries: macro AUCs, gains, masked R2."""
    wanted = ("/macro/auc", "/c_uno", "/shuffled_pairs/auc", "/auc_pooled", "/auc_fold_mean")
    return {
        key: figure
        for key, figure in results.figures.items()
        if key.endswith(wanted) or key.startswith("tmae/masked_r2/")
    }


def report_of(pipeline: Pipeline, results: Results, manifest: Manifest, digest: str) -> StudyReport:
    """All that report.html says of a finished study. digest: the bundle's hash."""
    document = manifest.to_json()
    return StudyReport(
        title=pipeline.study.title,
        study=f"{pipeline.study.name}, bundle {digest[:12]}",
        date=manifest.created[:16].replace("T", " "),
        seed=manifest.seed,
        threads=manifest.threads,
        durations=manifest.stages,
        peak_memory=manifest.details["peak_memory_mib"],
        data=[_data_row(entry) for entry in document["training_data"]],
        repairs=_repairs(manifest.details["repairs"]),
        warnings=_warnings(pipeline),
        verdict=" ".join(results.notes),
        figures=results.figures,
        reliability=_reliability(results),
        set_sizes=_set_sizes(results),
        training=_training(pipeline),
        phenotypes=_phenotypes(pipeline),
        confounds=[{"covariate and finding": words} for words in _evidence(pipeline).get("confounds", [])],
        parameters=manifest.parameters,
        conformal=_conformal(pipeline, results),
        transductive=_transductive(pipeline),
        limitations=_limitations(pipeline),
    )


def _transductive(pipeline: Pipeline) -> str:
    """What the encoder had seen, without labels, of the patients that results are about."""
    if not pipeline.uses_ecg:
        return ""
    if pipeline.transductive:
        return "Transductive: the shipped encoder had seen unlabelled ECGs of calibration or test patients."
    if pipeline.study.pretrain.shipped:
        return "The shipped encoder had seen no ECG of a calibration or test patient, labelled or not."
    return (
        "The encoder saw no ECG of a calibration or test patient, labelled or not. In cross-validation"
        " it had seen, without labels, the ECGs of most held-out patients (transductive)."
    )


def _data_row(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": entry["name"],
        "ECGs": entry["n_recordings"],
        "rows": entry["n_rows"],
        "patients": entry["n_patients"],
        "licence": entry["licence"] or "not stated",
        "use": entry["use"],
    }


def _repairs(report: Mapping[str, Any] | None) -> list[str]:
    if report is None:
        return []
    return [
        f"{rule['column']}: {rule['rule']} in {rule['count']:,} of {report['rows']:,} rows"
        for rule in report["rules"]
    ]


def _warnings(pipeline: Pipeline) -> list[str]:
    """Proxy alignments, and ECGs that could not be read or used."""
    lines = [
        f"{task.name}: {ALIGNMENT_WORDS[task.alignment]}{balance_words(pipeline.pairs(task)[1])}."
        " No figure of it can show that an ECG helps."
        for task in pipeline.cohort.tasks
        if task.alignment != "matched"
    ]
    for place in sorted(pipeline.workspace.folder.glob("read-*")):
        if not (place / "errors.json").exists():
            continue
        errors, findings = read_problems(place)
        if errors:
            first = errors[0]
            lines.append(
                f"{place.name}: {len(errors)} ECG(s) could not be read, the first being {first['record']}:"
                f" {first['reason']}."
            )
        unfit = int((np.load(place / "grade.npy", allow_pickle=False) == "unfit").sum())
        if unfit:
            shown = ", ".join(f"{code} {count}" for code, count in list(findings.items())[:5])
            lines.append(f"{place.name}: {unfit} ECG(s) unfit and not used. Commonest findings: {shown}.")
    return lines


def balance_words(balance: Mapping[str, Any]) -> str:
    """How alike rows and partners are, in brackets; nothing where no partner was sought."""
    return f" ({Balance.from_json(balance).words})" if balance else ""


def _reliability(results: Results) -> dict[str, dict[str, Any]]:
    curves = {}
    for name, result in results.tested.items():
        view = results.chosen[name].view
        for k, target in enumerate(result.task.targets):
            known = np.isfinite(result.probability[view][:, k]) & np.isfinite(result.outcome[:, k])
            if known.sum() < 20:
                continue
            weight = None if result.weight is None else result.weight[known]
            curve = reliability_curve(
                result.outcome[known, k], result.probability[view][known, k], weight=weight
            )
            curves[f"{name}/{view}/{target}"] = {
                "predicted": curve.predicted.tolist(),
                "observed": curve.observed.tolist(),
                "n": curve.mass.tolist(),
            }
    return curves


def _set_sizes(results: Results) -> dict[str, dict[str, float]]:
    sizes = {}
    for name, result in results.tested.items():
        sets: NDArray[np.bool_] = result.sets[results.chosen[name].view]
        count = sets.sum(axis=2).ravel()
        sizes[name] = {
            words: float((count == n).mean())
            for n, words in (
                (1, "one answer"),
                (2, "both (cannot tell)"),
                (0, "none (unlike what it learnt)"),
            )
        }
    return sizes


def _training(pipeline: Pipeline) -> dict[str, Sequence[float]]:
    if not pipeline.uses_ecg:
        return {}
    history = history_of(pipeline.workspace.folder / "pretrain")
    curves: dict[str, Sequence[float]] = {}
    curves["hidden patches: error over power"] = [epoch["reconstruction"] for epoch in history]
    if any(epoch["causes_full"] for epoch in history):
        curves["causes, from a quarter of the ECG"] = [epoch["causes_masked"] for epoch in history]
        curves["causes, from all of it"] = [epoch["causes_full"] for epoch in history]
    return curves


def _evidence(pipeline: Pipeline) -> dict[str, Any]:
    place = pipeline.workspace.folder / "phenotypes" / "evidence.json"
    evidence: dict[str, Any] = load_json(place) if pipeline.uses_ecg and place.exists() else {}
    return evidence


def _phenotypes(pipeline: Pipeline) -> dict[str, Any]:
    evidence = _evidence(pipeline)
    if not evidence or "skipped" in evidence:
        return {"words": f"Not sought: {evidence['skipped']}."} if evidence else {}
    return {
        "points": evidence["map"],
        "labels": evidence["labels"],
        "names": {str(k): f"cluster {k + 1}" for k in range(evidence["clusters"])},
        "data": f"{evidence['n']:,} ECGs the encoder learnt from",
        "words": evidence["words"],
        "stability": [
            {
                "cluster": k + 1,
                "ECGs": evidence["sizes"][k],
                "mean Jaccard": evidence["jaccard"][k],
                "survives": "yes" if evidence["survives"][k] else "no",
            }
            for k in range(evidence["clusters"])
        ],
    }


def _conformal(pipeline: Pipeline, results: Results) -> str:
    lines = []
    for name, chosen in results.chosen.items():
        kind = next(task.kind for task in pipeline.cohort.tasks if task.name == name)
        fewest = min(n for target in results.calibrations[name][chosen.view].values() for n in target.sets.n)
        lines.append(
            f"{name} (answered by {chosen.view}; {chosen.why}): "
            + guarantee_words(kind, pipeline.study.conformal.coverage, fewest)
        )
    return " ".join(lines)


def _limitations(pipeline: Pipeline) -> list[str]:
    lines = [
        "Research use only: no figure here comes from a prospective or external study.",
        "Intervals are 95 % bootstraps over patients of one split; another split would move the values too.",
    ]
    if pipeline.cohort.name == "virtual":
        lines.insert(
            0, "These are virtual patients: the figures test the machinery and say nothing about people."
        )
    if any(task.alignment != "matched" for task in pipeline.cohort.tasks):
        lines.append("Proxy alignment: ECG and row are not of the same person.")
    return lines
