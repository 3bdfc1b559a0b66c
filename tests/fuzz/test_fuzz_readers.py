"""Seeded mutants of every format (benchmarks/mutants.py), read in a process that may die without harm.

Whatever is done to a file, its reader gives a Recording that holds or one of our errors, soon and in little
memory; and no byte that a checksum covers changes unseen.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("counts address space as Linux shows it", allow_module_level=True)

from mutants import KINDS, mutant
from specimens import SAMPLE_FILES, WRITERS, data_folder, real, synthetic
from trial import SMALL, Result, run, summary

LOG = logging.getLogger(__name__)
SLOW = os.environ.get("CARDIOFUSION_SLOW") == "1"
MUTANTS = 100_000 if SLOW else 2_000
OF_SAMPLES = 20_000 if SLOW else 150  # of other people's files, which are ten times as long
SLOWEST = 2.0  # s of the processor
LARGEST = 256 << 20  # bytes
BY_CHANCE = 1 / 65_536  # of 16 bits
PACKAGES = {"CODE-15% HDF5": "h5py", "Parquet table": "polars"}


def tried(format_name: str, seeds: str, count: int) -> list[Result]:
    pytest.importorskip(PACKAGES.get(format_name, "numpy"))
    results = list(run("cardiofusion", format_name, seeds, 0, count))
    LOG.warning("%s, %s: %s", format_name, seeds, summary(results))
    return results


def check(results: list[Result], count: int) -> None:
    """What must hold for the mutants of any format."""
    assert [result["number"] for result in results] == list(range(count))
    failed = [result for result in results if result["outcome"] in {"error", "crash", "slow", "memory"}]
    assert not failed
    found = summary(results)
    assert found["slowest_s"] < SLOWEST
    assert found["peak_bytes"] < LARGEST
    wrong = [result for result in results if result["outcome"] == "wrong"]
    vouched = [result for result in wrong if not result["unverified"]]
    covered = [r for r in wrong if r["label"] == "covered" and "samples" not in r["unverified"]]
    assert max(len(vouched), len(covered)) <= count * BY_CHANCE
    assert not [result for result in wrong if result["label"] == "harmless"]


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("format_name", WRITERS)
def test_mutants(format_name: str) -> None:
    results = tried(format_name, "small", MUTANTS)
    check(results, MUTANTS)
    if format_name == "CODE-15% HDF5":  # no header but the index of its chunks
        assert not [r for r in results if r["outcome"] == "wrong" and "samples" not in r["unverified"]]
    outcomes = Counter(result["outcome"] for result in results)
    assert outcomes["right"] > MUTANTS // 50  # the mutants reach the samples, not only the grammar
    assert len({result["code"] for result in results if result["outcome"] == "refused"}) > 4


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("format_name", [*SAMPLE_FILES, "WFDB"])
def test_mutants_of_other_peoples_files(format_name: str) -> None:
    if not real(format_name):
        pytest.skip(f"no samples in {data_folder().name}")
    check(tried(format_name, "real", OF_SAMPLES), OF_SAMPLES)


@pytest.mark.parametrize("format_name", WRITERS)
def test_a_mutant_is_known_by_its_number(format_name: str) -> None:
    pytest.importorskip(PACKAGES.get(format_name, "numpy"))
    specimens = synthetic(format_name, *SMALL)
    first = [mutant(specimens, number) for number in range(60)]
    assert first == [mutant(specimens, number) for number in range(60)]
    assert len({made.kind for made in first}) > 8
    changed = [made for made in first if made.files != specimens[made.specimen].files]
    assert len(changed) > 40


def test_every_format_has_mutants() -> None:
    assert set(WRITERS) | {"WFDB header"} == set(KINDS)
