"""The published data sets, on the real files."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.datasets import DATASETS, load_cardio70k, load_code15, load_dataset, load_ptbxl
from cardiofusion.records import DatasetError, RecordingError, patient_folds

pytestmark = pytest.mark.data
FOLDERS = {"heart-failure": "uci-heart"}  # where it is not called like the data set


def test_ptbxl_superclasses_folds_and_rows(data_dir: Path) -> None:
    cohort = load_ptbxl(data_dir / "ptb-xl")
    counts = dict(zip(cohort.tasks[0].labels, cohort.outcomes["superclass"].sum(axis=0), strict=True))
    assert len(cohort) == 500
    assert len(set(cohort.patient_ids.tolist())) == 466
    assert counts == {"NORM": 297, "MI": 73, "STTC": 96, "CD": 78, "HYP": 40}
    assert cohort.table is not None
    missing = dict(zip(cohort.table.schema.names, np.isnan(cohort.table.values).sum(axis=0), strict=True))
    assert missing == {"age": 4, "sex": 0, "height": 341, "weight": 112}
    assert cohort.fold is not None
    for patient in set(cohort.patient_ids.tolist()):
        assert len(set(cohort.fold[cohort.patient_ids == patient].tolist())) == 1


def test_ptbxl_recording_carries_the_rows_age_and_sex(data_dir: Path) -> None:
    cohort = load_ptbxl(data_dir / "ptb-xl")
    recording = cohort.recordings[0].read()
    assert (recording.record_id, recording.patient_id) == ("1", "15709")
    assert (recording.age, recording.sex) == (56.0, "female")
    assert (recording.sampling_rate, recording.signal.shape) == (500.0, (12, 5000))


def _copy_index(source: Path, target: Path, change: dict[str, str]) -> Path:
    """The two index files with some cells of the first row changed, and no recordings."""
    target.mkdir()
    shutil.copy(source / "scp_statements.csv", target)
    with (source / "ptbxl_database.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    rows[0].update(change)
    with (target / "ptbxl_database.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return target


def test_ptbxl_age_300_means_over_89(data_dir: Path, tmp_path: Path) -> None:
    cohort = load_ptbxl(_copy_index(data_dir / "ptb-xl", tmp_path / "p", {"age": "300.0", "weight": "999"}))
    assert cohort.table is not None
    assert cohort.table.values[0, 0] == 90.0
    assert "90" in cohort.table.schema["age"].description
    assert np.isnan(cohort.table.values[0, 3])
    assert cohort.provenance["weight: outside its range"] == "1 of 500 set to missing"


def test_ptbxl_without_500_hz_files_falls_back_and_keeps_missing_recordings(
    data_dir: Path, tmp_path: Path
) -> None:
    folder = _copy_index(data_dir / "ptb-xl", tmp_path / "p", {})
    first = Path("records100/00000")
    (folder / first).mkdir(parents=True)
    for suffix in (".hea", ".dat"):
        shutil.copy(data_dir / "ptb-xl" / first / f"00001_lr{suffix}", folder / first)
    cohort = load_ptbxl(folder)
    assert len(cohort) == 500
    assert cohort.recordings[0].read().sampling_rate == 100.0
    with pytest.raises(RecordingError):
        cohort.recordings[1].read()


@pytest.mark.parametrize("codes", ["__import__('os')", "[1]", "{", "{[]: 1}", "(" * 300, "", "9" * 20_000])
def test_ptbxl_strange_codes_name_the_row(data_dir: Path, tmp_path: Path, codes: str) -> None:
    folder = _copy_index(data_dir / "ptb-xl", tmp_path / "p", {"scp_codes": codes})
    with pytest.raises(DatasetError, match="row 1: scp_codes") as caught:
        load_ptbxl(folder)
    assert caught.value.code == "dataset.cell"


def test_code15_keeps_every_exam(data_dir: Path) -> None:
    cohort = load_code15(data_dir / "code15")
    assert len(cohort) == 510
    assert len(set(cohort.patient_ids.tolist())) == 299 + 201
    assert cohort.tasks == ()
    assert cohort.table is not None
    assert cohort.table.schema.names == ("age", "sex")
    unknown = [i for i, patient in enumerate(cohort.patient_ids) if patient.startswith("exam-")]
    assert len(unknown) == 201
    assert cohort.recordings[unknown[0]].read().patient_id is None
    assert cohort.recordings[0].read().sampling_rate == 400.0


def test_cardio70k_in_the_schemas_units_with_impossible_values_kept(data_dir: Path) -> None:
    cohort = load_cardio70k(data_dir / "cardio70k")
    assert cohort.table is not None
    assert cohort.table.schema.decode(cohort.table.values[0]) == {
        "age": pytest.approx(18393 / 365.25),
        "sex": "male",
        "height": 168.0,
        "weight": 62.0,
        "systolic": 110.0,
        "diastolic": 80.0,
        "cholesterol": "normal",
        "glucose": "normal",
        "smoking": "no",
        "alcohol": "no",
        "active": "yes",
    }
    systolic = cohort.table.values[:, cohort.table.schema.names.index("systolic")]
    assert (systolic.min(), systolic.max()) == (-150.0, 16020.0)
    assert cohort.outcomes["cardio"].mean() == pytest.approx(0.4997)


def test_cardio70k_no_duplicate_stands_on_two_sides(data_dir: Path) -> None:
    cohort = load_cardio70k(data_dir / "cardio70k")
    assert cohort.table is not None
    _, rows = np.unique(cohort.table.values, axis=0, return_inverse=True)
    _, patients = np.unique(cohort.patient_ids, return_inverse=True)
    assert len(np.unique(np.column_stack([rows, patients]), axis=0)) == rows.max() + 1 == patients.max() + 1
    fold = patient_folds(cohort.patient_ids, [1.0] * 5, np.random.default_rng(0))
    assert len(np.unique(np.column_stack([rows, fold]), axis=0)) == rows.max() + 1


@pytest.mark.parametrize("cell", ["", "tall", "4"])
def test_cardio70k_bad_cell_names_row_and_column(tmp_path: Path, cell: str) -> None:
    (tmp_path / "cardio_train.csv").write_text(
        "id;age;gender;height;weight;ap_hi;ap_lo;cholesterol;gluc;smoke;alco;active;cardio\n"
        "0;18393;2;168;62.0;110;80;1;1;0;0;1;0\n"
        f"1;20228;1;156;85.0;140;90;{cell};1;0;0;1;1\n"
    )
    with pytest.raises(DatasetError, match="row 2: cholesterol"):
        load_cardio70k(tmp_path)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("ptb-xl", "ptbxl_database.csv"),
        ("code15", "index.csv"),
        ("cardio70k", "cardio_train.csv"),
        ("nhanes1", "NHANESI_subset_X.csv"),
        ("music", "subject-info.csv"),
        ("uci-heart", "heart_disease_uci_4sites.csv"),
        ("heart-failure", "heart_failure_clinical_records_dataset.csv"),
        ("mimic-iv-demo-meds", "mimic_iv_demo_meds_events.parquet"),
    ],
)
def test_wrong_folder_names_the_file_looked_for(tmp_path: Path, name: str, index: str) -> None:
    with pytest.raises(DatasetError, match=index) as caught:
        load_dataset(name, tmp_path)
    assert caught.value.code == "dataset.index"
    with pytest.raises(DatasetError, match="no folder"):
        load_dataset(name, tmp_path / "absent")


def test_unknown_data_set_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="did you mean 'ptb-xl'"):
        load_dataset("PTBXL", tmp_path)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_provenance_says_where_it_is_from(data_dir: Path, name: str) -> None:
    provenance = load_dataset(name, data_dir / FOLDERS.get(name, name)).provenance
    assert {"name", "version", "licence", "citation", "source", "n", "dates"} <= set(provenance)
    assert all(isinstance(words, str) and words for words in provenance.values())


def test_loads_without_the_training_extra(data_dir: Path) -> None:
    script = (
        "import sys\n"
        "from cardiofusion.datasets import load_dataset\n"
        f"cohort = load_dataset('ptb-xl', {str(data_dir / 'ptb-xl')!r})\n"
        "cohort.recordings[0].read()\n"
        "print(sorted({'torch', 'polars', 'pandas', 'sklearn', 'scipy', 'lightgbm'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
