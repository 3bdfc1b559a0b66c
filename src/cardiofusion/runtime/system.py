"""A bundle that answers: ECG and clinical row in, `Assessment` out. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.bundle import Bundle, find_bundle, task_views
from cardiofusion.cmaf import Balance
from cardiofusion.conformal import (
    CalibrationPanel,
    Calibrations,
    calibrations_from_json,
    describe_set,
    guarantee_words,
)
from cardiofusion.phenotypes import PhenotypeModel
from cardiofusion.records import (
    ALIGNMENT_WORDS,
    Alignment,
    Assessment,
    ClinicalSchema,
    InputError,
    Modality,
    Quality,
    Recording,
    Task,
    TaskAnswer,
    Value,
)
from cardiofusion.runtime.admission import (
    PATIENT_KEYS,
    Warned,
    identity_warnings,
    lead_warnings,
    population_warnings,
    quality_warnings,
    rhythm_warnings,
)
from cardiofusion.runtime.explanations import SeenECG, explain_task
from cardiofusion.runtime.models import Encoded, Encoder, TaskModels
from cardiofusion.runtime.scores import patient_scores, with_score_inputs
from cardiofusion.signal import CanonicalECG, Examined, canonical, examine

Row = NDArray[np.float64]


@dataclass(frozen=True)
class Assessed:
    """embedding: where the ECG lies among others; None without one that is fit to be read."""

    assessment: Assessment
    embedding: NDArray[np.float32] | None


class System:
    """A verified bundle, ready to assess patients.

    >>> system = System.load("bundle")                                    # doctest: +SKIP
    >>> system.assess(read_recording("ecg.hea"), {"age": 61, "sex": "male"})  # doctest: +SKIP
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self._models = {task.name: TaskModels(bundle, task) for task in self.manifest.tasks}

    @classmethod
    def load(cls, bundle: Path | str | None = None, expect_hash: str | None = None) -> System:
        """Read and verify a bundle: a folder, or a shipped one by name (`reference` where none is named).

        Raises BundleError.
        """
        return cls(find_bundle(bundle, expect_hash))

    @cached_property
    def encoder(self) -> Encoder:
        """Its ECG encoder."""
        return Encoder(self.bundle)

    @cached_property
    def _calibrations(self) -> Calibrations:
        return calibrations_from_json(self.bundle.json("conformal.json"))

    @cached_property
    def _panels(self) -> dict[tuple[str, str], CalibrationPanel]:
        return {
            (task.name, view): CalibrationPanel.of(targets[name] for name in task.targets)
            for task in self.manifest.tasks
            for view, targets in self._calibrations[task.name].items()
        }

    @cached_property
    def calibration_patients(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """(task, target) -> patients who calibrated its sets, (without, with) it: the fewest of any view."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for task, views in self._calibrations.items():
            for target, known in (
                (name, one.sets.n) for view in views.values() for name, one in view.items()
            ):
                absent, present = found.get((task, target), known)
                found[task, target] = min(absent, known[0]), min(present, known[1])
        return found

    @cached_property
    def _phenotypes(self) -> PhenotypeModel | None:
        if "phenotypes.safetensors" not in self.bundle:
            return None
        tensors = self.bundle.tensors("phenotypes.safetensors")
        return PhenotypeModel.from_tensors(tensors, self.bundle.text("phenotypes.json"))

    @cached_property
    def columns(self) -> ClinicalSchema:
        """Every name a row may have: the bundle's columns, then what only published scores ask for."""
        return with_score_inputs(self.manifest.schema)

    def encode_row(self, row: Mapping[str, object]) -> Row:
        """A clinical row in the schema's order and units. Raises ClinicalError, InputError."""
        if self.manifest.schema is None:
            raise InputError("clinical.unused", "this bundle takes no clinical row", "give an ECG only")
        return self.manifest.schema.encode(row)

    def answer(self, ecg: CanonicalECG | None, row: Row | None) -> dict[str, TaskAnswer]:
        """Calibrated sets for every task that what is there can answer: the fast path, nothing else."""
        return self.answer_encoded(None if ecg is None else self._encoded(ecg), row)

    def assess(
        self,
        recording: Recording | None = None,
        row: Mapping[str, object] | None = None,
        explain: bool = True,
    ) -> Assessment:
        """Everything the system says about one patient.

        An ECG that is unfit answers no task: `quality` says why, and what to do at the bedside.
        row: values by the names of the bundle's columns, and of SCORE_INPUTS for published scores beside it.
        Raises InputError where neither an ECG nor a row is given, ClinicalError for a value that cannot be.
        """
        examined = None if recording is None else examine(recording)
        return self.assess_examined(examined, row, explain).assessment

    def assess_examined(
        self, examined: Examined | None, row: Mapping[str, object] | None = None, explain: bool = True
    ) -> Assessed:
        """The same of an ECG that was examined already, for example in another process."""
        given = {name: value for name, value in (row or {}).items() if value is not None}
        values = {name: value for name, value in given.items() if name not in PATIENT_KEYS}
        known = self.columns.encode(values)
        encoded_row = self._own(known)
        if examined is None and encoded_row is None:
            raise InputError(
                "input.nothing",
                "there is neither an ECG nor a value of the bundle's columns",
                "give one of them; `cardiofusion inspect BUNDLE` shows its columns",
            )
        recording = None if examined is None else examined.recording
        quality = None if examined is None else examined.quality
        measured = None if examined is None else examined.measurements
        ecg = self._canonical(examined)
        seen = None if ecg is None else SeenECG(ecg, self._encoded(ecg), self.encoder)
        encoded = None if seen is None else seen.encoded
        answers = self.answer_encoded(encoded, encoded_row)
        warnings = self._warnings(recording, quality, self.columns.decode(known), given, answers)
        warnings += rhythm_warnings(measured)
        assessment = Assessment(
            tasks=answers,
            warnings=tuple(dict.fromkeys(warning.words for warning in warnings)),
            cautions=tuple(dict.fromkeys(warning.code for warning in warnings if warning.code)),
            quality=quality,
            missing=self._missing(recording, ecg, encoded_row),
            phenotype=self._phenotype(encoded),
            explanations=self._explanations(seen, encoded_row, answers) if explain else {},
            provenance=self._provenance(),
            patient=self._patient(recording, encoded_row, given),
            scores=patient_scores(self.columns, known, recording),
            measurements=measured,
        )
        return Assessed(assessment, None if encoded is None else encoded.embedding[0])

    def _own(self, known: Row) -> Row | None:
        """The bundle's part of a row of `columns`; None where it is empty."""
        row = known[: len(self.manifest.schema or ())]
        return None if np.isnan(row).all() else row

    def _canonical(self, examined: Examined | None) -> CanonicalECG | None:
        """The models' input; None without an ECG that is fit to be read, or where the bundle reads none."""
        readable = examined is not None and examined.fit and self.manifest.canonical is not None
        return canonical(examined.recording) if examined is not None and readable else None

    def _encoded(self, ecg: CanonicalECG) -> Encoded:
        return self.encoder(ecg.signal[None], ecg.present[None])

    def answer_encoded(self, encoded: Encoded | None, row: Row | None) -> dict[str, TaskAnswer]:
        """The same of an ECG that the encoder has seen already: boosters, fusion, calibration, sets."""
        answers = {}
        for task in self.manifest.tasks:
            own = self._models[task.name].own(row)
            views = self._views(task, encoded is not None, own is not None)
            if views:
                answers[task.name] = self._answer(task, views, encoded, own)
        return answers

    def _views(self, task: Task, has_ecg: bool, has_row: bool) -> list[str]:
        """The views of a task that can be had, the one that answers first."""
        has = {"ecg": has_ecg, "row": has_row}
        there = [view for view in task_views(task) if all(has[part] for part in view.split("+"))]
        if len(there) < 3:
            return there
        best = self.manifest.details["answers"][task.name]["view"]
        return [best, *(view for view in there if view != best)]

    def _answer(self, task: Task, views: list[str], encoded: Encoded | None, row: Row | None) -> TaskAnswer:
        logits = self._logits(task, views, encoded, row)
        probability = {
            view: self._panels[task.name, view].probability(logits[view]).tolist() for view in views
        }
        best = views[0]
        panel = self._panels[task.name, best]
        included = panel.included(np.array(probability[best]))
        sets = [self._calibrations[task.name][best][target].sets for target in task.targets]
        return TaskAnswer(
            probability=_by_label(task, probability[best]),
            prediction_set=_set_of(task, included),
            coverage=sets[0].coverage,
            guarantee=guarantee_words(task.kind, sets[0].coverage, min(n for s in sets for n in s.n)),
            alignment=task.alignment,
            modalities=_modalities(best),
            by_modality={view: _by_label(task, values) for view, values in probability.items()},
            words=describe_set(task, included),
            horizon=task.horizon,
            interval=_intervals_by_label(task, panel.interval(logits[best]).tolist()),
            unused=tuple(part for part in task.modalities if part not in _modalities(best)),
        )

    def _logits(
        self, task: Task, views: Sequence[str], encoded: Encoded | None, row: Row | None
    ) -> dict[str, NDArray[np.float64]]:
        """Logits [target] of each view: the row's from the boosters, the others' from one run of CMAF."""
        models = self._models[task.name]
        fused = [view for view in views if view != "row"]
        logits: dict[str, NDArray[np.float64]] = {}
        if fused:
            tokens = None if encoded is None else encoded.tokens[0]
            logits |= dict(zip(fused, models.fused_logits(tokens, row, fused), strict=True))
        if "row" in views and row is not None:
            logits["row"] = models.row_logits(row)
        return logits

    def _warnings(
        self,
        recording: Recording | None,
        quality: Quality | None,
        shown: Mapping[str, Value],
        given: Mapping[str, object],
        answers: Mapping[str, TaskAnswer],
    ) -> list[Warned]:
        """In order of weight."""
        found = [*identity_warnings(recording, shown, given)]
        for of, population in self._populations(answers):
            known = population_warnings(population, recording, quality, shown)
            found += [replace(warning, words=f"{of}{warning.words}") for warning in known]
        found += self._lead_warnings(quality, answers)
        if quality is not None:
            found += quality_warnings(quality)
        found += [self._proxy(name, a.alignment) for name, a in answers.items() if a.alignment != "matched"]
        return found

    def _lead_warnings(self, quality: Quality | None, answers: Mapping[str, TaskAnswer]) -> list[Warned]:
        """Too few leads, by the name of each task that read them; of all tasks in one where all did."""
        reading = [name for name, answer in answers.items() if "ecg" in answer.modalities]
        alike = len(reading) == len(answers) and not self.manifest.details.get("populations")
        found = []
        for name in reading[: 1 if alike else None]:
            of = "" if alike else f"{name}: "
            population = self.manifest.details.get("populations", {}).get(name, self.manifest.population)
            known = lead_warnings(population, quality)
            found += [replace(warning, words=f"{of}{warning.words}") for warning in known]
        return found

    def _proxy(self, task: str, alignment: Alignment) -> Warned:
        """What an answer rests on where ECG and row were not of one person, and how alike the pairs were."""
        found = self.manifest.details.get("alignment_balance", {}).get(task)
        evidence = f" ({Balance.from_json(found).words})" if found else ""
        return Warned(f"Trained on {ALIGNMENT_WORDS[alignment]}{evidence}. Experimental.", "proxy")

    def _populations(self, answers: Mapping[str, TaskAnswer]) -> list[tuple[str, Mapping[str, Any]]]:
        """Whom the bundle learnt from; in a combined one task by task, under its name."""
        by_task = self.manifest.details.get("populations", {})
        named = [(f"{name}: ", by_task[name]) for name in answers if name in by_task]
        return named or [("", self.manifest.population)]

    def _missing(
        self, recording: Recording | None, ecg: CanonicalECG | None, row: Row | None
    ) -> dict[str, str]:
        missing: dict[str, str] = {}
        if recording is None:
            missing["ecg"] = "no ECG was given"
        elif ecg is None:
            missing["ecg"] = "the ECG is unfit and was not used"
        else:
            missing |= {f"ecg.{code}": words for code, words in ecg.notes.items()}
        if row is None:
            missing["row"] = "no clinical value of the bundle's was given"
        else:
            for models in self._models.values():
                own = models.own(row)
                if own is None:
                    continue
                for booster in models.boosters:
                    missing |= {f"row.{name}": words for name, words in booster.missing(own).items()}
        return missing

    def _phenotype(self, encoded: Encoded | None) -> dict[str, Any] | None:
        if encoded is None or self._phenotypes is None:
            return None
        match = self._phenotypes.assign(encoded.embedding[0])
        return None if match is None else match.to_json()

    def _explanations(
        self, seen: SeenECG | None, row: Row | None, answers: Mapping[str, TaskAnswer]
    ) -> dict[str, dict[str, Any]]:
        shown = self.manifest.details.get("explanations", {})
        found = {}
        for name, answer in answers.items():
            models = self._models[name]
            part = models.own(row)
            found[name] = explain_task(models, seen, part, answer, models.schema, shown.get(name, {}))
        return found

    def _patient(
        self, recording: Recording | None, row: Row | None, given: Mapping[str, object]
    ) -> dict[str, Any]:
        """Who it is: as the ECG says, the number else as the row says it."""
        numbers = (str(given[key]) for key in PATIENT_KEYS if given.get(key))
        schema = self.manifest.schema
        values = {} if row is None or schema is None else schema.decode(row)
        return {
            "patient_id": (None if recording is None else recording.patient_id) or next(numbers, None),
            "record_id": None if recording is None else recording.record_id,
            "age": None if recording is None else recording.age,
            "sex": None if recording is None else recording.sex,
            "time": None if recording is None or recording.time is None else recording.time.isoformat(),
            "row": {
                name: {"value": value, "unit": schema[name].unit}
                for name, value in values.items()
                if schema is not None and value is not None
            },
        }

    def _provenance(self) -> dict[str, Any]:
        manifest = self.manifest.to_json()
        return {
            "bundle_hash": self.bundle.hash,
            "bundle_name": self.manifest.name,
            "version": self.manifest.cardiofusion,
            "created": self.manifest.created,
            "seed": self.manifest.seed,
            "training_data": manifest["training_data"],
            "parameters": manifest["parameters"],
        }


def _by_label(task: Task, values: Sequence[float]) -> dict[str, float]:
    if task.kind == "binary":
        return {task.labels[0]: 1.0 - values[0], task.labels[1]: values[0]}
    return dict(zip(task.labels, values, strict=True))


def _intervals_by_label(
    task: Task, intervals: Sequence[tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """By label like the probabilities; a label whose interval is not known (NaN) is left out."""
    lows, highs = (_by_label(task, [pair[k] for pair in intervals]) for k in (0, 1))
    if task.kind == "binary":  # of the other label the ends change places
        absent = task.labels[0]
        lows[absent], highs[absent] = highs[absent], lows[absent]
    return {label: (low, highs[label]) for label, low in lows.items() if low == low}


def _set_of(task: Task, included: NDArray[np.bool_]) -> tuple[str, ...] | dict[str, tuple[str, ...]]:
    if task.kind == "binary":
        return tuple(label for label, kept in zip(task.labels, included[0], strict=True) if kept)
    return {
        label: tuple(word for word, kept in zip(("absent", "present"), pair, strict=True) if kept)
        for label, pair in zip(task.labels, included, strict=True)
    }


def _modalities(view: str) -> tuple[Modality, ...]:
    order: tuple[Modality, ...] = ("ecg", "row")
    return tuple(modality for modality in order if modality in view.split("+"))
