"""NHANES I: the sign of y, and two codes that look like values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cardiofusion.datasets import load_nhanes1
from cardiofusion.records import Cohort, DatasetError


def column(cohort: Cohort, name: str) -> np.ndarray:
    assert cohort.table is not None
    return cohort.table.values[:, cohort.table.schema.names.index(name)]


def test_the_sign_of_y_says_whether_somebody_died(nhanes1) -> None:
    cohort = nhanes1.load()
    expected = [[15.25, 1], [21.5, 0], [np.nan, np.nan], [0.5, 1], [18, 0], [20.75, 0]]
    np.testing.assert_allclose(cohort.outcomes["mortality"], expected)
    (task,) = cohort.tasks
    assert (task.kind, task.targets, task.horizon) == ("survival", ("death",), 10.0)
    assert "2 events, 3 censored, 1 not known" in cohort.provenance["mortality"]


def test_codes_that_look_like_values(nhanes1) -> None:
    cells = ["45.0", "77.7", "88.80000000000001", "52.3", "45", "45"]
    for row, red, poverty in zip(nhanes1.rows, cells, ["999.0", "998.0", *"2222"], strict=True):
        row |= {"Red blood cells": red, "Poverty index": poverty}
    cohort = nhanes1.load()
    np.testing.assert_allclose(column(cohort, "red_blood_cells")[:4], [4.5, np.nan, np.nan, 5.23])
    np.testing.assert_allclose(column(cohort, "poverty_index")[:2], [np.nan, 998.0])
    assert cohort.provenance["red_blood_cells: 77.7 or 88.8 means not known"] == "2 of 6"


def test_both_files_must_list_the_same_people(nhanes1) -> None:
    nhanes1.files["NHANESI_subset_y.csv"].pop()
    with pytest.raises(DatasetError, match="do not list the same rows"):
        nhanes1.load()


def test_a_person_twice(nhanes1) -> None:
    for rows in nhanes1.files.values():
        rows[1][""] = rows[0][""]
    with pytest.raises(DatasetError, match="twice"):
        nhanes1.load()


@pytest.mark.parametrize(
    ("cell", "words"), [("", "row 3: y is missing"), ("alive", "row 3: y cannot be 'alive'")]
)
def test_a_y_that_says_nothing(nhanes1, cell: str, words: str) -> None:
    nhanes1.files["NHANESI_subset_y.csv"][2]["y"] = cell
    with pytest.raises(DatasetError, match=words):
        nhanes1.load()


def test_without_the_second_file(nhanes1) -> None:
    nhanes1.write()
    (nhanes1.folder / "NHANESI_subset_y.csv").unlink()
    with pytest.raises(DatasetError, match=r"no NHANESI_subset_y\.csv") as caught:
        load_nhanes1(nhanes1.folder)
    assert caught.value.code == "dataset.index"


@pytest.mark.data
def test_the_real_people(data_dir: Path) -> None:
    cohort = load_nhanes1(data_dir / "nhanes1")
    assert cohort.table is not None
    assert cohort.table.values.shape == (9932, 18)
    years, event = cohort.outcomes["mortality"].T
    assert ((event == 1).sum(), (event == 0).sum(), np.isnan(event).sum()) == (3473, 6077, 382)
    assert 22 < np.nanmax(years) < 22.1
    assert ((event == 1) & (years <= 10)).sum() == 1503
    missing = dict(zip(cohort.table.schema.names, np.isnan(cohort.table.values).sum(axis=0), strict=True))
    assert {name: n for name, n in missing.items() if n} == {
        "diastolic": 58,
        "poverty_index": 390,
        "red_blood_cells": 2313,
        "sedimentation_rate": 826,
        "systolic": 57,
        "white_blood_cells": 1041,
        "pulse_pressure": 59,
    }
    assert not any("range" in note for note in cohort.provenance)
    assert np.nanmedian(column(cohort, "red_blood_cells")) == pytest.approx(4.71, abs=0.01)
    red, sex = column(cohort, "red_blood_cells"), column(cohort, "sex")
    assert np.nanmedian(red[sex == 1]) - np.nanmedian(red[sex == 0]) == pytest.approx(0.46, abs=0.05)
    assert np.bincount(sex.astype(int)).tolist() == [6031, 3901]


@pytest.mark.data
def test_the_derived_columns_follow_from_the_others(data_dir: Path) -> None:
    cohort = load_nhanes1(data_dir / "nhanes1")
    pulse = column(cohort, "systolic") - column(cohort, "diastolic")
    np.testing.assert_allclose(column(cohort, "pulse_pressure"), pulse, atol=1e-9)
    saturation = 100 * column(cohort, "iron") / column(cohort, "iron_binding_capacity")
    np.testing.assert_allclose(column(cohort, "transferrin_saturation"), saturation, atol=0.051)
