"""`study new` writes a study file that parses, loads, and marks what a person must check."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiofusion.datasets import load_folder
from cardiofusion.records import DatasetError, StudyError
from cardiofusion.study.file import Study, parse_study
from cardiofusion.study.new import CHECK, new_study

ROWS = 60


def write(path: Path, columns: dict[str, list[object]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def clinic(**more: list[object]) -> dict[str, list[object]]:
    rng = np.random.default_rng(3)
    ages = [int(age) for age in rng.integers(40, 90, ROWS)]
    return {
        "Patient ID": [f"P{i // 2:03d}" for i in range(ROWS)],
        "Age at visit": [*ages[:-1], ""],
        "Gender": [("F", "M")[i % 2] for i in range(ROWS)],
        "SBP (mmHg)": [*rng.integers(100, 180, ROWS - 1).tolist(), 16020],
        "troponin": [round(float(x), 2) for x in rng.uniform(0, 40, ROWS)],
        "nyha": [1 + i % 3 for i in range(ROWS)],
        "smoker": [i % 2 for i in range(ROWS)],
        "admitted": [f"2020-01-{1 + i % 28:02d}" for i in range(ROWS)],
        "remarks": [f"some free words, number {i}" for i in range(ROWS)],
        "followup_days": [int(x) for x in rng.integers(1, 900, ROWS)],
        "site": ["Mainz" for _ in range(ROWS)],
        "death_1y": [int(i % 5 == 0) for i in range(ROWS)],
        **more,
    }


def complaint(text: str, folder: Path) -> str | None:
    try:
        parse_study(text, folder / "s.toml")
    except StudyError as error:
        return error.code
    return None


def section(text: str, name: str) -> str:
    return re.split(r"\n\[", text.split(f"\n[{name}]")[1])[0]


def test_a_complete_look_parses_and_loads_straight_away(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    table = write(tmp_path / "my clinic.csv", clinic(), ";")
    text = new_study(table, None, tmp_path / "studies" / "s.toml")
    study = parse_study(text, tmp_path / "studies" / "s.toml")
    assert (study.name, study.data.patient, study.data.table) == (
        "my_clinic",
        "Patient ID",
        "../my clinic.csv",
    )
    cohort = load_folder(study.folder_spec({}))
    assert len(set(cohort.patient_ids)) == ROWS // 2
    assert cohort.outcomes["death_1y"].ravel().tolist() == [float(i % 5 == 0) for i in range(ROWS)]
    assert cohort.tasks[0].modalities == ("row",)
    assert cohort.table is not None
    assert cohort.table.schema.names == ("age", "sex", "sbp_mmhg", "troponin", "nyha", "smoker")
    assert np.isnan(cohort.table.values[-1, 2])  # 16,020 mmHg
    assert cohort.table.schema["sex"].show(cohort.table.values[1, 1]) == "male"


def test_what_is_uncertain_is_marked(tmp_path: Path) -> None:
    text = new_study(write(tmp_path / "t.csv", clinic()), None, tmp_path / "s.toml")
    assert CHECK not in section(text, "columns.age")
    assert CHECK not in section(text, "columns.sex")
    assert "16020" in section(text, "columns.sbp_mmhg").split(CHECK)[1]
    assert "which unit" in section(text, "columns.troponin").split(CHECK)[1]
    assert "what do these codes mean" in section(text, "columns.nyha").split(CHECK)[1]
    assert 'codes = { "0" = "no", "1" = "yes" }' in section(text, "columns.smoker")
    assert "missing in 1.7% of the rows" in section(text, "columns.age")


def test_codes_for_the_sexes_are_not_guessed(tmp_path: Path) -> None:
    columns = clinic(Gender=[1 + i % 2 for i in range(ROWS)])
    text = new_study(write(tmp_path / "t.csv", columns), None, tmp_path / "s.toml")
    assert "which is female" in section(text, "columns.sex").split(CHECK)[1]


def test_a_patient_column_that_never_repeats_is_questioned(tmp_path: Path) -> None:
    columns = clinic(**{"Patient ID": [f"P{i}" for i in range(ROWS)]})
    for cells, questioned in ((clinic(), False), (columns, True)):
        text = new_study(write(tmp_path / "t.csv", cells), None, tmp_path / "s.toml")
        assert ("never the same twice" in text) == questioned


def test_ages_in_days_are_not_taken_for_years(tmp_path: Path) -> None:
    ages = [str(15000 + 100 * i) for i in range(ROWS)]
    text = new_study(write(tmp_path / "t.csv", clinic(**{"Age at visit": ages})), None, tmp_path / "s.toml")
    assert "does not look like years" in section(text, "columns.age")
    assert "\nunit" not in section(text, "columns.age")


def test_leaks_are_left_out_with_a_warning(tmp_path: Path) -> None:
    more = {
        "cause of death": [("", "MI", "other")[i % 3] for i in range(ROWS)],
        "died": [i % 2 for i in range(ROWS)],
    }
    text = new_study(write(tmp_path / "t.csv", clinic(**more)), None, tmp_path / "s.toml")
    for heading in ("followup_days", "cause of death", "died"):
        assert re.search(rf"^#   {heading}: LEAK\?", text, flags=re.MULTILINE), heading
    for heading, reason in (("admitted", "a date"), ("remarks", "free text"), ("site", "always the same")):
        assert re.search(rf"^#   {heading}: .*{reason}", text, flags=re.MULTILINE), heading
    assert {plan.table_column for plan in parse_study(text, tmp_path / "s.toml").columns}.isdisjoint(more)
    assert "smoker" in text.split("two answers as well")[1].splitlines()[0]


def test_outcomes_in_other_words(tmp_path: Path) -> None:
    columns = clinic(death_1y=[("alive", "dead")[i % 2] for i in range(ROWS)])
    text = new_study(write(tmp_path / "t.csv", columns), None, tmp_path / "s.toml")
    assert "which of the two" in section(text, "tasks.death_1y")
    cohort = load_folder(parse_study(text, tmp_path / "s.toml").folder_spec({}))
    assert cohort.outcomes["death_1y"].ravel().tolist() == [float(i % 2) for i in range(ROWS)]


def test_outcomes_that_a_spreadsheet_made_fractions(tmp_path: Path) -> None:
    columns = clinic(death_1y=[("1.0", "2.0")[i % 2] for i in range(ROWS)])
    text = new_study(write(tmp_path / "t.csv", columns), None, tmp_path / "s.toml")
    cohort = load_folder(parse_study(text, tmp_path / "s.toml").folder_spec({}))
    assert cohort.outcomes["death_1y"].ravel().tolist() == [float(i % 2) for i in range(ROWS)]


def test_the_column_of_ecgs_is_found(tmp_path: Path) -> None:
    (tmp_path / "ecgs").mkdir()
    names = [f"r{i:03d}" for i in range(ROWS)]
    for name in names:
        (tmp_path / "ecgs" / f"{name}.hea").write_text(f"{name} 1 500 10\n")
    table = write(tmp_path / "t.csv", clinic(record=names))
    text = new_study(table, tmp_path / "ecgs", tmp_path / "s.toml")
    study = parse_study(text, tmp_path / "s.toml")
    assert (study.data.ecg, study.data.ecg_folder) == ("record", "ecgs")
    assert study.tasks[0].modalities == ("ecg", "row")
    assert [source.record_id for source in load_folder(study.folder_spec({})).recordings] == names


@pytest.mark.parametrize(
    ("without", "needed"), [("Patient ID", "'patient'"), ("death_1y", "'column'"), ("ecg", "'ecg'")]
)
def test_what_could_not_be_guessed_is_named(tmp_path: Path, without: str, needed: str) -> None:
    columns = {name: cells for name, cells in clinic().items() if name not in (without, "smoker")}
    (tmp_path / "ecgs").mkdir()
    folder = tmp_path / "ecgs" if without == "ecg" else None
    text = new_study(write(tmp_path / "t.csv", columns), folder, tmp_path / "s.toml")
    with pytest.raises(StudyError, match="line") as caught:
        parse_study(text, tmp_path / "s.toml")
    assert (caught.value.code, needed in caught.value.message) == ("study.required", True)


def test_every_commented_default_is_a_true_default(tmp_path: Path) -> None:
    text = new_study(write(tmp_path / "t.csv", clinic()), None, tmp_path / "s.toml")
    opened = re.sub(r"^# (\w+ = (?!\.\.\.))", r"\1", text, flags=re.MULTILINE)
    opened = re.sub(r"^(fold|licence|ecg|ordered) = .*$", "", opened, flags=re.MULTILINE)
    assert opened.count("epochs = ") == 2

    def settings_of(study: Study) -> str:
        parts = ("pretrain", "split", "booster", "cmaf", "conformal", "phenotypes", "evaluation")
        return study.fingerprint(*parts)

    plain, spelt = (parse_study(one, tmp_path / "s.toml") for one in (text, opened))
    assert settings_of(plain) == settings_of(spelt)
    assert (plain.seed, plain.threads) == (spelt.seed, spelt.threads)


def test_no_table_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        new_study(tmp_path / "nowhere.csv", None, tmp_path / "s.toml")


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    headings=st.lists(
        st.text(min_size=1, max_size=20).map(str.strip).filter(bool), min_size=2, max_size=5, unique=True
    ),
    cells=st.lists(
        st.sampled_from(["", "1", "2.5", "yes", "no", '"x"', "a\\b", "ä\n", "-3"]), min_size=5, max_size=5
    ),
)
def test_whatever_the_headings_the_file_is_toml(
    tmp_path: Path, headings: list[str], cells: list[str]
) -> None:
    columns = {heading: cells[i:] + cells[:i] for i, heading in enumerate(headings)}
    try:
        text = new_study(write(tmp_path / "t.csv", columns), None, tmp_path / "s.toml")
    except (DatasetError, UnicodeEncodeError):
        return
    assert complaint(text, tmp_path) in (None, "study.required", "study.leak")


@pytest.mark.data
def test_the_seventy_thousand(data_dir: Path, tmp_path: Path) -> None:
    table = data_dir / "cardio70k" / "cardio_train.csv"
    text = new_study(table, None, tmp_path / "s.toml")
    study = parse_study(text, tmp_path / "s.toml")
    assert study.tasks[0].column == "cardio"
    columns = {plan.name: plan for plan in study.columns}
    assert columns["height"].unit == "cm"
    assert (columns["ap_hi"].low, columns["ap_hi"].high) == (50, 280)
    assert columns["age"].unit == ""
    assert "does not look like years" in text
