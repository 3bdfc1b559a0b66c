"""Virtual cohorts: an ECG, a clinical row and outcomes of the same virtual patient, with the truth known.

The outcome `event` is drawn from a logistic model that we chose (EVENT_ECG, EVENT_ROW): a sum of causes
seen only in the ECG and of terms seen only in the row, so that either alone says part of it and both together
say all that can be said. It is a planted answer to test fusion with, not epidemiology.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import (
    LEADS,
    ClinicalSchema,
    ClinicalTable,
    Cohort,
    Column,
    InMemory,
    Recording,
    Task,
)
from cardiofusion.simulate.causes import INFARCTS, cause_index, columns
from cardiofusion.simulate.ecg import render
from cardiofusion.simulate.population import draw_age, draw_causes

Array = NDArray[np.float64]

VIRTUAL_SCHEMA = ClinicalSchema(
    (
        Column("age", unit="years", low=0, high=110, may_be_missing=False),
        Column("sex", "category", categories=("female", "male"), may_be_missing=False),
        Column("height", unit="cm", low=120, high=220, may_be_missing=False),
        Column("weight", unit="kg", low=30, high=250, may_be_missing=False),
        Column("systolic", unit="mmHg", low=70, high=260, may_be_missing=False, description="blood pressure"),
        Column(
            "diastolic", unit="mmHg", low=40, high=150, may_be_missing=False, description="blood pressure"
        ),
        Column("cholesterol", unit="mmol/L", low=2, high=12, description="total"),
        Column("smoker", "category", categories=("no", "yes"), may_be_missing=False),
        Column("diabetes", "category", categories=("no", "yes"), may_be_missing=False),
    )
)
EVENT = Task(
    "event", ("no event", "event"), "binary", question="Does the event of the chosen logistic model happen?"
)
# Finding -> the causes of which any one makes it present.
FINDINGS: Mapping[str, tuple[str, ...]] = {
    "bundle branch block": ("lbbb", "rbbb"),
    "infarction": INFARCTS,
    "hypertrophy": ("lvh", "rvh"),
    "atrial fibrillation": ("afib",),
    "repolarisation change": (
        "lv_strain",
        "rv_strain",
        "ischaemia_anterior",
        "ischaemia_lateral",
        "ischaemia_inferior",
        "nonspecific_t",
        "digitalis",
        "long_qt",
        "short_qt",
        "brugada",
        "pericarditis",
        "hyperacute_t",
        "hyperkalaemia",
        "hypokalaemia",
    ),
}
INTERACTION = Task(
    "interaction",
    ("no event", "event"),
    "binary",
    question="Does the event happen whose risk depends on the ECG and the pressure together?",
)
SURVIVAL = Task(
    "survival",
    ("event",),
    "survival",
    question="Will this virtual patient have an event, and when?",
    horizon=5.0,
)
FINDINGS_TASK = Task("findings", tuple(FINDINGS), "multi_label", question="What does the ECG show?")

# Log odds of the event. ECG: a flag, or a cause less its reference over its scale.
EVENT_FLAGS: Mapping[str, float] = {
    "lbbb": 1.4,
    "lv_strain": 1.4,
    "afib": 1.4,
    "infarction": 1.8,
    "ischaemia": 1.3,
    "pvc": 0.8,
}
EVENT_NUMBERS: Mapping[str, tuple[float, float, float]] = {  # cause: log odds, reference, scale
    "qrs_duration": (0.40, 100.0, 20.0),
    "rate": (0.40, 74.0, 20.0),
    "t_amplitude": (-0.35, 0.39, 0.20),
}
EVENT_ROW: Mapping[str, tuple[float, float, float]] = {  # column: log odds, reference, scale
    "age": (0.70, 60.0, 15.0),
    "sex": (0.55, 0.5, 1.0),
    "systolic": (0.55, 132.0, 18.0),
    "smoker": (1.00, 0.25, 1.0),
    "diabetes": (1.10, 0.14, 1.0),
}
INTERCEPT = -1.70
# Log odds of `interaction`: an ECG score and a pressure, each less its mean over its spread; their product.
ECG_SCORE = (0.55, 1.21)
SYSTOLIC = (132.0, 18.0)
INTERACTION_ODDS = {"intercept": -1.0, "ecg": 0.8, "systolic": 0.6, "product": 1.6}
# Hazard a year of `survival`: exp(INTERCEPT + score) events, the studies ending after 2 to 12 years.
OBSERVED_YEARS = (2.0, 12.0)
SLOWER = 0.12  # of the odds, so that about as many have the event within the horizon
CHOLESTEROL_MISSING = 0.10


@dataclass(frozen=True, eq=False)
class VirtualTruth:
    """What the best possible model of virtual_cohort(n, seed) would say.

    probability: [n] of `event` from everything. ecg_only, row_only: [n] the best from one side alone, where
    the other side is replaced by its linear expectation and what remains of it is averaged out.
    event: [n] 0 or 1, as drawn. causes: float32 [n, len(CAUSES)]. interaction: [n] the probability of that
    task from everything. hazard: [n] events a year, of `survival`.
    """

    probability: Array
    ecg_only: Array
    row_only: Array
    event: NDArray[np.float32]
    causes: NDArray[np.float32]
    interaction: Array
    hazard: Array


@dataclass(frozen=True)
class _Patients:
    causes: NDArray[np.float32]
    row: Array  # [n, column] of VIRTUAL_SCHEMA
    event: NDArray[np.float32]
    ecg_score: Array
    row_score: Array

    @property
    def interaction(self) -> Array:
        """The probability of `interaction`."""
        odds, systolic = INTERACTION_ODDS, self.row[:, VIRTUAL_SCHEMA.names.index("systolic")]
        ecg = (self.ecg_score - INTERCEPT - ECG_SCORE[0]) / ECG_SCORE[1]
        pressure = (systolic - SYSTOLIC[0]) / SYSTOLIC[1]
        alone = odds["intercept"] + odds["ecg"] * ecg + odds["systolic"] * pressure
        return _sigmoid(alone + odds["product"] * ecg * pressure)

    @property
    def hazard(self) -> Array:
        """Events a year, of `survival`."""
        return SLOWER * np.exp(self.ecg_score + self.row_score)


def virtual_cohort(n: int, seed: int, sampling_rate: float = 100.0) -> Cohort:
    """n virtual patients with a matched ECG of 10 s, a clinical row and the tasks `event`, `findings`,
    `interaction` and `survival`.
    """
    patients = _patients(n, seed)
    signal = render(patients.causes, np.random.default_rng([seed, 2]), sampling_rate)
    ids = np.array([f"virtual-{i + 1:05d}" for i in range(n)])
    return Cohort(
        name="virtual",
        patient_ids=ids,
        recordings=tuple(
            _recording(signal[i], sampling_rate, str(ids[i]), patients.row[i]) for i in range(n)
        ),
        table=ClinicalTable(VIRTUAL_SCHEMA, patients.row),
        tasks=(EVENT, FINDINGS_TASK, INTERACTION, SURVIVAL),
        outcomes={
            "event": patients.event[:, None],
            "findings": _findings(patients.causes),
            **_later_outcomes(patients, np.random.default_rng([seed, 3])),
        },
        provenance={
            "name": "virtual patients",
            "source": f"cardiofusion.simulate.virtual_cohort(n={n}, seed={seed})",
            "licence": "generated; no person's data",
        },
    )


def virtual_truth(n: int, seed: int) -> VirtualTruth:
    """The right answer for virtual_cohort(n, seed): true probabilities and causes, in the same order."""
    patients = _patients(n, seed)
    ecg_terms = np.stack(list(_ecg_terms(patients.causes).values()), axis=1)
    known = patients.row[:, [name != "cholesterol" for name in VIRTUAL_SCHEMA.names]]
    return VirtualTruth(
        probability=_sigmoid(patients.ecg_score + patients.row_score),
        ecg_only=_one_sided(patients.ecg_score, patients.row_score, ecg_terms),
        row_only=_one_sided(patients.row_score, patients.ecg_score, known),
        event=patients.event,
        causes=patients.causes,
        interaction=patients.interaction,
        hazard=patients.hazard,
    )


def _recording(signal: NDArray[np.float32], rate: float, name: str, row: Array) -> InMemory:
    values = VIRTUAL_SCHEMA.decode(row)
    return InMemory(
        Recording(
            signal=signal,
            sampling_rate=rate,
            leads=LEADS,
            record_id=name,
            patient_id=name,
            age=float(row[0]),
            sex="male" if values["sex"] == "male" else "female",
            source="virtual",
        )
    )


def _patients(n: int, seed: int) -> _Patients:
    rng = np.random.default_rng([seed, 1])
    age = np.rint(draw_age(n, rng))
    sex = (rng.random(n) < 0.52).astype(np.float64)
    causes = draw_causes(n, rng, age, sex)
    row = _rows(age, sex, causes, rng)
    ecg_score = np.sum(list(_ecg_terms(causes).values()), axis=0) + INTERCEPT
    named = dict(zip(VIRTUAL_SCHEMA.names, row.T, strict=True))
    row_score = np.sum([k * (named[c] - at) / scale for c, (k, at, scale) in EVENT_ROW.items()], axis=0)
    event = (rng.random(n) < _sigmoid(ecg_score + row_score)).astype(np.float32)
    row[rng.random(n) < CHOLESTEROL_MISSING, VIRTUAL_SCHEMA.names.index("cholesterol")] = np.nan
    return _Patients(causes, row, event, ecg_score, row_score)


def _rows(age: Array, sex: Array, causes: NDArray[np.float32], rng: np.random.Generator) -> Array:
    """Clinical rows: pressure rises with age, weight and, as its cause, hypertrophy."""
    n = len(age)
    height = 163 + 13 * sex - 0.05 * (age - 50) + 6.5 * rng.normal(size=n)
    bmi = np.clip(26.5 + 4.3 * rng.normal(size=n), 17, 48)
    systolic = (
        123
        + 0.38 * (age - 50)
        + 0.6 * (bmi - 26)
        + 17 * causes[:, cause_index("lvh")]
        + 13 * rng.normal(size=n)
    )
    diastolic = 0.45 * systolic + 20 + 6 * rng.normal(size=n)
    cholesterol = 5.2 + 0.012 * (age - 50) + 0.95 * rng.normal(size=n)
    smoker = rng.random(n) < np.clip(0.33 - 0.004 * (age - 40), 0.08, 0.4)
    diabetes = rng.random(n) < _sigmoid(-2.5 + 0.03 * (age - 50) + 0.10 * (bmi - 26))
    weight = bmi * (height / 100) ** 2
    measured = (height, weight, systolic, diastolic, cholesterol)
    held = [
        np.clip(np.round(value, 1), column.low, column.high)
        for value, column in zip(measured, VIRTUAL_SCHEMA.columns[2:7], strict=True)
    ]
    return np.stack([age, sex, *held, smoker, diabetes], axis=1).astype(np.float64)


def _ecg_terms(causes: NDArray[np.float32]) -> dict[str, Array]:
    """name -> [n] log odds that the ECG contributes."""
    values = columns(causes)
    any_of = {"infarction": INFARCTS, "ischaemia": tuple(c for c in values if c.startswith("ischaemia"))}
    flags = {
        name: k * np.max([values[part] for part in any_of.get(name, (name,))], axis=0)
        for name, k in EVENT_FLAGS.items()
    }
    numbers = {name: k * (values[name] - at) / scale for name, (k, at, scale) in EVENT_NUMBERS.items()}
    return flags | numbers


def _findings(causes: NDArray[np.float32]) -> NDArray[np.float32]:
    values = columns(causes)
    present = [np.max([values[name] for name in names], axis=0) for names in FINDINGS.values()]
    return np.stack(present, axis=1).astype(np.float32)


def _later_outcomes(patients: _Patients, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """`interaction` [n, 1], and `survival` [n, 2]: years observed and whether the event ended them."""
    n = len(patients.row)
    interaction = rng.random(n) < patients.interaction
    until = rng.uniform(*OBSERVED_YEARS, n)
    time = np.maximum(rng.exponential(1.0 / patients.hazard), 1e-3)
    return {
        "interaction": interaction[:, None].astype(np.float32),
        "survival": np.column_stack([np.minimum(time, until), time <= until]).astype(np.float32),
    }


def _one_sided(known: Array, other: Array, seen: Array) -> Array:
    """P(event | one side): the other side's score by least squares on what is seen, the rest as normal noise.

    The logistic of a normal variable is averaged by MacKay's approximation (Neural Computation 1992;4:720).
    """
    design = np.column_stack([np.ones(len(seen)), seen])
    expected = design @ np.linalg.lstsq(design, other, rcond=None)[0]
    variance = float(np.var(other - expected))
    return _sigmoid((known + expected) / np.sqrt(1 + np.pi * variance / 8))


def _sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
