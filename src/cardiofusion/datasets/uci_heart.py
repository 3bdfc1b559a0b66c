"""UCI Heart Disease: 920 patients sent for coronary angiography in four hospitals, 1981 to 1988.

The table in which the four hospitals' files stand together (as on Kaggle and OpenML), one row a patient.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.recordings import read_index
from cardiofusion.datasets.sources import (
    Source,
    category,
    codes_only,
    encode_sources,
    number,
    numbers,
    yes_no,
)
from cardiofusion.datasets.table import Table
from cardiofusion.records import Cohort, DatasetError, Task, merge_duplicates

INDEX = "heart_disease_uci_4sites.csv"
HOSPITALS = ("Cleveland", "Hungary", "Switzerland", "VA Long Beach")
_HINT = "give the folder with the table of all four hospitals, ',' between the cells"
_STRAY = ("304", "28", "Cleveland")  # id, age and wrong hospital of the first patient of Hungary's own file

SOURCES = (
    Source("age", number("age", "years", 18, 100, missing=False)),
    Source("Gender", category("sex", {"Female": "female", "Male": "male"}, missing=False)),
    Source(
        "cp",
        category(
            "chest_pain",
            {
                "typical angina": "typical angina",
                "atypical angina": "atypical angina",
                "non-anginal": "non-anginal",
                "asymptomatic": "none",
            },
            missing=False,
        ),
    ),
    Source("trestbps", number("systolic", "mmHg", 60, 260, "at rest, on admission"), unknown=(0.0,)),
    Source("chol", number("cholesterol", "mg/dL", 50, 800, "serum, total"), unknown=(0.0,)),
    Source("fbs", yes_no("fasting_glucose_over_120", "mg/dL of blood", missing=True)),
    Source(
        "restecg",
        category(
            "resting_ecg",
            {
                "normal": "normal",
                "st-t abnormality": "ST-T abnormality",
                "lv hypertrophy": "left ventricular hypertrophy",
            },
        ),
    ),
    Source("thalch", number("peak_heart_rate", "bpm", 50, 230, "in the exercise test")),
    Source("exang", yes_no("exercise_angina", missing=True)),
    Source("oldpeak", number("st_depression", "mm", -4, 10, "by exercise, against rest; below 0: elevation")),
    Source(
        "slope",
        category(
            "st_slope",
            {name: name for name in ("upsloping", "flat", "downsloping")},
            "of the peak exercise ST segment",
            ordered=True,
        ),
    ),
    Source("ca", number("calcified_vessels", "", 0, 3, "major vessels seen in fluoroscopy, of 3")),
    Source(
        "thal",
        category(
            "thallium",
            {"normal": "normal", "fixed defect": "fixed defect", "reversable defect": "reversible defect"},
            "scintigraphy",
        ),
    ),
)
DISEASE = Task(
    "disease",
    ("no coronary disease", "coronary disease"),
    "binary",
    modalities=("row",),
    question="Does angiography find a coronary artery narrowed by more than half?",
)


def load_uci_heart(folder: Path | str) -> Cohort:
    """The 920 patients with the binary task `disease` (num above 0).

    fold: the hospital, its place in HOSPITALS from 1 on, so that a study can learn in three and test in the
    fourth. A cholesterol or blood pressure of 0 means not measured. What is missing names the hospital (`ca`
    and `thal` outside Cleveland, cholesterol in Switzerland), and the hospitals differ in prevalence (36 to
    93 %): a model that sees gaps can tell them apart. Two pairs of rows are equal in everything: each shares
    one patient id. Row 304 is Hungary's, though the table says Cleveland (its own file has 303 patients).

    Raises DatasetError where the file is missing or a cell cannot be read.
    """
    index = read_index(Path(folder), INDEX, _HINT)
    hospital = _hospitals(index)
    table, notes = encode_sources(index, SOURCES, _HINT)
    outcome = _disease(index)
    features = [f"{row.tobytes().hex()} {site}" for row, site in zip(table.values, hospital, strict=True)]
    patients = merge_duplicates(np.array(index["id"]), features)
    return Cohort(
        name="uci-heart",
        patient_ids=patients,
        table=table,
        tasks=(DISEASE,),
        outcomes={DISEASE.name: outcome},
        fold=hospital,
        provenance={
            "name": "UCI Heart Disease, four hospitals",
            "version": "1988, the processed files in one table",
            "licence": "CC BY 4.0",
            "citation": "Janosi, Steinbrunn, Pfisterer, Detrano. Heart Disease. UCI Machine Learning "
            "Repository (1989)",
            "source": "UCI Machine Learning Repository, doi:10.24432/C52P4X",
            "n": f"{len(index)} rows of {len(set(patients.tolist()))} patients",
            "dates": "1981 to 1988",
            "fold": ", ".join(
                f"{site} {name} ({int((hospital == site).sum())})"
                for site, name in enumerate(HOSPITALS, start=1)
            ),
            "disease": f"{int(outcome.sum())} of {len(index)}",
            "selection": "everyone was sent for angiography",
            **notes,
        },
    )


def _hospitals(index: Table) -> NDArray[np.int64]:
    rows = zip(index["id"], index["age"], index["dataset"], strict=True)
    names = ["Hungary" if row == _STRAY else row[2].strip() for row in rows]
    strange = next((row for row, name in enumerate(names) if name not in HOSPITALS), None)
    if strange is not None:
        raise DatasetError(
            "dataset.cell",
            f"{INDEX}, row {strange + 1}: dataset cannot be {names[strange]!r}",
            f"one of: {', '.join(HOSPITALS)}",
        )
    return np.array([HOSPITALS.index(name) + 1 for name in names], dtype=np.int64)


def _disease(index: Table) -> NDArray[np.float32]:
    grade = numbers(index, "num", _HINT)
    codes_only(grade, (0, 1, 2, 3, 4), f"num in {INDEX}", _HINT)
    return (grade > 0).astype(np.float32)[:, None]
