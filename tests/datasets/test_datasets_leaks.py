"""Every data set with outcomes: no column tells them, row order is nothing, malformed files are refused."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cardiofusion.datasets import load_dataset
from cardiofusion.metrics import roc_auc
from cardiofusion.records import CardioFusionError, Cohort, DatasetError, Task

LEAK = 0.95
FOLDERS = {
    "nhanes1": "nhanes1",
    "music": "music",
    "uci-heart": "uci-heart",
    "heart-failure": "uci-heart",
    "mimic-iv-demo-meds": "mimic-iv-demo-meds",
}
TABLES = ("nhanes1", "music", "uci", "failure")


def yes_or_no(task: Task, outcome: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 or 0; of a survival task by its horizon, NaN where censored before it."""
    if task.kind != "survival":
        return outcome[:, 0].astype(np.float64)
    years, event = outcome.T.astype(np.float64)
    answer = np.where(years >= task.horizon, 0.0, np.nan)
    return np.where((event == 1) & (years <= task.horizon), 1.0, answer)


def separation(y: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    known = np.isfinite(y) & np.isfinite(score)
    auc = roc_auc(y[known], score[known])
    return max(auc, 1 - auc) if np.isfinite(auc) else 0.5


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_no_column_alone_tells_the_outcome(data_dir: Path, name: str) -> None:
    cohort = load_dataset(name, data_dir / FOLDERS[name])
    assert cohort.table is not None
    for task in cohort.tasks:
        y = yes_or_no(task, cohort.outcomes[task.name])
        assert (y == 1).sum() >= 10
        for column, values in zip(cohort.table.schema, cohort.table.values.T, strict=True):
            told = [values, np.isnan(values).astype(float)]
            told += [(values == k).astype(float) for k in range(len(column.categories))]
            enough = [score for score in told if np.isfinite(score).sum() > 0.1 * len(cohort)]
            worst = max(separation(y, score) for score in enough)
            assert worst < LEAK, f"{name}: {column.name} alone tells {task.name} (AUC {worst:.3f})"


@pytest.mark.data
def test_the_test_for_leaks_finds_one(data_dir: Path) -> None:
    cohort = load_dataset("music", data_dir / "music")
    years = cohort.outcomes["death"][:, 0].astype(np.float64)
    assert separation(yes_or_no(cohort.tasks[0], cohort.outcomes["death"]), years) > LEAK


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_real_values_are_within_their_schema(data_dir: Path, name: str) -> None:
    cohort = load_dataset(name, data_dir / FOLDERS[name])
    assert cohort.table is not None
    for column, values in zip(cohort.table.schema, cohort.table.values.T, strict=True):
        known = values[np.isfinite(values)]
        low, high = (0, len(column.categories) - 1) if column.categories else (column.low, column.high)
        assert ((known >= low) & (known <= high)).all(), column.name
        assert column.may_be_missing == (len(known) < len(values)), column.name
        assert len(np.unique(known)) > 1, column.name


def ordered(cohort: Cohort) -> list[tuple[object, ...]]:
    assert cohort.table is not None
    outcomes = np.column_stack([cohort.outcomes[task.name] for task in cohort.tasks])
    return sorted(
        (*np.nan_to_num(values, nan=-1.0).tolist(), *np.nan_to_num(outcome, nan=-1.0).tolist())
        for values, outcome in zip(cohort.table.values, outcomes, strict=True)
    )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_does_not_matter(request: pytest.FixtureRequest, table: str, seed: int) -> None:
    planted = request.getfixturevalue(table)
    before = planted.load()
    for rows in planted.files.values():
        random.Random(seed).shuffle(rows)
    after = planted.load()
    assert ordered(before) == ordered(after)


@pytest.mark.parametrize("table", TABLES)
def test_a_missing_column_is_named(request: pytest.FixtureRequest, table: str) -> None:
    planted = request.getfixturevalue(table)
    planted.load()
    for heading in list(planted.rows[0]):
        rows = [{h: cell for h, cell in row.items() if h != heading} for row in planted.rows]
        planted.files[planted.main.name], kept = rows, planted.rows
        try:
            planted.load()
        except DatasetError as error:
            code, words = error.code, error.message
        else:
            code, words = "", heading if table == "music" else ""  # only what is left out may be absent
        planted.files[planted.main.name] = kept
        assert code in ("dataset.column", ""), words
        assert heading in words or heading.startswith("Average RR"), words


@pytest.mark.parametrize("table", TABLES)
def test_another_delimiter_is_read_or_refused_in_words(request: pytest.FixtureRequest, table: str) -> None:
    planted = request.getfixturevalue(table)
    before = planted.load()
    planted.delimiter = "\t"
    assert ordered(planted.load()) == ordered(before)
    planted.delimiter = "~"
    with pytest.raises(DatasetError) as caught:
        planted.load()
    assert caught.value.hint


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"a,b\n", b"a,b\n1\n", b"\x00\x01", b"PK\x03\x04zip", b"PAR1"]
)
def test_a_malformed_file_is_refused(request: pytest.FixtureRequest, table: str, content: bytes) -> None:
    planted = request.getfixturevalue(table)
    planted.write()
    planted.main.write_bytes(content)
    with pytest.raises(CardioFusionError) as caught:
        planted.loader(planted.folder)
    assert caught.value.hint


@pytest.mark.parametrize("table", TABLES)
def test_every_number_out_of_its_range_is_missing_or_refused(
    request: pytest.FixtureRequest, table: str
) -> None:
    planted = request.getfixturevalue(table)
    before = planted.load()
    assert before.table is not None
    for heading, cell in list(planted.rows[0].items()):
        planted.rows[0][heading] = "-123456789"
        try:
            after = planted.load()
        except DatasetError as error:
            assert_named(error, heading)
        else:
            assert after.table is not None
            assert not (after.table.values[0] < -1000).any(), heading
        planted.rows[0][heading] = cell


def assert_named(error: DatasetError, heading: str) -> None:
    """An outcome, an id or a code outside its list: refused, and the row is named where it is a cell."""
    assert "row" in error.message, (heading, error.message)
    assert error.hint
