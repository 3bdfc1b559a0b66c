"""Repair mends what is safe to mend, counts it, and never looks at an outcome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.datasets import load_cardio70k
from cardiofusion.records import ClinicalSchema, ClinicalTable, Column
from cardiofusion.tabular import repair

NAN = float("nan")
PRESSURES = ClinicalSchema(
    (
        Column("systolic", unit="mmHg", low=60, high=260, may_be_missing=False),
        Column("diastolic", unit="mmHg", low=30, high=160, may_be_missing=False),
    )
)


def _mended(schema: ClinicalSchema, *row: float) -> list[float]:
    table, _ = repair(ClinicalTable(schema, np.array([row], dtype=np.float64)))
    return list(table.values[0])


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ((120, 80), (120, 80)),
        ((-120, 80), (120, 80)),
        ((120, -80), (120, 80)),
        ((1200, 80), (120, 80)),
        ((11500, 80), (115, 80)),
        ((14, 90), (140, 90)),
        ((140, 9), (140, 90)),
        ((150, 1000), (150, 100)),
        ((1400, 900), (140, 90)),
        ((80, 120), (120, 80)),
        ((120, 120), (NAN, NAN)),
        ((90, 1000), (90, NAN)),
        ((120, 0), (120, NAN)),
        ((1, 2088), (NAN, NAN)),
        ((999, 80), (NAN, 80)),
        ((-9999, 80), (NAN, 80)),
        ((NAN, 80), (NAN, 80)),
        ((1200, NAN), (120, NAN)),
        ((NAN, NAN), (NAN, NAN)),
    ],
)
def test_pressures(given_: tuple[float, float], expected: tuple[float, float]) -> None:
    np.testing.assert_array_equal(_mended(PRESSURES, *given_), expected)


def test_height_and_weight_change_places_only_where_that_makes_both_plausible() -> None:
    schema = ClinicalSchema((Column("height", low=120, high=220), Column("weight", low=30, high=250)))
    np.testing.assert_array_equal(_mended(schema, 70, 165), [165, 70])
    np.testing.assert_array_equal(_mended(schema, 165, 170), [165, 170])
    np.testing.assert_array_equal(_mended(schema, 70, 60), [NAN, 60])


def test_the_report_counts_each_rule_and_the_schema_learns_of_gaps() -> None:
    values = np.array([[120, 80], [1200, 80], [-120, 80], [80, 120], [100, 5000]], dtype=np.float64)
    table, report = repair(ClinicalTable(PRESSURES, values))
    assert report.to_json() == {
        "rows": 5,
        "rules": [
            {"rule": "minus sign dropped", "column": "systolic", "count": 1},
            {"rule": "factor of 10 or 100 undone", "column": "systolic", "count": 1},
            {"rule": "factor of 10 or 100 undone", "column": "diastolic", "count": 1},
            {"rule": "swapped with diastolic", "column": "systolic", "count": 1},
        ],
    }
    assert not table.schema["diastolic"].may_be_missing
    emptied, _ = repair(ClinicalTable(PRESSURES, np.array([[120.0, 0.0]])))
    assert [column.may_be_missing for column in emptied.schema] == [False, True]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(*[st.one_of(st.just(NAN), st.integers(-20_000, 20_000).map(float))] * 2),
        min_size=1,
        max_size=20,
    )
)
def test_result_is_plausible_settled_and_row_by_row(rows: list[tuple[float, float]]) -> None:
    values = np.array(rows, dtype=np.float64)
    before = values.copy()
    table, _ = repair(ClinicalTable(PRESSURES, values))
    np.testing.assert_array_equal(values, before)
    systolic, diastolic = table.values.T
    assert np.all(np.isnan(systolic) | ((systolic >= 60) & (systolic <= 260)))
    assert not np.any(diastolic >= systolic)
    again, report = repair(table)
    np.testing.assert_array_equal(again.values, table.values)
    assert report.rules == ()
    alone = [_mended(PRESSURES, *row) for row in rows]
    np.testing.assert_array_equal(table.values, alone)


@pytest.mark.data
def test_cardio70k_is_mended_without_its_labels(data_dir: Path, tmp_path: Path) -> None:
    lines = (data_dir / "cardio70k" / "cardio_train.csv").read_text().splitlines()
    flipped = [line[:-1] + {"0": "1", "1": "0"}[line[-1]] for line in lines[1:]]
    (tmp_path / "cardio_train.csv").write_text("\n".join([lines[0], *flipped]))
    true, false = load_cardio70k(data_dir / "cardio70k"), load_cardio70k(tmp_path)
    assert true.table is not None
    assert false.table is not None
    (mended, report), (mended_flipped, report_flipped) = repair(true.table), repair(false.table)
    np.testing.assert_array_equal(true.outcomes["cardio"], 1 - false.outcomes["cardio"])
    np.testing.assert_array_equal(true.patient_ids, false.patient_ids)
    np.testing.assert_array_equal(mended.values, mended_flipped.values)
    assert report == report_flipped
    assert len(mended) == 70_000
    gaps = np.isnan(mended.values).sum(axis=0)
    assert 0 < gaps.sum() < 200
