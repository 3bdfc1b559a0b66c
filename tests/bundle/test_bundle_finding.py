"""The bundles of the package: there, verified, named, and without a patient."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardiofusion.bundle import SHIPPED, find_bundle, shipped_folder
from cardiofusion.records import BundleError
from cardiofusion.runtime import System

MIB = 2**20


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_bundle_is_small_verified_and_says_whose_data_it_learnt_from(name: str) -> None:
    bundle = find_bundle(name)
    manifest = bundle.manifest
    assert manifest.name == name
    assert sum(entry.bytes for entry in manifest.files.values()) < 8 * MIB
    assert manifest.total_parameters < 600_000
    assert all(
        data.licence or data.use.startswith("ECGs with known causes") for data in manifest.training_data
    )
    assert all(task.question for task in manifest.tasks)


def test_reference_answers_where_none_is_named() -> None:
    assert find_bundle().hash == find_bundle("reference").hash
    tasks = {task.name: task for task in find_bundle().manifest.tasks}
    assert set(tasks) == {"ecg-findings", "mortality"}
    assert tasks["ecg-findings"].alignment == "matched"
    assert tasks["mortality"].horizon == 10.0


def test_reference_holds_openly_licensed_data_only() -> None:
    for data in find_bundle().manifest.training_data:
        assert data.licence.startswith(("CC BY", "public domain")) or data.source == "our generator"


def test_original_is_marked_as_an_experiment() -> None:
    system = System.load("original")
    (task,) = system.manifest.tasks
    assert (task.name, task.alignment) == ("cvd", "covariate")
    (data,) = [data for data in system.manifest.training_data if data.use == "cohort"]
    assert "not stated" in data.licence or "unknown" in data.licence
    answer = system.assess(row={"age": 55, "sex": "male", "systolic": 150, "diastolic": 90})
    assert answer.tasks["cvd"].modalities == ("row",)
    assert any("proxy alignment" in line and "found one of" in line for line in answer.warnings)


def test_each_task_of_reference_looks_at_its_own_columns() -> None:
    system = System.load()
    both = system.assess(row={"age": 60, "sex": "male", "albumin": 4.1})
    assert set(both.tasks) == {"ecg-findings", "mortality"}
    one = system.assess(row={"height": 170, "weight": 80})
    assert set(one.tasks) == {"ecg-findings"}
    assert not any(name.startswith("row.albumin") for name in one.missing)


def test_older_people_are_at_higher_risk() -> None:
    system = System.load()
    risk = [
        system.assess(row={"age": age, "sex": "male"}, explain=False).tasks["mortality"].probability["death"]
        for age in (35, 50, 65, 74)
    ]
    assert risk == sorted(risk)
    assert risk[0] < 0.05 < 0.2 < risk[-1]


def test_an_age_beyond_one_task_s_patients_is_said_of_that_task() -> None:
    warnings = System.load().assess(row={"age": 84, "sex": "female"}, explain=False).warnings
    assert any(line.startswith("mortality: Age 84") for line in warnings)


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        shipped_folder("best")
    assert caught.value.code == "bundle.shipped"
    with pytest.raises(BundleError):
        find_bundle(tmp_path / "reference")


def test_a_folder_goes_before_a_shipped_bundle_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reference").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError):
        find_bundle("reference")
