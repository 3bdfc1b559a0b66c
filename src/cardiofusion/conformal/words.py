"""Prediction sets and their guarantee in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Task, TaskKind

UNLIKE = "unlike the patients it learnt from"
_ALSO: Mapping[TaskKind, str] = {
    "multi_label": " Labels are promised one by one, not all at once.",
    "survival": " Patients lost before the time was over are made up for by those who stayed, which is right"
    " where being lost had nothing to do with the risk.",
}


def describe_set(task: Task, included: NDArray[np.bool_]) -> tuple[str, ...]:
    """One sentence a target of this task for `included` [target, 2], (absent, present)."""
    if task.kind == "binary":
        return (binary_words(task.labels, included[0]),)
    return tuple(
        set_words(f"{label}{task.by_when}", bool(absent), bool(present))
        for label, (absent, present) in zip(task.targets, included, strict=True)
    )


def set_words(label: str, absent: bool, present: bool) -> str:
    """The set of one label of a multi-label task: yes, no, not ruled out, or unlike anything learnt."""
    if absent and present:
        return f"cannot rule out {label}"
    if not absent and not present:
        return f"{label}: {UNLIKE}"
    return f"{label}: {'yes' if present else 'no'}"


def binary_words(labels: Sequence[str], included: Sequence[bool] | NDArray[np.bool_]) -> str:
    """The set of a binary task: the label it decides for, "cannot tell", or unlike anything learnt."""
    kept = [label for label, stays in zip(labels, included, strict=True) if stays]
    if not kept:
        return UNLIKE
    return kept[0] if len(kept) == 1 else f"cannot tell: {' or '.join(kept)}"


def guarantee_words(kind: TaskKind, coverage: float, n: int) -> str:
    """What exactly is promised. n: the fewest calibration patients of any class."""
    who = "each label, and for present and absent each," if kind == "multi_label" else "each answer"
    apart = _ALSO.get(kind, "")
    return (
        f"For {who} at least {100 * coverage:g} % of the patients of whom it is true get a set that holds it,"
        f" on average over draws of the calibration patients (at least {n} a class) and provided that new"
        f" patients are exchangeable with them.{apart} It is no promise about a single patient."
    )
