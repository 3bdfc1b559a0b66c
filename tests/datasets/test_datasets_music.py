"""MUSIC: which columns tell the outcome, what 999 means where, and who is censored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cardiofusion.datasets import load_music
from cardiofusion.datasets.music import CAUSES, GROUPS
from cardiofusion.datasets.music_columns import CLINICAL, ECG, LEFT_OUT
from cardiofusion.datasets.table import read_table
from cardiofusion.records import Cohort, DatasetError

OUTCOME_WORDS = ("follow", "days", "exit", "cause", "death", "4years", "outcome", "surviv")


def column(cohort: Cohort, name: str) -> np.ndarray:
    assert cohort.table is not None
    return cohort.table.values[:, cohort.table.schema.names.index(name)]


def test_every_cause_has_its_event_and_the_others_are_censored(music) -> None:
    cohort = music.load()
    events = {name: cohort.outcomes[name][:, 1].tolist() for name in CAUSES}
    assert events == {  # survivor, non-cardiac, sudden, pump failure, transplanted, pump failure
        "death": [0, 1, 1, 1, 0, 1],
        "cardiac_death": [0, 0, 1, 1, 0, 1],
        "sudden_cardiac_death": [0, 0, 1, 0, 0, 0],
        "pump_failure_death": [0, 0, 0, 1, 0, 1],
    }
    years = [(400 + 300 * n) / 365.25 for n in range(6)]
    for task in cohort.tasks:
        np.testing.assert_allclose(cohort.outcomes[task.name][:, 0], years, rtol=1e-6)
        assert (task.kind, task.horizon, task.modalities) == ("survival", 4.0, ("row",))
    assert "other causes" in cohort.provenance["censored"]


def test_999_is_missing_only_where_it_cannot_be_a_value(music) -> None:
    values = ("nt_probnp", "holter_rr", "ventricular_beats", "ggt", "rr")
    codes = ("pr", "supraventricular_beats", "albumin", "t3", "lvef", "sdnn")
    headings = {s.column.name: s.heading for s in (*CLINICAL, *ECG)}
    for name in (*values, *codes):
        music.rows[0][headings[name]] = "999"
    cohort = music.load()
    assert {name: column(cohort, name)[0] for name in values} == dict.fromkeys(values, 999.0)
    assert all(np.isnan(column(cohort, name)[0]) for name in codes)
    assert cohort.provenance["pr: 999 means not known"] == "1 of 6"


def test_decimal_commas_and_an_unexplained_rhythm(music) -> None:
    music.rows[0] |= {"Albumin (g/L)": "42,4", "Holter  rhythm": "4"}
    cohort = music.load()
    assert column(cohort, "albumin")[0] == 42.4
    assert np.isnan(column(cohort, "holter_rhythm")[0])
    assert cohort.provenance["holter_rhythm: 4 means not known"] == "1 of 6"


def test_the_two_rr_columns_of_one_name_are_told_apart(music) -> None:
    music.rows[0] |= {"Average RR (ms) (1)": "800", "Average RR (ms) (2)": "700"}
    cohort = music.load()
    assert (column(cohort, "rr")[0], column(cohort, "holter_rr")[0]) == (800, 700)


def test_groups_of_columns(music) -> None:
    music.write()
    clinical, ecg = (load_music(music.folder, columns=group) for group in ("clinical", "ecg"))
    assert clinical.table is not None
    assert ecg.table is not None
    assert (len(clinical.table.schema), len(ecg.table.schema)) == (64, 25)
    both = load_music(music.folder)
    assert both.table is not None
    assert both.table.schema.names == clinical.table.schema.names + ecg.table.schema.names
    with pytest.raises(DatasetError, match="no columns 'holter'"):
        load_music(music.folder, columns="holter")  # type: ignore[arg-type]


@pytest.mark.parametrize("group", ["clinical", "ecg", "all"])
def test_no_column_tells_the_outcome(group: str) -> None:
    names = [source.column.name for source in GROUPS[group]]
    assert len(set(names)) == len(names)
    headings = {source.heading for source in GROUPS[group]}
    assert not headings & set(LEFT_OUT)
    assert not [h for h in headings if any(word in h.casefold() for word in OUTCOME_WORDS)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Cause of death": "3"}, "row 1: exit and cause of death contradict"),
        ({"Exit of the study": "3"}, "row 1: exit and cause of death contradict"),
        ({"Exit of the study": "7"}, "row 1: the outcome cannot be 7"),
        ({"Cause of death": "2"}, "row 1: the outcome cannot be 2"),
        ({"Follow-up period from enrollment (days)": "long"}, "row 1: Follow-up period"),
        ({"Patient ID": "P0001"}, "lists a patient twice"),
        ({"Age": ""}, "row 1: age is missing"),
        ({"Urea (mg/dL)": "high"}, "row 1: Urea"),
        ({"NYHA class": "9"}, "row 1: NYHA class cannot be '9'"),
    ],
)
def test_a_cell_that_makes_no_sense(music, change: dict[str, str], words: str) -> None:
    music.rows[0] |= change
    with pytest.raises(DatasetError, match=words) as caught:
        music.load()
    assert caught.value.hint


@pytest.mark.data
def test_every_real_column_is_a_feature_or_left_out_for_a_reason(data_dir: Path) -> None:
    headings = set(read_table(data_dir / "music" / "subject-info.csv").columns)
    assert len(headings) == 103
    features = {source.heading for source in (*CLINICAL, *ECG)}
    assert features | set(LEFT_OUT) == headings
    assert not features & set(LEFT_OUT)
    assert all(LEFT_OUT.values())


@pytest.mark.data
def test_the_real_patients(data_dir: Path) -> None:
    cohort = load_music(data_dir / "music")
    assert len(cohort) == len(set(cohort.patient_ids.tolist())) == 695
    events = {name: int(outcome[:, 1].sum()) for name, outcome in cohort.outcomes.items()}
    assert events == {
        "death": 181,
        "cardiac_death": 139,
        "sudden_cardiac_death": 58,
        "pump_failure_death": 81,
    }
    years, died = cohort.outcomes["death"].T
    assert not np.isnan(years).any()
    assert ((died == 1) & (years <= 4)).sum() == 171
    assert 5.6 < years.max() < 5.7
    missing = {"pr": 190, "supraventricular_beats": 219, "holter_rhythm": 43, "nt_probnp": 85, "t3": 269}
    assert {name: int(np.isnan(column(cohort, name)).sum()) for name in missing} == missing
    assert not (column(cohort, "pr") == 999).any()
    assert not any("range" in note for note in cohort.provenance)
    medians = {
        "age": 67,
        "nt_probnp": 824,
        "urea": 8.32,
        "creatinine": 101,
        "lvef": 35,
        "qrs": 120,
        "sdnn": 105,
    }
    assert {name: float(np.nanmedian(column(cohort, name))) for name in medians} == medians


@pytest.mark.data
def test_beats_that_are_not_counted_are_never_in_sinus_rhythm(data_dir: Path) -> None:
    table = read_table(data_dir / "music" / "subject-info.csv")
    count, rhythm = table["Number of supraventricular premature beats in 24h"], table["Holter  rhythm"]
    with_code = [r for c, r in zip(count, rhythm, strict=True) if c == "999"]
    assert len(with_code) == 178
    assert "0" not in with_code


@pytest.mark.data
def test_what_is_left_out_as_derived_is_derived(data_dir: Path) -> None:
    table, cohort = read_table(data_dir / "music" / "subject-info.csv"), load_music(data_dir / "music")
    assert (np.array(table["QRS > 120 ms"]) == "1").tolist() == (column(cohort, "qrs") > 120).tolist()
    runs = (column(cohort, "ventricular_tachycardia") == 1) & (column(cohort, "ventricular_beats") / 24 > 10)
    said = np.array(table["Non-sustained ventricular tachycardia (CH>10)"]) == "1"
    assert said.tolist() == runs.tolist()
