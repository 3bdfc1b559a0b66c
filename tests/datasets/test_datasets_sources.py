"""Codes for "not known", factors and cells that make no sense, in a published table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.datasets.sources import (
    Source,
    codes_only,
    encode_sources,
    number,
    numbers,
    survival,
    times_words,
    yes_no,
)
from cardiofusion.datasets.table import Table
from cardiofusion.records import CardioFusionError, DatasetError

CELLS = Source("RBC", number("cells", "10^6/uL", 1, 9), unknown=(77.7, 88.8), factor=0.1)
HINT = "give the published file"


def table(*cells: str, heading: str = "RBC") -> Table:
    return Table("t.csv", {heading: cells})


def test_codes_become_missing_and_are_counted_before_the_factor() -> None:
    encoded, notes = encode_sources(table("45.0", "77.7", "88.80000000000001", "", "50"), [CELLS], HINT)
    np.testing.assert_allclose(encoded.values[:, 0], [4.5, np.nan, np.nan, np.nan, 5.0])
    assert notes == {"cells: 77.7 or 88.8 means not known": "2 of 5"}


def test_what_is_outside_the_range_is_missing_and_counted() -> None:
    encoded, notes = encode_sources(table("45", "4500"), [CELLS], HINT)
    assert np.isnan(encoded.values[1, 0])
    assert notes == {"cells: outside its range": "1 of 2 set to missing"}


@pytest.mark.parametrize("cell", ["many", "4,5,6", "45;3", "inf", "-inf", "0x10"])
def test_a_cell_that_makes_no_sense_is_refused(cell: str) -> None:
    with pytest.raises(DatasetError, match="row 2: RBC") as caught:
        encode_sources(table("45", cell), [CELLS], HINT)
    assert (caught.value.code, caught.value.hint) == ("dataset.cell", HINT)


def test_a_share_of_such_cells_may_be_allowed() -> None:
    cells = ["45"] * 19 + ["many"]
    encoded, notes = encode_sources(table(*cells), [CELLS], HINT, unreadable=0.05)
    assert np.isnan(encoded.values[:, 0]).sum() == 1
    assert notes == {"cells: not readable": "1 of 20 set to missing"}
    with pytest.raises(DatasetError):
        encode_sources(table(*cells[1:]), [CELLS], HINT, unreadable=0.05)


def test_a_column_without_gaps_has_none() -> None:
    with pytest.raises(DatasetError, match="row 2: smokes is missing"):
        encode_sources(table("1", "", heading="S"), [Source("S", yes_no("smokes"))], HINT)


def test_another_column_is_named_with_its_nearest() -> None:
    with pytest.raises(DatasetError, match="has no column 'RBC'") as caught:
        encode_sources(table("1", heading="RBCs"), [CELLS], HINT)
    assert "RBCs" in caught.value.hint


def test_an_outcome_is_one_of_its_codes() -> None:
    codes_only(np.array([0.0, 1.0]), (0, 1), "died", HINT)
    with pytest.raises(DatasetError, match="row 2: the outcome cannot be 2"):
        codes_only(np.array([0.0, 2.0]), (0, 1), "died", HINT)
    with pytest.raises(DatasetError, match="row 1: the outcome is missing"):
        codes_only(numbers(table("", "1"), "RBC", HINT), (0, 1), "died", HINT)


@given(st.lists(st.tuples(st.floats(allow_nan=True, width=32), st.booleans()), min_size=1))
def test_nobody_is_observed_for_no_time(people: list[tuple[float, bool]]) -> None:
    years, event = np.array([y for y, _ in people]), np.array([e for _, e in people])
    outcome = survival(years, event)
    known = years > 0
    assert np.isnan(outcome[~known]).all()
    np.testing.assert_array_equal(outcome[known, 1], event[known])
    words = times_words(outcome)
    assert f"{len(people) - known.sum()} not known" in words


@given(st.text(max_size=12))
def test_any_cell_gives_a_plausible_value_nothing_or_our_error(cell: str) -> None:
    try:
        encoded, _ = encode_sources(table("45", cell), [CELLS], HINT)
    except CardioFusionError:
        return
    value = encoded.values[1, 0]
    assert np.isnan(value) or 1 <= value <= 9
