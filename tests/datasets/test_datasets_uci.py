"""UCI: zeros that mean not measured, duplicates, spoilt cells, filled gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cardiofusion.datasets import load_heart_failure, load_uci_heart
from cardiofusion.datasets.table import read_table
from cardiofusion.datasets.uci_heart import HOSPITALS
from cardiofusion.records import Cohort, DatasetError, patient_folds


def column(cohort: Cohort, name: str) -> np.ndarray:
    assert cohort.table is not None
    return cohort.table.values[:, cohort.table.schema.names.index(name)]


def test_disease_is_any_grade_and_the_fold_is_the_hospital(uci) -> None:
    cohort = uci.load()
    np.testing.assert_array_equal(cohort.outcomes["disease"][:, 0], [0, 1, 1, 1, 1, 0])
    assert cohort.fold is not None
    assert cohort.fold.tolist() == [1, 2, 3, 4, 1, 2]
    assert (
        cohort.provenance["fold"] == "1 Cleveland (2), 2 Hungary (2), 3 Switzerland (1), 4 VA Long Beach (1)"
    )


def test_a_zero_means_not_measured(uci) -> None:
    uci.rows[0] |= {"chol": "0", "trestbps": "0.0", "oldpeak": "0", "ca": "0"}
    cohort = uci.load()
    assert np.isnan([column(cohort, "cholesterol")[0], column(cohort, "systolic")[0]]).all()
    assert (column(cohort, "st_depression")[0], column(cohort, "calcified_vessels")[0]) == (0, 0)
    assert cohort.provenance["cholesterol: 0 means not known"] == "1 of 6"


def test_equal_rows_of_one_hospital_are_one_patient(uci) -> None:
    first = uci.rows[0]
    uci.rows[4] = first | {"id": "5", "num": "3"}
    uci.rows[1] = first | {"id": "2", "dataset": "Hungary"}
    patients = uci.load().patient_ids
    assert patients[0] == patients[4]
    assert len(set(patients.tolist())) == 5


def test_the_stray_patient_goes_home(uci) -> None:
    uci.rows[0] |= {"id": "304", "age": "28", "dataset": "Cleveland"}
    uci.rows[4] |= {"id": "305", "age": "28", "dataset": "Cleveland"}
    fold = uci.load().fold
    assert (fold[0], fold[4]) == (2, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset": "Zurich"}, "row 1: dataset cannot be 'Zurich'"),
        ({"num": "5"}, "row 1: the outcome cannot be 5"),
        ({"num": ""}, "row 1: the outcome is missing"),
        ({"chol": "high"}, "row 1: chol cannot be 'high'"),
        ({"cp": ""}, "row 1: chest_pain is missing"),
        ({"thal": "odd"}, "row 1: thal cannot be 'odd'"),
    ],
)
def test_a_cell_that_makes_no_sense(uci, change: dict[str, str], words: str) -> None:
    uci.rows[0] |= change
    with pytest.raises(DatasetError, match=words):
        uci.load()


@pytest.mark.data
def test_the_real_hospitals(data_dir: Path) -> None:
    cohort = load_uci_heart(data_dir / "uci-heart")
    assert cohort.fold is not None
    disease, chol = cohort.outcomes["disease"][:, 0], column(cohort, "cholesterol")
    by_hospital = {
        name: (int((cohort.fold == n).sum()), int(disease[cohort.fold == n].sum()))
        for n, name in enumerate(HOSPITALS, start=1)
    }
    assert by_hospital == {
        "Cleveland": (303, 139),
        "Hungary": (294, 106),
        "Switzerland": (123, 115),
        "VA Long Beach": (200, 149),
    }
    assert cohort.provenance["cholesterol: 0 means not known"] == "172 of 920"
    assert np.isnan(chol[cohort.fold == 3]).all()
    assert np.isnan(chol).sum() == 202
    assert np.nanmedian(chol) == 239.5
    outside = cohort.fold != 1
    assert np.isnan(column(cohort, "calcified_vessels")[outside]).mean() > 0.97
    assert np.isnan(column(cohort, "thallium")[outside]).mean() > 0.75
    assert len(set(cohort.patient_ids.tolist())) == 918


@pytest.mark.data
def test_clevelands_own_file_says_the_same(data_dir: Path) -> None:
    cohort = load_uci_heart(data_dir / "uci-heart")
    assert cohort.fold is not None
    own = read_table(data_dir / "uci-heart" / "processed.cleveland.data")
    here = cohort.fold == 1
    for heading, name in (("Age", "age"), ("chol", "cholesterol"), ("thalach", "peak_heart_rate")):
        np.testing.assert_allclose(column(cohort, name)[here], np.array(own[heading], dtype=float))
    assert (cohort.outcomes["disease"][here, 0] == [n != "0" for n in own["num"]]).all()


def test_time_belongs_to_the_outcome(failure) -> None:
    cohort = failure.load()
    assert cohort.table is not None
    assert "time" not in cohort.table.schema.names
    expected = [[(4 + 40 * n) / 365.25, n % 2] for n in range(6)]
    np.testing.assert_allclose(cohort.outcomes["death"], expected, rtol=1e-6)


def test_filled_gaps_are_gaps_again(failure) -> None:
    failure.rows[0] |= {"platelets": "263358.03", "creatinine_phosphokinase": "582"}
    cohort = failure.load()
    assert np.isnan([column(cohort, "platelets")[0], column(cohort, "creatine_kinase")[0]]).all()


def test_a_few_spoilt_cells_are_counted_and_many_refused(failure) -> None:
    failure.files[failure.main.name] = [dict(failure.rows[n % 6]) for n in range(40)]
    failure.rows[0] |= {"platelets": "196000++++", "anaemia": "no_%"}
    failure.rows[1] |= {"time": "text197yes", "anaemia": "no "}
    cohort = failure.load()
    assert cohort.provenance["platelets: not readable"] == "1 of 40 set to missing"
    assert np.isnan(column(cohort, "platelets")[0])
    assert np.isnan(cohort.outcomes["death"][1]).all()
    assert not np.isnan(column(cohort, "anaemia")[1])
    for row in failure.rows[:3]:
        row["platelets"] = "many"
    with pytest.raises(DatasetError, match="row 1: platelets cannot be 'many'"):
        failure.load()


def test_whether_somebody_died_must_be_said(failure) -> None:
    failure.rows[2]["DEATH_EVENT"] = ""
    with pytest.raises(DatasetError, match="row 3: the outcome is missing"):
        failure.load()


@pytest.mark.data
def test_the_real_patients_with_heart_failure(data_dir: Path) -> None:
    cohort = load_heart_failure(data_dir / "uci-heart")
    years, died = cohort.outcomes["death"].T
    assert ((died == 1).sum(), (died == 0).sum(), np.isnan(died).sum()) == (96, 201, 2)
    assert np.nanmax(years) < 0.79
    names = ("creatine_kinase", "platelets", "lvef", "creatinine", "age")
    assert [int(np.isnan(column(cohort, name)).sum()) for name in names] == [51, 35, 2, 0, 2]
    assert not np.isin(column(cohort, "platelets"), 263358.03).any()
    assert np.nanmedian(column(cohort, "lvef")) == 38


@pytest.mark.data
def test_real_duplicates_stay_on_one_side(data_dir: Path) -> None:
    cohort = load_uci_heart(data_dir / "uci-heart")
    fold = patient_folds(cohort.patient_ids, [1.0] * 5, np.random.default_rng(0), cohort.outcomes["disease"])
    for patient in set(cohort.patient_ids.tolist()):
        assert len(set(fold[cohort.patient_ids == patient].tolist())) == 1
