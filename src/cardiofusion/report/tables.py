"""Tables of measured figures: keys "task/view/target/metric" to rows and columns, intervals in every cell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiofusion.records import Figure
from cardiofusion.report.wording import SPACE, VIEW_WORDS, number, share, spoken

NOT_MEASURABLE = "not measurable"
METRIC_WORDS: Mapping[str, str] = {
    "auc": "Discrimination (AUC; 0.5 is chance)",
    "c_uno": "Order of events in time, Uno's C (0.5 is chance)",
    "c_harrell": "Order of events in time, Harrell's C (0.5 is chance)",
    "average_precision": "Average precision (chance: the prevalence)",
    "brier": "Brier score (lower is better)",
    "ece": "Expected calibration error (lower is better)",
    "auc_pooled": "Cross-validated AUC, out-of-fold scores pooled",
    "auc_fold_mean": "Cross-validated AUC, mean over the folds",
}
CONTROL_WORDS: Mapping[str, str] = {
    "dealt_labels/auc": "AUC of the fusion taught with outcomes of other patients (must be about 0.5)",
    "shuffled_pairs/auc": "AUC that the patient's own ECG adds over a shuffled one (a proxy: about 0)",
    "better_than_random": "Grad-CAM: share of random maps it beats in deletion and insertion",
    "randomisation_similarity": "Grad-CAM: rank correlation with an untrained model's map (must be low)",
}
FAMILIES = ("cv", "subgroup", "published", "control", "gradcam")
SET_METRICS: Mapping[str, str] = {
    "coverage_present": "covered where present",
    "coverage_absent": "covered where absent",
    "coverage": "covered",
    "set_size": "mean set size",
}

COLUMN_WORDS: Mapping[str, str] = {
    "n_ecg": "ECGs",
    "n_recordings": "ECGs",
    "n_patients": "patients",
    "n_rows": "rows",
    "p_value": "p",
    "jaccard": "Jaccard",
}

FigureLike = Figure | Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Words in cells. about: data, n and whatever else the caption must say. A row's first cell heads it."""

    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Measured:
    """A figure and what it is of. target "macro": the mean over targets.

    family: "" on the test set, or one of FAMILIES; the metric of a subgroup is the group ("sex=female").
    """

    task: str
    view: str
    target: str
    metric: str
    figure: Figure
    family: str = ""


def measured(figures: Mapping[str, FigureLike]) -> list[Measured]:
    """Every figure of a task: task/view/target/metric, after the task one of FAMILIES or none.

    A target may itself hold a slash. Keys of another form are left out.
    """
    found = []
    for key, given in figures.items():
        task, *rest = key.split("/")
        family = rest.pop(0) if rest and rest[0] in FAMILIES else ""
        if family in ("control", "gradcam") and rest:
            found.append(Measured(task, "", "", "/".join(rest), as_figure(given), family))
        elif len(rest) >= 3 and task != "tmae":
            target = "/".join(rest[1:-1])
            found.append(Measured(task, rest[0], target, rest[-1], as_figure(given), family))
    return found


def as_figure(given: FigureLike) -> Figure:
    """A Figure from one, or from its JSON (null where it cannot be measured)."""
    if isinstance(given, Figure):
        return given
    value, low, high = (
        math.nan if given.get(k) is None else float(given[k]) for k in ("value", "low", "high")
    )
    return Figure(value, low, high, int(given.get("n") or 0), str(given.get("data") or ""))


def interval(figure: Figure) -> str:
    """The value above its interval, "0.812" and "[0.780–0.841]"; words where it cannot be measured."""
    if not math.isfinite(figure.value):
        return NOT_MEASURABLE
    value = f"{figure.value:.3f}".replace("-", "−")
    if not (math.isfinite(figure.low) and math.isfinite(figure.high)):
        return f"{value}\n[no interval]"
    low, high = (f"{end:.3f}".replace("-", "−") for end in (figure.low, figure.high))
    return f"{value}\n[{low}{' to ' if figure.low < 0 else '–'}{high}]"


