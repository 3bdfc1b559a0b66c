"""Examining here and in a process of its own: the same words, and no harm from a worker taken over."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardiofusion.__main__ import WORKERS
from cardiofusion.readers import LimitedReader, read_files
from cardiofusion.readers.limited import MEMORY_BYTES
from cardiofusion.records import LEADS, Recording, RecordingError
from cardiofusion.signal import Examined, ExaminingFault, LimitedExaminer, assess_quality, examine, measure

FLAT = b"# cardiofusion-ecg: 1\n# sampling_rate: 500\n# unit: mV\nI,II\n" + b"0,0\n" * 5000


def ptbxl_files(data_dir: Path, ecg_id: int) -> dict[str, bytes]:
    folder = data_dir / "ptb-xl" / "records500" / "00000"
    return {path.name: path.read_bytes() for path in folder.glob(f"{ecg_id:05d}_hr.*")}


@pytest.fixture(scope="module")
def examiner() -> Iterator[LimitedExaminer]:
    with LimitedExaminer() as running:
        yield running


def same(here: Examined, there: Examined) -> None:
    np.testing.assert_array_equal(there.recording.signal, here.recording.signal)
    for field in fields(Recording):
        if field.name != "signal":
            assert getattr(there.recording, field.name) == getattr(here.recording, field.name)
    # Sums of single precision depend on the number of threads, of which a worker has one.
    wholly, other = (dict(leaves(asdict(one.quality) | measured(one))) for one in (here, there))
    assert other.keys() == wholly.keys()
    for place, value in wholly.items():
        expected = pytest.approx(value, rel=1e-5, abs=1e-6) if isinstance(value, float) else value
        assert other[place] == expected, place


def measured(examined: Examined) -> dict[str, Any]:
    return {} if examined.measurements is None else asdict(examined.measurements)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, entry in items:
            yield from leaves(entry, f"{path}.{key}")
    else:
        yield path, value


def test_it_is_quality_and_all_measurements(make_ecg: Callable[..., Recording]) -> None:
    ecg = make_ecg()
    quality = assess_quality(ecg)
    assert examine(ecg) == Examined(ecg, quality, measure(ecg, quality))
    assert examine(ecg).fit


def test_nothing_is_measured_in_an_ecg_that_is_unfit() -> None:
    examined = examine(Recording(np.zeros((12, 5000), np.float32), 500.0, LEADS))
    assert (examined.fit, examined.measurements) == (False, None)


def test_another_process_says_the_same(data_dir: Path, examiner: LimitedExaminer) -> None:
    for ecg_id in (*range(1, 11), 38, 45):
        files = ptbxl_files(data_dir, ecg_id)
        same(examine(read_files(files)), examiner.examine_files(files))
    same(examine(read_files({"flat.csv": FLAT})), examiner.examine_files({"flat.csv": FLAT}))


def test_it_still_reads_without_examining(data_dir: Path, examiner: LimitedExaminer) -> None:
    files = ptbxl_files(data_dir, 1)
    np.testing.assert_array_equal(examiner.read_files(files).signal, read_files(files).signal)


def test_a_file_that_is_none_is_refused_and_the_next_one_examined(examiner: LimitedExaminer) -> None:
    with pytest.raises(RecordingError) as caught:
        examiner.examine_files({"a.csv": b"nothing"})
    assert caught.value.code != "recording.crash"
    assert not examiner.examine_files({"flat.csv": FLAT}).fit


def test_the_installed_program_is_this_worker_too() -> None:
    assert WORKERS[LimitedExaminer.word] == LimitedExaminer.module
    command = [sys.executable, "-m", "cardiofusion", LimitedExaminer.word, str(MEMORY_BYTES), "10"]
    with LimitedExaminer(command=command) as examiner:
        assert not examiner.examine_files({"flat.csv": FLAT}).fit


SPOILT = [
    '{"quality": {"grade": "splendid"}, "measurements": None}',
    '{"quality": {"grade": "good", "heart_rate": "fast"}, "measurements": None}',
    '{"quality": {"grade": "good"}}',
    '{"quality": {"grade": "good"}, "measurements": {"intervals": {"pr": 160}}}',
    '{"quality": {"grade": "good"}, "measurements": None, "more": 1}',
    '{"quality": {"grade": "unfit"}, "measurements": {}}',
    '{"refused": ["recording.unfit", "a", "b"]}',
    '{"fault": "Mrs Example", "at": "a.py:1"}',
    '{"fault": "ValueError", "at": "a.py:1\\nadmin signed in"}',
    '{"fault": "ValueError"}',
]


@pytest.mark.parametrize("told", SPOILT)
def test_a_worker_that_lies_about_an_ecg_is_ended(told: str) -> None:
    body = f"""
import sys
from cardiofusion.readers import worker
worker.main({{"examine": lambda recording: {told}}})
"""
    command = [sys.executable, "-c", body, str(MEMORY_BYTES), "10"]
    with LimitedExaminer(command=command) as examiner:
        for _ in range(2):  # the next one is a new worker
            with pytest.raises(RecordingError, match=r"flat\.csv") as caught:
                examiner.examine_files({"flat.csv": FLAT})
            assert caught.value.code == "recording.crash"


def answering(told: str) -> LimitedExaminer:
    body = f"""
import sys
from cardiofusion.readers import worker
def told(recording):
    {told}
worker.main({{"examine": told}})
"""
    return LimitedExaminer(command=[sys.executable, "-c", body, str(MEMORY_BYTES), "10"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('Mrs Example')", "ValueError in <string>:"),
        ("return {'quality': float('nan')}", "ValueError in "),
        ("return {'quality': object()}", "TypeError in "),
    ],
)
def test_a_mistake_of_ours_is_told_by_kind_and_place_and_blames_no_file(body: str, words: str) -> None:
    with answering(body) as examiner, pytest.raises(ExaminingFault) as caught:
        examiner.examine_files({"flat.csv": FLAT})
    assert words in str(caught.value)
    assert "Example" not in str(caught.value)


def test_texts_of_a_worker_can_be_written_down() -> None:
    finding = "{'code': 'x', 'severity': 'unfit', 'message': chr(0xD800) + 'a' * 5000}"
    told = f"return {{'quality': {{'grade': 'unfit', 'findings': [{finding}]}}, 'measurements': None}}"
    with answering(told) as examiner:
        (found,) = examiner.examine_files({"flat.csv": FLAT}).quality.findings
    assert 500 < len(found.message.encode()) <= 1000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not limit address space")
def test_nothing_of_one_file_takes_the_memory_of_the_next() -> None:
    samples = 1_500_000
    lines = [f"a.dat 16 200/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    header = "\n".join([f"a 12 500 {samples}", *lines, ""]).encode()
    files = {"a.hea": header, "a.dat": bytes(24 * samples)}
    with LimitedReader(memory_bytes=170 << 20) as reader:
        for _ in range(3):
            assert reader.read_files(files).signal.shape == (12, samples)
