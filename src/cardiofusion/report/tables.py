"""Tables of measured figures: keys "task/view/target/metric" to rows and columns, intervals in every cell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiofusion.records import Figure
from cardiofusion.report.wording import SPACE, VIEW_WORDS, number, percent, spoken

NOT_MEASURABLE = "not measurable"
METRIC_WORDS: Mapping[str, str] = {
    "auc": "Discrimination (AUC; 0.5 is chance)",
    "average_precision": "Average precision (chance: the prevalence)",
    "brier": "Brier score (lower is better)",
    "ece": "Expected calibration error (lower is better)",
}
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
    """A figure and what it is of. target "macro": the mean over targets."""

    task: str
    view: str
    target: str
    metric: str
    figure: Figure


def measured(figures: Mapping[str, FigureLike]) -> list[Measured]:
    """Every figure whose key has the four parts task/view/target/metric; a target may itself hold a slash."""
    found = []
    for key, given in figures.items():
        parts = key.split("/")
        if len(parts) >= 4 and parts[:2] != ["tmae", "masked_r2"]:
            found.append(Measured(parts[0], parts[1], "/".join(parts[2:-1]), parts[-1], as_figure(given)))
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
    """The tables of one task: AUC first, then every other metric, then the prediction sets."""
    plain = [item for item in items if item.metric not in SET_METRICS and item.metric != "prevalence"]
    order = sorted({item.metric for item in plain}, key=_rank)
    prevalence = {item.target: item.figure for item in items if item.metric == "prevalence"}
    tables = [_metric_table(metric, plain, prevalence) for metric in order]
    sets = [item for item in items if item.metric in SET_METRICS]
    return [*tables, _set_table(sets, prevalence)] if sets else tables


def _rank(metric: str) -> tuple[int, str]:
    known = list(METRIC_WORDS)
    return (known.index(metric) if metric in known else len(known)), metric


def _metric_table(metric: str, items: Sequence[Measured], prevalence: Mapping[str, Figure]) -> Table:
    mine = [item for item in items if item.metric == metric]
    cells = {(item.target, item.view): item.figure for item in mine}
    views = _views_in_order(item.view for item in mine)
    targets = list(dict.fromkeys(item.target for item in mine))
    rows = tuple(
        (
            "macro mean" if target == "macro" else target,
            _positives(prevalence.get(target)),
            *(interval(cells[target, view]) if (target, view) in cells else "–" for view in views),
        )
        for target in targets
    )
    columns = ("Target", "Prevalence", *(VIEW_WORDS.get(view, view) for view in views))
    return Table(METRIC_WORDS.get(metric, metric), about(cells.values()), columns, rows)


def _set_table(items: Sequence[Measured], prevalence: Mapping[str, Figure]) -> Table:
    cells = {(item.target, item.view, item.metric): item.figure for item in items}
    metrics = [metric for metric in SET_METRICS if any(item.metric == metric for item in items)]
    pairs = list(dict.fromkeys((item.target, item.view) for item in items))
    rows = tuple(
        (
            target,
            VIEW_WORDS.get(view, view),
            _positives(prevalence.get(target)),
            *(_with_n(cells.get((target, view, metric))) for metric in metrics),
        )
        for target, view in pairs
    )
    columns = ("Target", "From", "Prevalence", *(SET_METRICS[metric] for metric in metrics))
    return Table("Prediction sets: coverage of each class and set size", about(cells.values()), columns, rows)


def _with_n(figure: Figure | None) -> str:
    return "–" if figure is None else f"{interval(figure)}, n = {figure.n:,}"


def _positives(prevalence: Figure | None) -> str:
    return (
        "–" if prevalence is None else f"{percent(prevalence.value)} of {prevalence.n:,}".replace(" ", SPACE)
    )


def _views_in_order(views: Iterable[str]) -> list[str]:
    given = list(dict.fromkeys(views))
    first = [view for view in ("ecg+row", "gain", "ecg", "row") if view in given]
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
    """Records as they are, one a row; columns are the union of their keys in order. None without any."""
    columns = tuple(dict.fromkeys(key for record in records for key in record))
    if not columns:
        return None
    rows = tuple(tuple(cell(record.get(column, "–")) for column in columns) for record in records)
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