def about(figures: Iterable[Figure]) -> str:
    """Data and n of these figures, for a caption; ranges where they differ."""
    kept = list(figures)
    data = ", ".join(dict.fromkeys(figure.data for figure in kept if figure.data)) or "data not named"
    sizes = sorted({figure.n for figure in kept})
    n = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}" if sizes else "not known"
    return f"Data: {data}; n = {n}; 95 % intervals in brackets."


def task_tables(items: Sequence[Measured]) -> list[Table]:
    """The tables of one task: AUC first, then every other metric, prediction sets, subgroups, controls."""
    tested = [item for item in items if not item.family]
    prevalence = {item.target: item.figure for item in tested if item.metric == "prevalence"}
    plain = [item for item in tested if item.metric not in SET_METRICS and item.metric != "prevalence"]
    order = sorted({item.metric for item in plain}, key=_rank)
    tables = [_metric_table(metric, plain, prevalence) for metric in order]
    # Another set of patients than the test set, whose prevalence is therefore not theirs.
    crossed = [item for item in items if item.family == "cv"]
    tables += [_metric_table(metric, crossed, {}) for metric in sorted({item.metric for item in crossed})]
    if sets := [item for item in tested if item.metric in SET_METRICS]:
        tables.append(_set_table(sets, prevalence))
    groups = [item for item in items if item.family == "subgroup"]
    tables += [_subgroup_table(view, groups) for view in dict.fromkeys(item.view for item in groups)]
    if published := [item for item in items if item.family == "published"]:
        tables.append(_published_table(published))
    if controls := [item for item in items if item.family in ("control", "gradcam")]:
        tables.append(_control_table(controls))
    return tables


def _subgroup_table(view: str, items: Sequence[Measured]) -> Table:
    mine = [item for item in items if item.view == view]
    cells = {(item.metric, item.target): item.figure for item in mine}
    targets = list(dict.fromkeys(item.target for item in mine))
    rows = tuple(
        (spoken(group).replace("=", ": "), *(_with_n(cells.get((group, target))) for target in targets))
        for group in dict.fromkeys(item.metric for item in mine)
    )
    title = f"AUC by subgroup, {VIEW_WORDS.get(view, spoken(view))}"
    return Table(title, about(cells.values()), ("Subgroup", *targets), rows)


def _published_table(items: Sequence[Measured]) -> Table:
    """Each score, its own view, beside the model on the patients whom it is for."""
    cells = {(item.view, item.metric): item.figure for item in items}
    rows = tuple(
        (spoken(name), interval(cells[name, "auc"]), _with_n(cells.get((name, "auc_model"))))
        for name in dict.fromkeys(item.view for item in items)
    )
    note = (
        f"{about(cells.values())} The label is not a score's own outcome: only the ranking can be compared."
    )
    columns = ("Score", "AUC of the score", "AUC of the model, same patients")
    return Table("Published scores beside the model: discrimination only", note, columns, rows)


def _control_table(items: Sequence[Measured]) -> Table:
    rows = tuple(
        (CONTROL_WORDS.get(item.metric, spoken(item.metric)), _with_n(item.figure), item.figure.data)
        for item in items
    )
    return Table("Controls", "95 % intervals in brackets.", ("Control", "Measured", "Data"), rows)


def _rank(metric: str) -> tuple[int, str]:
    known = list(METRIC_WORDS)
    return (known.index(metric) if metric in known else len(known)), metric


