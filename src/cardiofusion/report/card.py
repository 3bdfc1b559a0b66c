"""The model card of a bundle (Mitchell et al., FAccT 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cardiofusion.cmaf import Balance
from cardiofusion.records import ALIGNMENT_WORDS, NOTICE
from cardiofusion.report.page import render
from cardiofusion.report.study import parameter_table
from cardiofusion.report.tables import FigureLike, Table, masked_table, measured, plain_table, task_tables

INTENDED = (
    "Research on a second reading of 12-lead ECGs and clinical rows by people who can judge both. "
    "It answers with sets of labels whose coverage was measured, never with a diagnosis."
)
NOT_FOR = (
    "deciding on diagnosis, treatment or triage of a patient",
    "emergencies and monitoring",
    "patients unlike those it learnt from (other ages, devices, leads, prevalence): no promise carries over",
)
LIMITS = (
    "Coverage holds on average over patients exchangeable with the calibration patients, not for one.",
    "Explanations show what moved the model's score, not a cause.",
    "Measured on past recordings only; no prospective trial.",
)


def model_card(manifest: Mapping[str, Any], figures: Mapping[str, FigureLike]) -> str:
    """HTML card of a bundle's manifest.json with figures "task/view/target/metric" -> Figure or its JSON.

    What the manifest does not say is left out.
    """
    data = list(manifest.get("training_data") or ())
    name = manifest.get("title") or manifest.get("name") or "a CardioFusion bundle"
    masked = masked_table(figures)
    return render(
        "card.html",
        title=f"Model card: {name}",
        notice=NOTICE,
        intended=INTENDED,
        not_for=NOT_FOR,
        facts=_facts(manifest),
        tasks=_task_table(manifest),
        data=plain_table("Data sets", "", [_without(item, "citation", "source") for item in data]),
        attribution=[_attribution(item) for item in data],
        metrics=[*_metric_tables(figures), *([masked] if masked else [])],
        limits=[*LIMITS, *_own_limits(manifest)],
        parameters=parameter_table(manifest.get("parameters") or {}),
        files=_files(manifest),
    )


def _facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    named = {
        "name": "Name",
        "created": "Created",
        "cardiofusion": "CardioFusion",
        "format_version": "Bundle format",
        "hash": "SHA-256 of the manifest",
        "seed": "Seed",
        "threads": "Threads",
    }
    facts = [(words, str(manifest[key])) for key, words in named.items() if manifest.get(key) is not None]
    libraries = manifest.get("libraries") or {}
    if libraries:
        facts.append(("Libraries", ", ".join(f"{name} {version}" for name, version in libraries.items())))
    if age := (manifest.get("population") or {}).get("age"):
        facts.append(("Age of the training patients", f"{age[0]:g} to {age[1]:g} years"))
    if split := manifest.get("split"):
        facts.append(("Patients", ", ".join(f"{group} {n:,}" for group, n in split.items())))
    return facts


def _task_table(manifest: Mapping[str, Any]) -> Table | None:
    records = [
        {
            "task": task.get("name", ""),
            "question": task.get("question") or "–",
            "labels": _labels(task),
            "made from": ", ".join(task.get("modalities", ())),
            "alignment": ALIGNMENT_WORDS.get(task.get("alignment", ""), "–"),
        }
        for task in manifest.get("tasks") or ()
    ]
    return plain_table("What it answers", "", records)


def _labels(task: Mapping[str, Any]) -> Sequence[str]:
    """The labels; of a survival task with the time by which its event is meant."""
    labels: Sequence[str] = task.get("labels", ())
    horizon = task.get("horizon")
    return labels if horizon is None else [f"{label} within {horizon:g} years" for label in labels]


def _without(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in names and value != ""}


def _attribution(item: Mapping[str, Any]) -> str:
    said = (item.get("licence") and f"licence {item['licence']}", item.get("citation"), item.get("source"))
    return f"{item.get('name', 'unnamed')}: " + (
        "; ".join(str(part) for part in said if part) or "licence not stated"
    )


def _metric_tables(figures: Mapping[str, FigureLike]) -> list[Table]:
    items = measured(figures)
    return [
        Table(f"{task}: {table.title}", table.about, table.columns, table.rows)
        for task in dict.fromkeys(item.task for item in items)
        for table in task_tables([item for item in items if item.task == task])
    ]


def _own_limits(manifest: Mapping[str, Any]) -> list[str]:
    limits = [
        f"Task {task['name']}: {ALIGNMENT_WORDS[task['alignment']]}{_balance(manifest, task['name'])}."
        " It cannot show that fusion helps."
        for task in manifest.get("tasks") or ()
        if task.get("alignment", "matched") != "matched"
    ]
    seen = [str(item.get("name")) for item in manifest.get("training_data") or () if item.get("transductive")]
    if seen:
        limits.append(f"Transductive: the encoder saw the test patients of {', '.join(seen)}, unlabelled.")
    return limits


def _balance(manifest: Mapping[str, Any], task: str) -> str:
    found = ((manifest.get("details") or {}).get("alignment_balance") or {}).get(task)
    return f" ({Balance.from_json(found).words})" if found else ""


def _files(manifest: Mapping[str, Any]) -> Table | None:
    records = [
        {"file": name, "sha-256": entry["sha256"] if isinstance(entry, Mapping) else str(entry)}
        for name, entry in (manifest.get("files") or {}).items()
    ]
    return plain_table("SHA-256 of every file", "", records)
