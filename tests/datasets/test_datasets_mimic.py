"""MIMIC-IV demo: what comes after the first 24 hours changes nothing, and the label is of that stay."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.datasets import load_mimic_demo
from cardiofusion.datasets.mimic import EVENTS, MEASURED
from cardiofusion.records import Cohort, DatasetError

polars = pytest.importorskip("polars")

Event = tuple[int, datetime | None, str, float | None]
ICU = datetime(2150, 6, 1, 22, 30)
HEART_RATE, SYSTOLIC, CUFF = "LAB//220045//bpm", "LAB//220050//mmHg", "LAB//220179//mmHg"
CELSIUS, FAHRENHEIT = "LAB//223762//°C", "LAB//223761//°F"
TYPES = {
    "subject_id": polars.Int64,
    "time": polars.Datetime("us"),
    "code": polars.String,
    "table": polars.String,
    "value": polars.Float32,
}


def at(hours: float) -> datetime:
    return ICU + timedelta(hours=hours)


def patient(subject: int, sex: str, left: float, how: str) -> list[Event]:
    return [
        (subject, None, f"GENDER//{sex}", None),
        (subject, datetime(2090, 1, 1), "MEDS_BIRTH", None),
        (subject, at(-3), "HOSPITAL_ADMISSION//EW EMER.//EMERGENCY ROOM", None),
        (subject, at(0), "ICU_ADMISSION//Coronary Care Unit (CCU)", None),
        (subject, at(1), HEART_RATE, 70.0 + subject),
        (subject, at(2), HEART_RATE, 90.0 + subject),
        (subject, at(left), f"HOSPITAL_DISCHARGE//{how}", None),
    ]


EVERYBODY = patient(1, "F", 100, "HOME") + patient(2, "M", 90, "DIED") + patient(3, "M", 10, "DIED")


def write(folder: Path, events: list[Event]) -> None:
    rows = [(subject, time, code, "condition", value) for subject, time, code, value in events]
    polars.DataFrame(rows, schema=TYPES, orient="row").write_parquet(folder / EVENTS)


def load(folder: Path, events: list[Event]) -> Cohort:
    write(folder, events)
    return load_mimic_demo(folder)


def row(cohort: Cohort, position: int = 0) -> dict[str, Any]:
    assert cohort.table is not None
    found = cohort.table.schema.decode(cohort.table.values[position])
    return {name: value for name, value in found.items() if value is not None}


def same(a: Cohort, b: Cohort) -> bool:
    assert a.table is not None
    assert b.table is not None
    return (
        a.patient_ids.tolist() == b.patient_ids.tolist()
        and np.array_equal(a.table.values, b.table.values, equal_nan=True)
        and np.array_equal(a.outcomes["death_in_hospital"], b.outcomes["death_in_hospital"], equal_nan=True)
    )


def test_a_row_and_a_label_for_each_patient(tmp_path: Path) -> None:
    cohort = load(tmp_path, EVERYBODY)
    assert cohort.patient_ids.tolist() == ["1", "2", "3"]
    assert row(cohort) == {"age": 60.0, "sex": "female", "heart_rate": 81.0}
    np.testing.assert_array_equal(cohort.outcomes["death_in_hospital"][:, 0], [0, 1, np.nan])
    assert cohort.provenance["death_in_hospital"] == "1 of 2; 1 left within 24 hours, not known"


def test_nothing_after_24_hours_enters(tmp_path: Path) -> None:
    before = load(tmp_path, EVERYBODY)
    later: list[Event] = [
        (subject, at(hours), code, 3.0)
        for subject in (1, 2)
        for hours in (24, 24.01, 30, 400)
        for item in MEASURED
        for code in item.scales()
    ]
    told: list[Event] = [
        (2, at(95), "MEDS_DEATH", None),
        (2, at(90), "DIAGNOSIS//ICD//10//I469", None),
        (2, at(90), "DRG//HCFA//283", None),
        (1, at(500), "ICU_ADMISSION//Coronary Care Unit (CCU)", None),
        (1, at(600), "HOSPITAL_DISCHARGE//DIED", None),
    ]
    assert same(before, load(tmp_path, EVERYBODY + later + told))


def test_nothing_from_before_intensive_care_enters(tmp_path: Path) -> None:
    before = load(tmp_path, EVERYBODY)
    assert same(before, load(tmp_path, [*EVERYBODY, (1, at(-0.1), HEART_RATE, 200.0)]))
    cohort = load(tmp_path, [*EVERYBODY, (1, at(0), HEART_RATE, 200.0)])
    assert row(cohort)["heart_rate"] == 91.0


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("mimic")
    shuffled = EVERYBODY.copy()
    chance.shuffle(shuffled)
    assert same(load(folder, EVERYBODY), load(folder, shuffled))


def test_two_codes_of_one_quantity_and_two_units(tmp_path: Path) -> None:
    more: list[Event] = [
        (1, at(1), SYSTOLIC, 100.0),
        (1, at(2), CUFF, 120.0),
        (1, at(3), FAHRENHEIT, 98.6),
        (2, at(3), CELSIUS, 38.0),
    ]
    cohort = load(tmp_path, EVERYBODY + more)
    assert row(cohort)["systolic"] == 110.0
    assert row(cohort)["temperature"] == pytest.approx(37.0, abs=0.01)
    assert row(cohort, 1)["temperature"] == 38.0


def test_an_impossible_measurement_is_left_out_and_counted(tmp_path: Path) -> None:
    cohort = load(tmp_path, [*EVERYBODY, (1, at(1), HEART_RATE, 9999.0), (1, at(1), HEART_RATE, None)])
    assert row(cohort)["heart_rate"] == 81.0
    assert cohort.provenance["heart_rate: outside its range"] == "1 measurements left out"


def test_gaps_are_declared_where_there_are_some(tmp_path: Path) -> None:
    events = [
        event for event in EVERYBODY if event[:1] + event[2:3] not in {(2, "MEDS_BIRTH"), (3, "GENDER//M")}
    ]
    cohort = load(tmp_path, events)
    assert cohort.table is not None
    schema = cohort.table.schema
    assert {name: schema[name].may_be_missing for name in ("age", "sex", "heart_rate", "ph")} == {
        "age": True,
        "sex": True,
        "heart_rate": False,
        "ph": True,
    }


def test_who_never_was_in_intensive_care_is_no_row(tmp_path: Path) -> None:
    other = [event for event in patient(0, "F", 50, "DIED") if not event[2].startswith("ICU")]
    assert load(tmp_path, other + EVERYBODY).patient_ids.tolist() == ["1", "2", "3"]
    with pytest.raises(DatasetError, match="no stay in intensive care"):
        load(tmp_path, other)


@pytest.mark.parametrize(
    "content", [b"", b"subject_id,time\n1,2\n", b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1"]
)
def test_a_file_that_is_no_parquet(tmp_path: Path, content: bytes) -> None:
    (tmp_path / EVENTS).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        load_mimic_demo(tmp_path)
    assert caught.value.code == "dataset.format"
    assert "Parquet" in caught.value.message


@pytest.mark.parametrize(
    "frame",
    [
        {"subject_id": [1], "time": [ICU], "code": ["MEDS_BIRTH"]},
        {"subject_id": ["one"], "time": [ICU], "code": ["MEDS_BIRTH"], "value": [1.0]},
        {"subject_id": [1], "time": ["noon"], "code": ["MEDS_BIRTH"], "value": [1.0]},
        {"subject_id": [1], "time": [ICU], "code": ["MEDS_BIRTH"], "value": ["high"]},
    ],
)
def test_another_table(tmp_path: Path, frame: dict[str, list[Any]]) -> None:
    polars.DataFrame(frame).write_parquet(tmp_path / EVENTS)
    with pytest.raises(DatasetError) as caught:
        load_mimic_demo(tmp_path)
    assert caught.value.code == "dataset.column"
    assert "subject_id" in caught.value.hint


def test_none_of_the_events(tmp_path: Path) -> None:
    for events in ([], [(1, ICU, "LAB//1//UNK", 1.0)]):
        with pytest.raises(DatasetError) as caught:
            load(tmp_path, events)
        assert caught.value.code == "dataset.empty"


@pytest.mark.data
def test_the_real_demo(data_dir: Path) -> None:
    cohort = load_mimic_demo(data_dir / "mimic-iv-demo-meds")
    assert cohort.table is not None
    died = cohort.outcomes["death_in_hospital"][:, 0]
    assert (len(cohort), int(np.nansum(died)), int(np.isnan(died).sum())) == (100, 10, 2)
    names = cohort.table.schema.names
    median = dict(zip(names, np.nanmedian(cohort.table.values, axis=0), strict=True))
    assert 60 < median["age"] < 67
    assert 80 < median["heart_rate"] < 95
    assert 36.5 < median["temperature"] < 37.2
    assert 7.3 < median["ph"] < 7.45
    missing = dict(zip(names, np.isnan(cohort.table.values).sum(axis=0).tolist(), strict=True))
    assert (missing["heart_rate"], missing["creatinine"], missing["lactate"]) == (0, 1, 38)
    assert {name for name, n in missing.items() if n == 0} == {
        column.name for column in cohort.table.schema if not column.may_be_missing
    }
