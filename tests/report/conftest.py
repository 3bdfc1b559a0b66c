"""One patient, one study: plain data for the report's tests. No real ECG."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cardiofusion.records import (
    LEADS,
    Assessment,
    Figure,
    Finding,
    Measurement,
    Measurements,
    OutOfRange,
    PublishedScores,
    Quality,
    Recording,
    Rhythm,
    ScoreAbsence,
    ScoreInput,
    ScoreRisk,
    TaskAnswer,
)
from cardiofusion.report import StudyReport


def beats(seconds: float = 10.0, rate: float = 500.0, leads: tuple[str, ...] = LEADS) -> Recording:
    """Narrow beats every 0.8 s, of another height in each lead."""
    time = np.arange(round(seconds * rate)) / rate
    phase = time % 0.8 - 0.3
    beat = np.exp(-((phase / 0.012) ** 2)) + 0.25 * np.exp(-(((phase - 0.28) / 0.05) ** 2))
    heights = np.linspace(-1.0, 1.6, len(leads))
    signal = (heights[:, None] * beat).astype(np.float32)
    return Recording(signal, rate, leads, record_id="virtual-1", patient_id="P-77", age=63, sex="female")


def _gradcam() -> dict[str, Any]:
    frames = np.arange(250) / 25.0
    heat = np.exp(-(((frames % 0.8 - 0.55) / 0.06) ** 2))
    strength = np.linspace(0.0, 1.0, len(LEADS))
    return {
        "target": "MI",
        "leads": list(LEADS),
        "rate": 25.0,
        "map": (strength[:, None] * heat).tolist(),
        "peaks": ["V6, 0.5-0.6 s", "V5, 0.5-0.6 s"],
    }


def _shap() -> dict[str, Any]:
    steps = (
        ("age", 63.0, "years", 0.82),
        ("systolic_pressure", 162.0, "mmHg", 0.41),
        ("cholesterol", "well above normal", "", 0.33),
        ("body_mass_index", 24.1, "kg/m2", -0.27),
        ("smoker", "no", "", -0.09),
        ("glucose", None, "mmol/l", 0.02),
    )
    names = ("feature", "value", "unit", "contribution")
    contributions = [dict(zip(names, step, strict=True)) for step in steps]
    total = -1.2 + sum(step[3] for step in steps)
    return {"target": "MI", "base": -1.2, "total": total, "unit": "log-odds", "contributions": contributions}


def _attention() -> dict[str, Any]:
    features = ["age", "sex", "height", "weight"]
    tokens = [f"{i / 2:.1f}-{i / 2 + 0.5:.1f} s" for i in range(20)] + list(LEADS)
    weights = np.random.default_rng(4).dirichlet(np.full(len(tokens), 0.6), len(features))
    return {
        "features": features,
        "tokens": tokens,
        "weights": weights.tolist(),
        "top": ["age looked at V2 (12 %; evenly spread it would be 3 %)"],
    }


def _superclass() -> TaskAnswer:
    probability = {"NORM": 0.042, "MI": 0.47, "STTC": 0.71, "CD": 0.0004, "HYP": 0.23}
    return TaskAnswer(
        probability=probability,
        prediction_set={
            "NORM": ("absent",),
            "MI": ("absent", "present"),
            "STTC": ("present",),
            "CD": ("absent",),
            "HYP": (),
        },
        coverage=0.9,
        guarantee="For each label at least 90 % of the patients of whom it is true get a set that holds it.",
        alignment="matched",
        modalities=("ecg", "row"),
        by_modality={"ecg": probability, "row": {"MI": 0.31, "HYP": 0.2}, "ecg+row": probability},
        interval={"STTC": (0.58, 0.814), "CD": (0.0001, 0.0063), "HYP": (0.1, 0.4)},
    )


def _risk() -> TaskAnswer:
    return TaskAnswer(
        probability={"healthy": 0.36, "diseased": 0.64},
        prediction_set=("healthy", "diseased"),
        coverage=0.9,
        guarantee="At least 90 % of each class.",
        alignment="covariate",
        modalities=("row",),
        words=("cannot tell: healthy or diseased",),
    )


@pytest.fixture
def recording() -> Recording:
    return beats()


@pytest.fixture
def assessment(measurements: Measurements) -> Assessment:
    findings = (
        Finding("signal.wander", "note", "baseline wander"),
        Finding("signal.noise", "warning", "muscle noise", "V3"),
    )
    return Assessment(
        tasks={"superclass": _superclass(), "risk": _risk()},
        warnings=("The ECG says female, the clinical row says male.", "V1 and V2 may be swapped."),
        quality=Quality("fair", findings, {"V3": "noisy", "I": "good"}, 75.0),
        missing={"weight": "not given: imputed with the training median", "leads": "all recorded"},
        phenotype={"name": "Phenotype 2", "index": 1, "typicality": 0.61, "stable": True, "distance": 2.4},
        explanations={
            "superclass": {"gradcam": _gradcam(), "shap": _shap(), "attention": _attention()},
            "risk": {"shap": _shap() | {"target": "diseased"}},
        },
        provenance={
            "bundle_hash": "3f9a" * 16,
            "bundle_name": "ptbxl-demo",
            "version": "0.1.0",
            "created": "2026-11-20T09:00:00",
            "training_data": [{"name": "virtual cohort", "n": 12000}],
            "seed": 7,
        },
        patient={
            "patient_id": "P-77",
            "age": 63,
            "sex": "female",
            "record_id": "virtual-1",
            "time": "2026-11-21T08:30:00",
            "row": {
                "age": {"value": 63.0, "unit": "years"},
                "systolic_pressure": {"value": 162.0, "unit": "mmHg"},
                "weight": {"value": None, "unit": "kg"},
            },
        },
        measurements=measurements,
    )


@pytest.fixture
def measurements() -> Measurements:
    """A long PR that is not sure, and a device that says otherwise of it."""
    times = {"pr": (240.0, 0.4), "qrs": (96.0, 0.99), "qt": (402.0, 0.95), "qtc_bazett": (449.0, 0.95)}
    intervals = {name: Measurement(value, "ms", 4.0, sure, 9) for name, (value, sure) in times.items()}
    intervals["heart_rate"] = Measurement(75.0, "/min", 1.0, 0.99, 9)
    intervals["qrs_axis"] = Measurement(-178.0, "°", 2.0, 0.8, 9)
    st = {"V2": 0.21, "V3": 0.14, "V4": 0.02}
    return Measurements(
        intervals=intervals,
        amplitudes={lead: {"st": Measurement(mv, "mV", 0.01, 0.97, 9)} for lead, mv in st.items()},
        voltages={"sokolow_lyon": Measurement(3.62, "mV", 0.1, 0.9, 9)},
        rhythm=Rhythm("regular", Measurement(800.0, "ms", 6.0, 0.99, 9), 0.01, 0.01, 0.1, 0.8, 0.97),
        device={"pr": 280.0, "qrs": 98.0, "qtc": 390.0, "qrs_axis": 176.0},
    )


@pytest.fixture
def scores() -> PublishedScores:
    prevent = ("a first event", "Khan et al., 2024", {"age": "30 to under 80 years"})
    old = ("stroke", "D'Agostino et al., 2008", {"age": "30 to under 75 years"})
    age = OutOfRange("age", 63.0, "30 to under 60 years", True)
    return PublishedScores(
        {
            "age": ScoreInput(63.0, "years", "ecg.age"),
            "total_cholesterol": ScoreInput(5.2, "mmol/L", "row.cholesterol"),
        },
        (
            ScoreRisk("prevent_10", "PREVENT, cardiovascular, 10 years", 10, *prevent, 0.033),
            ScoreRisk("office", "Framingham 2008", 10, *old, 0.0623),
            ScoreRisk("prevent_30", "PREVENT, cardiovascular, 30 years", 30, *prevent, 0.21),
        ),
        (
            ScoreAbsence("score2", "SCORE2", 10, *old, ("risk_region",), ()),
            ScoreAbsence(
                "hf_10", "PREVENT, heart failure, 10 years", 10, *prevent, ("egfr", "risk_region"), ()
            ),
            ScoreAbsence(
                "hf_30", "PREVENT, heart failure, 30 years", 30, *prevent, ("hdl_cholesterol",), (age,)
            ),
        ),
    )


@pytest.fixture
def figures() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    found: dict[str, Any] = {}
    for target in ("NORM", "MI", "STTC", "macro"):
        for view in ("ecg", "row", "ecg+row", "minirocket"):
            value = float(rng.uniform(0.7, 0.9))
            found[f"superclass/{view}/{target}/auc"] = Figure(
                value, value - 0.03, value + 0.03, 95, "test set"
            )
        if target != "macro":
            found[f"superclass/ecg+row/{target}/prevalence"] = Figure(0.15, 0.09, 0.23, 95, "test set")
            found[f"superclass/ecg+row/{target}/ece"] = Figure(0.05, 0.03, 0.09, 95, "test set")
            for side, n in (("absent", 80), ("present", 15)):
                found[f"superclass/ecg+row/{target}/coverage_{side}"] = Figure(0.91, 0.8, 0.97, n, "test set")
            found[f"superclass/ecg+row/{target}/set_size"] = Figure(1.31, 1.2, 1.42, 95, "test set")
    found["superclass/gain/macro/auc"] = Figure(0.012, -0.008, 0.031, 95, "test set").to_json()
    found["superclass/row/CD/auc"] = Figure(np.nan, np.nan, np.nan, 95, "test set").to_json()
    found["tmae/masked_r2/model"] = Figure(0.59, 0.57, 0.61, 200, "test set")
    found["tmae/masked_r2/linear_interpolation"] = Figure(-0.21, -0.3, -0.12, 200, "test set")
    return found


@pytest.fixture
def study(figures: dict[str, Any]) -> StudyReport:
    rng = np.random.default_rng(5)
    labels = rng.integers(-1, 3, 400)
    points = rng.normal(size=(400, 2)) + 4.0 * np.stack([np.cos(labels * 2.1), np.sin(labels * 2.1)], axis=1)
    bins = np.linspace(0.05, 0.95, 8)
    curve = {"predicted": bins.tolist(), "observed": (bins**1.2).tolist(), "n": [40, 20, 9, 7, 5, 5, 4, 5]}
    return StudyReport(
        title="Virtual demo",
        study="demo",
        date="2026-11-22",
        seed=7,
        threads=1,
        durations={"pretrain": 840.0, "fuse": 61.5, "evaluate": 4.2},
        peak_memory=1430.0,
        data=[{"name": "virtual", "n_ecg": 500, "n_patients": 466, "licence": "none needed"}],
        repairs=["1,234 rows with diastolic above systolic pressure: swapped"],
        warnings=["The encoder saw the test patients, unlabelled."],
        verdict="Fusion was not shown to help: gain 0.012, the interval holds zero.",
        figures=figures,
        reliability={"superclass/ecg+row/MI": curve, "superclass/ecg+row/STTC": curve},
        set_sizes={"superclass": {"empty": 0.02, "one": 0.71, "both": 0.27}},
        training={
            "train": [1.0 / (1 + i) for i in range(30)],
            "validation": [1.1 / (1 + 0.8 * i) for i in range(30)],
        },
        phenotypes={
            "points": points.tolist(),
            "labels": labels.tolist(),
            "names": {0: "steep ST", 1: "broad QRS"},
            "words": "2 of 3 clusters survived.",
            "data": "virtual, n = 400",
            "stability": [{"name": "steep ST", "n": 120, "jaccard": 0.81, "survives": True}],
        },
        confounds=[
            {"covariate": "age", "measure": "eta squared", "strength": 0.05, "p_value": 0.2, "n": 380}
        ],
        parameters={"encoder": 420_000, "fusion": 90_000},
        conformal="Per label and class, 90 %.",
        transductive="Transductive: the encoder saw the test patients, unlabelled.",
        limitations=["One hospital."],
    )
