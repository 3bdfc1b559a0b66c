"""A user's own table and folder: the happy path, and everything that is wrong with real tables."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiofusion.datasets import ColumnSpec, FolderSpec, TaskSpec, load_folder
from cardiofusion.records import (
    CardioFusionError,
    Column,
    DatasetError,
    ExtraMissingError,
    RecordingError,
)

AGE = ColumnSpec(Column("age", unit="years", low=0, high=120))
SEX = ColumnSpec(
    Column("sex", kind="category", categories=("female", "male"), codes={"1": "female", "2": "male"}),
    "Gender",
)
DIED = TaskSpec("binary", ("alive", "died"), ("death",))
TABLE = """patient,age,Gender,death,file,MI,HYP,site
p1,61,1,0,a,1,0,1
p1,62,1,1,b.hea,0,0,1
p2,47,2,0,,1,1,2
p3,,2,,c,0,,2
"""


def _wfdb(folder: Path, name: str) -> None:
    """A two-lead ECG of one second at 100 Hz."""
    signal = np.arange(200, dtype="<i2").reshape(100, 2)
    (folder / f"{name}.dat").write_bytes(signal.tobytes())
    checksums = [int(np.int16(signal[:, lead].sum())) for lead in range(2)]
    lines = [f"{name}.dat 16 1000/mV 16 0 {lead} {checksums[lead]} 0 {('I', 'II')[lead]}" for lead in (0, 1)]
    (folder / f"{name}.hea").write_text("\n".join([f"{name} 2 100 100", *lines]) + "\n")


@pytest.fixture
def spec(tmp_path: Path) -> FolderSpec:
    (tmp_path / "ecg").mkdir()
    for name in "ab":
        _wfdb(tmp_path / "ecg", name)
    return _spec(tmp_path, TABLE)


def _spec(folder: Path, table: str) -> FolderSpec:
    (folder / "table.csv").write_text(table)
    return FolderSpec(
        folder / "table.csv",
        patient="patient",
        columns={"age": AGE, "sex": SEX},
        tasks={"death": DIED, "super": TaskSpec("multi_label", ("MI", "HYP"), ("MI", "HYP"))},
        ecg="file",
        ecg_folder=folder / "ecg",
        fold="site",
        provenance={"licence": "ours"},
    )


def test_a_whole_cohort(spec: FolderSpec) -> None:
    cohort = load_folder(spec)
    assert cohort.patient_ids.tolist() == ["p1", "p1", "p2", "p3"]
    assert cohort.table is not None
    np.testing.assert_array_equal(cohort.table.values, [[61, 0], [62, 0], [47, 1], [np.nan, 1]])
    np.testing.assert_array_equal(cohort.outcomes["death"], np.array([[0], [1], [0], [np.nan]], np.float32))
    np.testing.assert_array_equal(cohort.outcomes["super"], [[1, 0], [0, 0], [1, 1], [0, np.nan]])
    assert [(task.name, task.targets) for task in cohort.tasks] == [
        ("death", ("died",)),
        ("super", ("MI", "HYP")),
    ]
    assert cohort.fold is not None
    assert cohort.fold.tolist() == [1, 1, 2, 2]
    assert cohort.provenance["licence"] == "ours"
    assert cohort.provenance["rows without an ECG"] == "1 of 4"
    assert cohort.provenance["ECG files not found"] == "1 of 4"


def test_recordings_carry_the_row_and_absent_ones_raise_when_read(spec: FolderSpec) -> None:
    recordings = load_folder(spec).recordings
    first, second = recordings[0].read(), recordings[1].read()
    assert (first.patient_id, first.age, first.sex, first.leads) == ("p1", 61.0, "female", ("I", "II"))
    assert second.record_id == "b"
    for source in recordings[2:]:
        with pytest.raises(RecordingError):
            source.read()


def test_without_ecg_fold_or_tasks(spec: FolderSpec) -> None:
    cohort = load_folder(replace(spec, ecg=None, ecg_folder=None, fold=None, tasks={}, columns={}))
    assert (cohort.recordings, cohort.table, cohort.tasks, cohort.fold) == ((), None, (), None)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_delimiters_and_encodings_are_found(spec: FolderSpec, delimiter: str, encoding: str) -> None:
    text = TABLE.replace("p2", "Zoë").replace(",", delimiter)
    Path(spec.table).write_bytes(text.encode(encoding))
    assert load_folder(spec).patient_ids.tolist() == ["p1", "p1", "Zoë", "p3"]


def test_decimal_comma_units_and_quoted_delimiters(tmp_path: Path) -> None:
    weight = ColumnSpec(Column("weight", unit="kg", low=2, high=300), "Weight; kg")
    (tmp_path / "t.csv").write_text('id;"Weight; kg"\n1;"70,5"\n2;154 lb\n3;70.5 kg\n')
    cohort = load_folder(FolderSpec(tmp_path / "t.csv", "id", {"weight": weight}))
    assert cohort.table is not None
    np.testing.assert_allclose(cohort.table.values[:, 0], [70.5, 154 * 0.45359237, 70.5])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_parquet_gives_the_same_cohort(spec: FolderSpec) -> None:
    polars = pytest.importorskip("polars")
    path = Path(spec.table).with_suffix(".parquet")
    frame = polars.read_csv(spec.table)
    assert frame["death"].dtype == polars.Int64
    frame.with_columns(polars.col("Gender").cast(polars.Float64)).write_parquet(path)
    from_csv, from_parquet = load_folder(spec), load_folder(replace(spec, table=path))
    assert from_csv.table is not None
    assert from_parquet.table is not None
    np.testing.assert_array_equal(from_csv.table.values, from_parquet.table.values)
    for name, outcome in from_csv.outcomes.items():
        np.testing.assert_array_equal(outcome, from_parquet.outcomes[name])


def test_parquet_without_polars_names_the_extra(spec: FolderSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(spec.table).with_suffix(".parquet")
    path.write_bytes(b"PAR1 and more")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ExtraMissingError, match=r"cardiofusion\[train\]"):
        load_folder(replace(spec, table=path))


def test_values_out_of_range_become_missing_and_are_counted(tmp_path: Path, spec: FolderSpec) -> None:
    strict = ColumnSpec(replace(AGE.column, may_be_missing=False))
    table = TABLE.replace("p3,,", "p3,50,").replace(",47,", ",4700,")
    cohort = load_folder(replace(_spec(tmp_path, table), columns={"age": strict}))
    assert cohort.table is not None
    assert np.isnan(cohort.table.values[2, 0])
    assert cohort.table.schema["age"].may_be_missing
    assert cohort.provenance["age: outside its range"] == "1 of 4 set to missing"


def test_unreadable_cells_are_missing_only_where_the_schema_allows(tmp_path: Path, spec: FolderSpec) -> None:
    cohort = load_folder(_spec(tmp_path, TABLE.replace(",47,", ",fifty,").replace("61,1", "61,3")))
    assert cohort.table is not None
    np.testing.assert_array_equal(np.isnan(cohort.table.values).sum(axis=0), [2, 1])
    assert cohort.provenance["age: not readable"] == "1 of 4 set to missing"
    strict = replace(spec, columns={"sex": replace(SEX, column=replace(SEX.column, may_be_missing=False))})
    with pytest.raises(DatasetError, match=r"row 1: sex cannot be '3'"):
        load_folder(strict)


def test_a_gap_where_none_may_be_names_the_row(spec: FolderSpec) -> None:
    strict = ColumnSpec(replace(AGE.column, may_be_missing=False))
    with pytest.raises(DatasetError, match="row 4: age is missing"):
        load_folder(replace(spec, columns={"age": strict}))


_BAD = {
    "unknown column": ({"columns": {"age": ColumnSpec(AGE.column, "Age at ECG")}}, None, "dataset.column"),
    "near column": ({"patient": "Patients"}, None, "dataset.column"),
    "column under another name": ({"columns": {"years": AGE}}, None, "dataset.column"),
    "no table": ({"table": Path("nowhere.csv")}, None, "dataset.missing"),
    "folder for a table": ({"table": Path("/")}, None, "dataset.missing"),
    "no ECG folder": ({"ecg_folder": Path("nowhere")}, None, "dataset.missing"),
    "ECG folder but no column": ({"ecg": None}, None, "dataset.ecg"),
    "no ECG found": ({"ecg": "death"}, None, "dataset.ecg"),
    "fold is text": ({"fold": "file"}, None, "dataset.fold"),
    "empty file": ({}, b"", "dataset.empty"),
    "heading only": ({}, TABLE.splitlines()[0].encode(), "dataset.empty"),
    "heading twice": ({}, TABLE.replace("site", "age").encode(), "dataset.column"),
    "numbered heading twice": ({}, TABLE.replace("MI,HYP,site", "x,x,x (1)").encode(), "dataset.header"),
    "short row": ({}, TABLE.replace(",1,0,1\n", ",1\n").encode(), "dataset.row"),
    "patient missing": ({}, TABLE.replace("p2,", "NA,").encode(), "dataset.patient"),
    "outcome neither": ({}, TABLE.replace("47,2,0", "47,2,7").encode(), "dataset.outcome"),
    "one outcome only": ({}, TABLE.replace("62,1,1", "62,1,0").encode(), "dataset.outcome"),
    "a spreadsheet": ({}, b"PK\x03\x04 and more", "dataset.format"),
    "binary": ({}, TABLE.encode() + b"\x00", "dataset.format"),
    "damaged Parquet": ({}, b"PAR1 and more", "dataset.format"),
    "huge cell": ({}, TABLE.encode() + b"p" * 200_000, "dataset.format"),
    "binary task, three labels": (
        {"tasks": {"t": TaskSpec("binary", ("a", "b", "c"), ("death",))}},
        None,
        "dataset.task",
    ),
    "labels without columns": (
        {"tasks": {"t": TaskSpec("multi_label", ("a", "b"), ("death",))}},
        None,
        "dataset.task",
    ),
    "present and absent at once": (
        {"tasks": {"t": TaskSpec("binary", ("a", "b"), ("death",), present=("1",), absent=("0", "1"))}},
        None,
        "dataset.task",
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("what", sorted(_BAD))
def test_bad_input_is_one_of_our_errors(spec: FolderSpec, what: str) -> None:
    changes, content, code = _BAD[what]
    if content is not None:
        Path(spec.table).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        load_folder(replace(spec, **changes))  # type: ignore[arg-type]
    assert caught.value.code == code
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_unknown_column_names_the_nearest(spec: FolderSpec) -> None:
    with pytest.raises(DatasetError, match="did you mean 'patient'"):
        load_folder(replace(spec, patient="Patients"))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=300), at=st.integers(0, len(TABLE)))
def test_any_bytes_in_a_table_give_a_cohort_or_one_of_our_errors(
    spec: FolderSpec, noise: bytes, at: int
) -> None:
    content = TABLE.encode()
    Path(spec.table).write_bytes(content[:at] + noise + content[at:])
    with suppress(CardioFusionError):
        assert len(load_folder(spec)) >= 1
