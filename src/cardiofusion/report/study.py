"""The study report: what was trained on what, how well it does, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from cardiofusion.records import NOTICE
from cardiofusion.report.curves import reliability_curve, training_curve
from cardiofusion.report.page import drawn, render
from cardiofusion.report.scatter import phenotype_map
from cardiofusion.report.tables import (
    FigureLike,
    Measured,
    Table,
    masked_table,
    measured,
    plain_table,
    task_tables,
)
from cardiofusion.report.wording import VIEW_WORDS, seconds, share


@dataclass(frozen=True)
class StudyReport:
    """Plain data of one study; what is left at its default is left out of the report.

    verdict: the first line, does fusion help? durations: stage -> s. peak_memory: MiB.
    data: {"name", "n_ecg", "n_patients", "licence", ...} each. figures: "task/view/target/metric" -> Figure
    or its JSON, as evaluate writes them with the task's name before ("superclass/ecg+row/MI/auc",
    "superclass/gain/macro/auc", "superclass/ecg/MI/prevalence", ".../coverage_present", ".../set_size"), and
    "tmae/masked_r2/<model or baseline>".
    reliability: "task/view/target" -> {"predicted", "observed", "n"} of each bin. set_sizes: task -> how
    often a set holds none, one or both ({"empty", "one", "both"} -> share). training: curve -> loss by epoch.
    phenotypes: {"points": [[x, y]], "labels": [int, -1 none], "names": {label: name}, "words", "data",
    "stability": [record]}. confounds: records (covariate, measure, strength, ...). parameters: part -> count.
    """

    title: str
    study: str = ""
    date: str = ""
    seed: int | None = None
    threads: int | None = None
    durations: Mapping[str, float] = field(default_factory=dict)
    peak_memory: float | None = None
    data: Sequence[Mapping[str, Any]] = ()
    repairs: Sequence[str] = ()
    warnings: Sequence[str] = ()
    verdict: str = ""
    figures: Mapping[str, FigureLike] = field(default_factory=dict)
    reliability: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    set_sizes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    training: Mapping[str, Sequence[float]] = field(default_factory=dict)
    phenotypes: Mapping[str, Any] = field(default_factory=dict)
    confounds: Sequence[Mapping[str, Any]] = ()
    parameters: Mapping[str, int] = field(default_factory=dict)
    conformal: str = ""
    transductive: str = ""
    limitations: Sequence[str] = ()


@dataclass(frozen=True)
class TaskPart:
    """One task's section as the template shows it."""

    name: str
    tables: tuple[Table, ...]
    reliability: Markup | None
    reliability_about: str


def study_report(report: StudyReport) -> str:
    """One self-contained HTML page. Every table says its data and n; what was not measured is left out."""
    phenotypes = report.phenotypes
    return render(
        "study.html",
        title=report.title,
        notice=NOTICE,
        verdict=report.verdict,
        warnings=report.warnings,
        facts=_facts(report),
        repairs=report.repairs,
        transductive=report.transductive,
        tasks=_tasks(report),
        conformal=report.conformal,
        tables=_tables(report),
        training=drawn(training_curve(report.training)) if report.training else None,
        phenotypes=_map(phenotypes),
        phenotype_words=phenotypes.get("words", ""),
        limitations=report.limitations,
    )


def parameter_table(parameters: Mapping[str, int]) -> Table | None:
    """Trained numbers of each part and their total; a given "total" is not counted again."""
    parts = {name: int(count) for name, count in parameters.items() if name != "total"}
    if not parts:
        return None
    rows = [*parts.items(), ("total", sum(parts.values()))]
    return Table("Trained parameters", "", ("Part", "Count"), tuple((name, f"{n:,}") for name, n in rows))


def _facts(report: StudyReport) -> list[tuple[str, str]]:
    memory = "" if report.peak_memory is None else f"{report.peak_memory:,.0f} MiB"
    given = {
        "Study": report.study,
        "Date": report.date,
        "Seed": "" if report.seed is None else str(report.seed),
        "Threads": "" if report.threads is None else str(report.threads),
        "Peak memory": memory,
        "Time": seconds(sum(report.durations.values())) if report.durations else "",
    }
    return [(name, words) for name, words in given.items() if words]


def _tasks(report: StudyReport) -> list[TaskPart]:
    items = measured(report.figures)
    names = dict.fromkeys(
        [item.task for item in items]
        + [key.split("/")[0] for key in report.reliability]
        + [*report.set_sizes]
    )
    return [_task(name, [item for item in items if item.task == name], report) for name in names]


def _task(name: str, items: Sequence[Measured], report: StudyReport) -> TaskPart:
    curves = {key: curve for key, curve in report.reliability.items() if key.split("/")[0] == name}
    sizes = _sizes_table(report.set_sizes.get(name, {}), items)
    chart = drawn(reliability_curve({_curve_name(key): c for key, c in curves.items()})) if curves else None
    return TaskPart(name, (*task_tables(items), *([sizes] if sizes else [])), chart, _curve_about(items))


def _curve_name(key: str) -> str:
    _, *view, target = key.split("/", 2)
    return f"{target} ({VIEW_WORDS.get(view[0], view[0])})" if view else target


def _curve_about(items: Sequence[Measured]) -> str:
    first = next((item.figure for item in items if item.metric == "ece"), None)
    return f"Data: {first.data}, n = {first.n:,}" if first else ""


def _sizes_table(sizes: Mapping[str, float], items: Sequence[Measured]) -> Table | None:
    if not sizes:
        return None
    first = next((item.figure for item in items if item.metric.startswith("coverage")), None)
    note = f"Data: {first.data}" if first else ""
    return Table(
        "How often a set holds", note, ("Set", "Share"), tuple((k, share(v)) for k, v in sizes.items())
    )


def _tables(report: StudyReport) -> dict[str, Table | None]:
    stages = [{"stage": name, "time": seconds(spent)} for name, spent in report.durations.items()]
    about = str(report.phenotypes.get("data", ""))
    return {
        "data": plain_table("What it learnt from", "", report.data),
        "masked": masked_table(report.figures),
        "parameters": parameter_table(report.parameters),
        "durations": plain_table("Time of each stage", "", stages),
        "stability": plain_table("Stability", about, report.phenotypes.get("stability", ())),
        "confounds": plain_table("Are the phenotypes merely something else?", about, report.confounds),
    }


def _map(phenotypes: Mapping[str, Any]) -> Markup | None:
    if not len(phenotypes.get("points", ())):
        return None
    names = {int(label): str(name) for label, name in phenotypes.get("names", {}).items()}
    return drawn(phenotype_map(phenotypes["points"], phenotypes["labels"], names))
