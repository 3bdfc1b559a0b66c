"""Bundles put together: what they answer stays the same, and what cannot be one is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardiofusion.bundle import find_bundle, read_bundle, write_bundle
from cardiofusion.records import BundleError, ClinicalSchema, Column
from cardiofusion.runtime import System
from cardiofusion.study import combine_bundles


def rewritten(folder: Path, **changes: Any) -> Path:
    """The shipped `reference` with another manifest."""
    bundle = find_bundle()
    files = {name: bundle.bytes(name) for name in bundle.manifest.files}
    write_bundle(folder, replace(bundle.manifest, files={}, **changes), files)
    return folder


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """`reference`, and the same with one task of another name, which keeps its files."""
    folder = tmp_path_factory.mktemp("combining")
    return rewritten(folder / "one"), rewritten(folder / "two", name="two")


def test_a_task_in_two_bundles_is_refused(renamed: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="stands in two") as caught:
        combine_bundles(renamed, tmp_path / "both", "both")
    assert caught.value.code == "bundle.combine"
    assert not (tmp_path / "both").exists()


def test_one_bundle_is_no_combination(renamed: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="one bundle alone"):
        combine_bundles(renamed[:1], tmp_path / "both", "both")


@pytest.mark.parametrize(
    "other",
    [
        Column("age", unit="days", low=0, high=50_000),
        Column("sex", "category", categories=("male", "female")),
    ],
)
def test_a_column_that_means_two_things_is_refused(other: Column, tmp_path: Path) -> None:
    one = rewritten(tmp_path / "one", tasks=())
    two = rewritten(tmp_path / "two", tasks=(), schema=ClinicalSchema((other,)), name="two")
    with pytest.raises(BundleError, match="means two things"):
        combine_bundles([one, two], tmp_path / "both", "both")


def test_what_tasks_share_is_as_wide_as_the_widest(tmp_path: Path) -> None:
    schema = ClinicalSchema((Column("age", unit="years", low=-5, high=200), Column("new", unit="mmol/L")))
    one = rewritten(tmp_path / "one")
    two = rewritten(tmp_path / "two", tasks=(), schema=schema, name="two")
    combine_bundles([one, two], tmp_path / "both", "both")
    joined = read_bundle(tmp_path / "both").manifest.schema
    assert joined is not None
    assert (joined["age"].low, joined["age"].high) == (-5, 200)
    assert joined.names[-1] == "new"


def test_the_answers_stay_the_same(tmp_path: Path) -> None:
    one = rewritten(tmp_path / "one")
    two = rewritten(
        tmp_path / "two", tasks=(), schema=ClinicalSchema((Column("new", unit="mmol/L"),)), name="two"
    )
    combine_bundles([one, two], tmp_path / "both", "both")
    row = {"age": 60, "sex": "male", "systolic": 150, "height": 180}
    before = find_bundle_answers(one, row)
    after = find_bundle_answers(tmp_path / "both", row)
    assert before.keys() == after.keys()
    for name, answer in before.items():
        assert np.allclose(list(answer.values()), list(after[name].values()))


def find_bundle_answers(folder: Path, row: dict[str, object]) -> dict[str, dict[str, float]]:
    found = System.load(folder).assess(row=row, explain=False).tasks
    return {name: dict(answer.probability) for name, answer in found.items()}
