"""Virtual patients for the first worklist: what each kind of answer looks like, before any real patient.

Made by the generator at the first start, marked as examples, deleted like any other case. Nobody's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from cardiofusion.records import LEADS, Recording, Sex
from cardiofusion.serve.store import Preference, Store
from cardiofusion.simulate import draw_causes, render
from cardiofusion.writers import write_recording

RATE = 500.0
SHOWN = "examples"  # the preference that says they have been shown once


@dataclass(frozen=True)
class Example:
    """seed: of this heart. findings: flags of the generator. suffix: of its file. loose: electrodes off."""

    patient: str
    seed: int
    time: datetime
    age: float
    sex: Sex
    findings: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)
    suffix: str = ".dcm"
    loose: bool = False


EXAMPLES = (
    Example("EXAMPLE-7", 7, datetime(2026, 3, 2, 8, 5), 9, "female"),
    Example("EXAMPLE-6", 6, datetime(2026, 3, 2, 9, 40), 71, "male", loose=True, suffix=".edf"),
    Example("EXAMPLE-5", 5, datetime(2026, 3, 3, 10, 15), 44, "female", row={"age": 61, "sex": "male"}),
    Example("EXAMPLE-4", 4, datetime(2026, 3, 3, 11, 30), 77, "male", ("afib",), suffix=".xml"),
    Example("EXAMPLE-3", 3, datetime(2024, 11, 18, 9, 0), 64, "male", (), {"age": 64, "sex": "male"}),
    Example("EXAMPLE-3", 3, datetime(2026, 3, 4, 9, 20), 66, "male", ("lbbb",), {"age": 66, "sex": "male"}),
    Example(
        "EXAMPLE-1", 1, datetime(2026, 3, 5, 8, 45), 58, "female", ("infarct_inferior",),
        {"age": 58, "sex": "female", "height": 164, "weight": 71, "systolic": 148, "diastolic": 88},
    ),
)  # fmt: skip
ROW_ONLY = ("EXAMPLE-2", {"patient_id": "EXAMPLE-2",
    "age": 69, "sex": "male", "systolic": 162, "diastolic": 90, "bmi": 29.4,
    "cholesterol": 248, "albumin": 4.1, "sedimentation_rate": 22, "smoking": "yes", "diabetes": "no",
    "total_cholesterol": "248mg/dL", "hdl_cholesterol": "41mg/dL", "pressure_treatment": "yes",
    "risk_region": "moderate"})  # fmt: skip


def add_examples(store: Store) -> list[str]:
    """Accept the examples where they were never shown; their cases' ids, the first of the worklist last."""
    with store.begin() as connection:
        if connection.get(Preference, SHOWN) is not None:
            return []
        connection.add(Preference(name=SHOWN, value=True))
    patient, row = ROW_ONLY
    cases = [store.accept({}, row, source="example", patient=patient)]
    return cases + [
        store.accept(_files(example), example.row, source="example", patient=example.patient)
        for example in EXAMPLES
    ]


def _files(example: Example) -> dict[str, bytes]:
    """The example's ECG as a file of its format."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / f"{example.patient.lower()}-{example.time:%Y-%m-%d}{example.suffix}"
        write_recording(_recording(example), place)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _recording(example: Example) -> Recording:
    rng = np.random.default_rng(example.seed)
    age, sex = np.array([example.age]), np.array([float(example.sex == "male")])
    causes = draw_causes(1, rng, np.maximum(age, 18.0), sex, example.findings)
    signal = render(causes, rng, RATE)[0]
    if example.loose:
        signal[:, 300:] = 0.0
    recording = Recording(signal, RATE, LEADS, record_id=example.patient, patient_id=example.patient)
    return replace(recording, age=example.age, sex=example.sex, time=example.time)
