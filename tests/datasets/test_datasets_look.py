"""A look at a table guesses what a person would."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardiofusion.datasets import look
from cardiofusion.records import DatasetError


def _table(folder: Path) -> Path:
    rows = ["patient_id,age,sex,visit,file,death,nyha,comment"]
    for i in range(30):
        sex, death = ("F", "M")[i % 2], "" if i == 0 else ("0", "1")[i % 2]
        comment = f"remark {i}, in some words"
        rows.append(
            f'p{i // 2:03},{40 + i},{sex},2020-01-{i % 28 + 1:02},e{i}.hea,{death},{i % 4},"{comment}"'
        )
    (folder / "t.csv").write_text("\n".join(rows))
    (folder / "ecg").mkdir()
    for i in range(30):
        (folder / "ecg" / f"e{i}.hea").touch()
    return folder / "t.csv"


def test_kinds_ranges_and_guesses(tmp_path: Path) -> None:
    seen = look(_table(tmp_path), tmp_path / "ecg")
    kinds = {column.name: column.kind for column in seen.columns}
    assert kinds == {
        "patient_id": "id",
        "age": "number",
        "sex": "category",
        "visit": "date",
        "file": "id",
        "death": "category",
        "nyha": "category",
        "comment": "text",
    }
    assert (seen.patient, seen.ecg, seen.outcomes, seen.rows) == ("patient_id", "file", ("death",), 30)
    columns = {column.name: column for column in seen.columns}
    assert (columns["age"].low, columns["age"].high) == (40.0, 69.0)
    assert columns["death"].missing == pytest.approx(1 / 30)
    assert set(columns["sex"].categories) == {"F", "M"}


def test_no_ecg_column_without_a_folder_or_its_files(tmp_path: Path) -> None:
    table = _table(tmp_path)
    assert look(table).ecg is None
    assert look(table, tmp_path).ecg is None


def test_a_missing_table_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no table 't\.csv'"):
        look(tmp_path / "t.csv")


@pytest.mark.data
def test_real_tables(data_dir: Path) -> None:
    code15 = look(data_dir / "code15" / "index.csv", data_dir / "code15" / "records")
    assert (code15.patient, code15.ecg) == ("patient_id", "exam_id")
    assert "chagas" in code15.outcomes
    assert "sex" not in code15.outcomes
    music = look(data_dir / "music" / "subject-info.csv")
    assert (music.rows, len(music.columns), music.patient) == (695, 103, "Patient ID")
    heart = look(data_dir / "uci-heart" / "heart_failure_clinical_records_dataset.csv")
    assert "DEATH_EVENT" in heart.outcomes
