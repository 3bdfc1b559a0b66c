"""Mutants through a process of its own: the same answer as without, and nothing left behind."""

from __future__ import annotations

import sys

import numpy as np
import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("makes mutants of formats whose bombs need Linux to be counted", allow_module_level=True)

from cardiofusion.readers import LimitedReader, read_bytes
from cardiofusion.records import RecordingError
from mutants import mutant
from specimens import WRITERS, synthetic
from trial import SMALL

MUTANTS = 40
PACKAGES = {"CODE-15% HDF5": "h5py", "Parquet table": "polars"}


def answer(read: object, content: bytes, name: str) -> tuple[object, ...]:
    """What a reader says of a file, as plain values."""
    try:
        recording = read(content, name)  # type: ignore[operator]
    except RecordingError as error:
        return error.code, " ".join(error.message.split()), error.hint
    signal = np.nan_to_num(recording.signal, nan=-99.0).tobytes()
    return recording.leads, recording.sampling_rate, recording.unverified, dict(recording.measured), signal


@pytest.fixture(scope="module")
def reader() -> LimitedReader:
    with LimitedReader(seconds=60.0) as reader:
        yield reader


@pytest.mark.parametrize("format_name", sorted(WRITERS.keys() - {"WFDB"}))
def test_the_same_answers_as_without_limits(reader: LimitedReader, format_name: str) -> None:
    pytest.importorskip(PACKAGES.get(format_name, "numpy"))
    specimens = synthetic(format_name, *SMALL)
    for number in range(MUTANTS):
        ((name, content),) = mutant(specimens, number).files.items()
        assert answer(reader.read, content, name) == answer(read_bytes, content, name), number
