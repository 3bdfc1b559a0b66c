"""Small files that would unfold into large ones are refused before they do."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from cardiofusion.readers import read_bytes
from cardiofusion.readers.xml import MAX_ELEMENTS, parse_xml
from cardiofusion.records import RecordingError

LITTLE = 8 << 20  # bytes


def refusal(read: Callable[[], object]) -> str:
    """The code of a refusal that took little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError) as caught:
            read()
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize("name", ["RestingECG", "AnnotatedECG", "restingecgdata"])
def test_a_crowd_of_elements_is_not_even_parsed(name: str) -> None:
    crowd = f"<{name}>{'<a/>' * (2 * MAX_ELEMENTS)}</{name}>".encode()
    assert refusal(lambda: read_bytes(crowd, "a.xml")) in {"recording.xml", "recording.format"}
    assert refusal(lambda: parse_xml(crowd, "a.xml")) == "recording.xml"
    assert parse_xml(b"<a>%s</a>" % (b"<b/>" * 1000), "a.xml").tag == "a"


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_millions_of_equal_samples_in_parquet(compression: str) -> None:
    polars = pytest.importorskip("polars")
    declared = {"cardiofusion-ecg": "1", "sampling_rate": "500", "unit": "mV"}

    def written(samples: int) -> bytes:
        out = io.BytesIO()
        column = polars.Series(np.full(samples, 0.5))
        polars.DataFrame({"V1": column}).write_parquet(out, metadata=declared, compression=compression)
        return out.getvalue()

    bomb = written(1 << 23)
    assert len(bomb) < 1 << 19
    assert refusal(lambda: read_bytes(bomb, "t.parquet")) == "recording.size"
    flat = read_bytes(written(500_000), "t.parquet")  # a long flat line is no bomb
    assert flat.signal.shape == (1, 500_000)


def test_chunks_of_hdf5_that_hold_far_more_than_one_ecg() -> None:
    h5py = pytest.importorskip("h5py")

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["exam_id"] = np.array([7])
        chunks = (5000, 256, 12)  # 16 of them for one ECG, 61 MB each
        shape, most = (1, 4096, 12), (None, 4096, 12)
        file.create_dataset("tracings", shape, "f4", chunks=chunks, maxshape=most, compression="gzip")
    assert refusal(lambda: read_bytes(out.getvalue(), "e.hdf5")) == "recording.size"
