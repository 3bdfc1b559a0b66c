"""The answer for one patient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from cardiofusion.records.cohort import Alignment, Modality
from cardiofusion.records.measurements import Measurements
from cardiofusion.records.published import PublishedScores
from cardiofusion.records.typed_json import from_json, plain

NOTICE = "For research use only. Not a medical device. Not an emergency alarm."

Severity = Literal["note", "warning", "unfit"]
Caution = Literal["wrong_patient", "child", "age", "paced", "leads", "unfit", "proxy"]


@dataclass(frozen=True)
class Finding:
    """Something seen in an ECG: a stable `code`, how bad it is, words.

    lead: where it is about one lead alone. leads: those it is about, none where it is about the whole ECG.
    """

    code: str
    severity: Severity
    message: str
    lead: str | None = None
    leads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quality:
    """How fit an ECG is for reading. `grade`: "good", "fair" (read with care) or "unfit"."""

    grade: Literal["good", "fair", "unfit"]
    findings: tuple[Finding, ...] = ()
    leads: Mapping[str, str] = field(default_factory=dict)
    heart_rate: float | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is unfit and what to do at the bedside, one a sentence; none where it is fit."""
        return tuple(finding.message for finding in self.findings if finding.severity == "unfit")


@dataclass(frozen=True)
class TaskAnswer:
    """The answer to one task.

    probability: label -> calibrated probability. prediction_set: labels (binary) or
    label -> subset of ("present", "absent") (multi-label). coverage: the promised share, e.g. 0.9.
    guarantee: what is promised, in words. modalities: what the answer was made from. unused: what else the
    task asks for, which was not there or answers less well.
    by_modality: what each available view alone would have said ("ecg", "row", "ecg+row") -> probability.
    words: the set in one sentence a target. horizon: years within which a survival task's event is meant.
    interval: label -> 95 % interval of the calibrated probability, given the model's score: how well the
    calibration patients pin it down, not how well the model knows this patient. Empty where the bundle
    cannot tell.
    """

    probability: Mapping[str, float]
    prediction_set: tuple[str, ...] | Mapping[str, tuple[str, ...]]
    coverage: float
    guarantee: str
    alignment: Alignment
    modalities: tuple[Modality, ...]
    by_modality: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    horizon: float | None = None
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    unused: tuple[Modality, ...] = ()

    @property
    def expected(self) -> bool:
        """Whether a question to the ECG was answered without one: what the row alone lets expect."""
        return "ecg" in self.unused and "ecg" not in self.modalities


@dataclass(frozen=True)
class Assessment:
    """Everything the system says about one patient. `to_json` follows assessment.schema.json.

    warnings: loud, in order of weight, meant to be read before any number.
    missing: what was absent, padded, cropped or imputed -> words. phenotype: None where it cannot be told.
    explanations: task -> {"gradcam", "shap", "attention"} where each is available.
    provenance: bundle hash, version, training data and more. scores: published ones beside the model, None
    where the row has nothing they ask for. measurements: of the ECG, None without one that is fit to be read.
    cautions: why not to rely on it, or not yet, as codes in order of weight; the words are among `warnings`.
    """

    tasks: Mapping[str, TaskAnswer]
    warnings: tuple[str, ...]
    quality: Quality | None
    missing: Mapping[str, str]
    phenotype: Mapping[str, Any] | None
    explanations: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Any]
    patient: Mapping[str, Any] = field(default_factory=dict)
    notice: str = NOTICE
    scores: PublishedScores | None = None
    measurements: Measurements | None = None
    cautions: tuple[Caution, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and finite numbers."""
        document: dict[str, Any] = plain(self)
        return document


def assessment_from_json(document: object) -> Assessment:
    """The inverse of `Assessment.to_json`; what an older version did not write yet is left at its default.

    Types are checked, and that numbers are finite; ranges are for `assessment_schema`.
    Raises InputError "input.document".
    """
    return from_json(Assessment, document, "assessment")


def assessment_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Assessment.to_json`."""
    schema: dict[str, Any] = json.loads(
        files("cardiofusion.records").joinpath("assessment.schema.json").read_text("utf-8")
    )
    return schema