def _metric_table(metric: str, items: Sequence[Measured], prevalence: Mapping[str, Figure]) -> Table:
    mine = [item for item in items if item.metric == metric and not item.view.startswith("gain")]
    cells = {(item.target, item.view): item.figure for item in mine}
    gains = [item for item in items if item.metric == metric and item.view.startswith("gain")]
    views = _views_in_order(item.view for item in mine)
    rows = tuple(
        (
            "macro mean" if target == "macro" else target,
            _positives(prevalence.get(target)),
            *(interval(cells[target, view]) if (target, view) in cells else "–" for view in views),
        )
        for target in _targets(mine)
    )
    columns = ("Target", "Prevalence", *(VIEW_WORDS.get(view, spoken(view)) for view in views))
    note = " ".join([about(cells.values()), *map(_gain_words, gains)])
    return Table(METRIC_WORDS.get(metric, spoken(metric)), note, columns, rows)


def _targets(items: Sequence[Measured]) -> list[str]:
    """In the order they come; the mean over targets only where there are several."""
    named = list(dict.fromkeys(item.target for item in items))
    return [target for target in named if target != "macro" or len(named) != 2]


def _gain_words(gain: Measured) -> str:
    over = gain.view.removeprefix("gain over ")
    whom = "the better single view" if over == "gain" else VIEW_WORDS.get(over, spoken(over))
    return f"Gain of fusion over {whom}: {interval(gain.figure)}.".replace("\n", " ")


def _set_table(items: Sequence[Measured], prevalence: Mapping[str, Figure]) -> Table:
    cells = {(item.target, item.view, item.metric): item.figure for item in items}
    metrics = [metric for metric in SET_METRICS if any(item.metric == metric for item in items)]
    pairs = list(dict.fromkeys((item.target, item.view) for item in items))
    rows = tuple(
        (
            target,
            VIEW_WORDS.get(view, spoken(view)),
            _positives(prevalence.get(target)),
            *(_with_n(cells.get((target, view, metric))) for metric in metrics),
        )
        for target, view in pairs
    )
    columns = ("Target", "From", "Prevalence", *(SET_METRICS[metric] for metric in metrics))
    return Table("Prediction sets: coverage of each class and set size", about(cells.values()), columns, rows)


def _with_n(figure: Figure | None) -> str:
    return "–" if figure is None else f"{interval(figure)}\nn = {figure.n:,}"


def _positives(prevalence: Figure | None) -> str:
    return "–" if prevalence is None else f"{share(prevalence.value)} of {prevalence.n:,}".replace(" ", SPACE)


def _views_in_order(views: Iterable[str]) -> list[str]:
    given = list(dict.fromkeys(views))
    first = [view for view in ("ecg+row", "ecg", "row") if view in given]
    return first + [view for view in given if view not in first]


def masked_table(figures: Mapping[str, FigureLike]) -> Table | None:
    """Masked R2 beside its baselines, from the keys tmae/masked_r2/<name>; None without any."""
    prefix = "tmae/masked_r2/"
    mine = {key[len(prefix) :]: as_figure(given) for key, given in figures.items() if key.startswith(prefix)}
    if not mine:
        return None
    rows = tuple((name.replace("_", " "), interval(figure)) for name, figure in mine.items())
    return Table(
        "Masked R²: hidden patches reconstructed, beside baselines", about(mine.values()), ("", "R²"), rows
    )


def plain_table(title: str, note: str, records: Sequence[Mapping[str, Any]]) -> Table | None:
    """Records as they are, one a row; columns are the union of their keys, the name first.

    None without any. A column in which nobody says anything is left out.
    """
    said = dict.fromkeys(
        key for record in records for key, value in record.items() if value not in ("", None)
    )
    if not said:
        return None
    columns = tuple(sorted(said, key=lambda column: column != "name"))
    rows = tuple(tuple(cell(record.get(column)) or "–" for column in columns) for record in records)
    return Table(title, note, tuple(COLUMN_WORDS.get(column, spoken(column)) for column in columns), rows)


def cell(value: object) -> str:
    """A figure with its interval, a yes or no, a number, or text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Figure) or (isinstance(value, Mapping) and {"value", "low", "high"} <= value.keys()):
        return interval(as_figure(value))
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else number(value)
