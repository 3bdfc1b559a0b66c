"""Reading in a process of its own: the same answers, and no harm from files or from a worker taken over."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.__main__ import WORKERS
from cardiofusion.readers import LimitedReader, read_bytes, read_limited
from cardiofusion.readers.limited import MEMORY_BYTES
from cardiofusion.readers.wire import MAX_HEADER_BYTES
from cardiofusion.records import Recording, RecordingError

TABLE = (
    b"# cardiofusion-ecg: 1\n# sampling_rate: 500\n# unit: mV\n"
    b"# age: 63\n# sex: F\n# time: 2024-05-30T16:32:18\n"
)
SMALL = TABLE + b"V1,V2,V3\n0.5,0.25,-1\n-0.5,,2\n"
MINUTES = TABLE + b"I\n" + b"0.125\n" * 4_000_000  # half a second and more, hundreds of megabytes to read
SLOW_START = 'import sys\nout = sys.stdout.buffer\nout.write(b"\\0\\0\\0\\2{}"), out.flush()\n'


def code_of(read: Callable[[], Recording]) -> str:
    with pytest.raises(RecordingError) as caught:
        read()
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value.code


def command(body: str) -> list[str]:
    """A worker that says it is ready, and then misbehaves."""
    return [sys.executable, "-c", SLOW_START + body]


def refused(body: str, seconds: float = 20.0) -> str:
    with LimitedReader(command=command(body), seconds=seconds) as reader:
        return code_of(lambda: reader.read(SMALL, "a.csv"))


def test_the_same_recording_as_without_limits() -> None:
    here = read_bytes(SMALL, "a/b.csv")
    for there in (read_limited(SMALL, "a/b.csv"),):
        for field in fields(Recording):
            if field.name != "signal":
                assert getattr(there, field.name) == getattr(here, field.name), field.name
        np.testing.assert_array_equal(there.signal, here.signal)
        assert there.signal.flags.writeable


def test_the_way_by_which_the_installed_program_is_its_own_worker() -> None:
    assert WORKERS[LimitedReader.word] == LimitedReader.module
    here = read_bytes(SMALL, "a.csv")
    command = [sys.executable, "-X", "importtime", "-m", "cardiofusion", LimitedReader.word]
    with LimitedReader(command=[*command, str(MEMORY_BYTES), "10"]) as reader:
        np.testing.assert_array_equal(reader.read(SMALL, "a.csv").signal, here.signal)
    done = subprocess.run([*command, "1", "1"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "cardiofusion.readers.wire" in loaded
    assert not loaded & {"click", "cardiofusion.cli"}


def test_an_id_with_spaces_is_the_same_id_in_another_process() -> None:
    content = SMALL.replace(b"# age", b"# patient_id: AB  12\n# age")
    assert read_bytes(content, "a.csv").patient_id == read_limited(content, "a.csv").patient_id == "AB 12"


def test_refusals_come_back_as_they_are() -> None:
    with LimitedReader() as reader:
        for content in (b"nothing", SMALL.replace(b"mV", b"kg"), SMALL[:-1], b"<RestingECG>"):
            with pytest.raises(RecordingError) as here:
                read_bytes(content, "x")
            with pytest.raises(RecordingError) as there:
                reader.read(content, "x")
            assert there.value.args == here.value.args
            assert there.value.code == here.value.code
        assert code_of(lambda: reader.read_files({"a": b"1", "b": b"2"})) == "recording.files"
        assert reader.read(SMALL, "x").leads == ("V1", "V2", "V3")


def test_a_file_that_takes_too_long() -> None:
    with LimitedReader(seconds=0.05) as reader:
        assert code_of(lambda: reader.read(MINUTES, "long.csv")) == "recording.too_slow"
        reader.seconds = 20.0
        assert reader.read(SMALL, "a.csv").signal.shape == (3, 2)  # by a new worker


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not limit address space")
def test_a_file_that_takes_too_much_memory() -> None:
    with LimitedReader(memory_bytes=100 << 20) as reader:
        assert code_of(lambda: reader.read(MINUTES, "large.csv")) == "recording.too_large"
        assert reader.read(SMALL, "a.csv").age == 63.0


def test_a_file_larger_than_any_ecg_is_not_even_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardiofusion.readers.limited.MAX_FILE_BYTES", 10)
    with LimitedReader(command=["/does/not/exist"]) as reader:
        assert code_of(lambda: reader.read(SMALL, "a.csv")) == "recording.size"


@pytest.mark.parametrize(
    "body",
    [
        "import os; os.abort()",
        "import os; os.kill(os.getpid(), 11)",
        "out.write(bytes(100)), out.flush(), sys.stdin.buffer.read(1)",
        f"out.write(({MAX_HEADER_BYTES} + 1).to_bytes(4, 'big')), out.flush(), sys.stdin.buffer.read(1)",
        "import os; os.close(1), sys.stdin.buffer.read()",
    ],
)
def test_a_worker_that_dies_or_talks_nonsense(body: str) -> None:
    assert refused(body) == "recording.crash"


@pytest.mark.skipif(os.name != "posix", reason="the limit is the system's")
def test_processor_time_ends_a_worker_too() -> None:
    body = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"
    assert refused(body) in {"recording.too_slow", "recording.crash"}  # SIGXCPU, or SIGKILL at the hard limit


GOOD = {
    "sampling_rate": 500.0, "leads": ["I"], "record_id": "a", "patient_id": None, "age": None, "sex": None,
    "time": None, "source": "a.csv", "calibrated": True, "unverified": ["header"], "measured": {},
    "notes": {},
}  # fmt: skip


def answering(answer: object, content: str = "bytes(8)") -> Recording:
    """What comes of this answer to a request: text is an expression for its bytes, the rest becomes JSON."""
    words = answer if isinstance(answer, str) else f"json.dumps({answer!r}).encode()"
    body = f"""
import json
nan, inf = float("nan"), float("inf")
text = {words}
out.write(len(text).to_bytes(4, "big") + text + {content}), out.flush(), sys.stdin.buffer.read()
"""
    with LimitedReader(command=command(body), seconds=20.0) as reader:
        return reader.read(SMALL, "a.csv")


def test_an_answer_that_is_as_it_should_be() -> None:
    recording = answering({"recording": GOOD, "shape": [1, 2]})
    assert (recording.leads, recording.signal.tolist()) == (("I",), [[0.0, 0.0]])


LIES: list[tuple[object, str]] = [
    ({"recording": GOOD, "shape": [1, 1 << 40]}, "b''"),
    ({"recording": GOOD, "shape": [2, 1]}, "bytes(8)"),
    ({"recording": GOOD, "shape": [-1, -2]}, "bytes(8)"),
    ({"recording": GOOD, "shape": [True, 2]}, "bytes(8)"),
    ({"recording": GOOD, "shape": "12"}, "bytes(8)"),
    ({"recording": GOOD, "shape": [1, 2]}, "bytes([0, 0, 128, 127] * 2)"),  # infinite
    ({"recording": GOOD, "shape": [1, 2]}, "bytes([255, 255, 127, 127] * 2)"),
    ({"recording": [], "shape": [1, 2]}, "bytes(8)"),
    ({"fault": "TypeError"}, "b''"),
    ({"refused": ["recording.x", "m"]}, "b''"),
    ({"refused": ["other\ncode", "m", "h"]}, "b''"),
    ({"missing": [1, 2]}, "b''"),
    ([1], "b''"),
    ("b'[' * 200_000", "b''"),
    ("b'9' * 100_000", "b''"),
    ("bytes([255, 254])", "b''"),
    *(
        ({"recording": GOOD | changed, "shape": [1, 2]}, "bytes(8)")
        for changed in (
            {"sampling_rate": float("nan")}, {"sampling_rate": "500"}, {"sampling_rate": 1e9}, {"age": -1},
            {"age": True}, {"sex": "x"}, {"leads": ["Q"]}, {"leads": "I"}, {"leads": ["I", "I"]},
            {"calibrated": 1}, {"unverified": ["all"]}, {"measured": {"x": 1.0}}, {"measured": {"qt": "1"}},
            {"measured": {"qt": float("inf")}}, {"notes": {"a": 1}}, {"notes": []}, {"time": "noon"},
            {"record_id": None}, {"patient_id": 5},
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("part", range(3))
def test_an_answer_that_lies_is_not_taken(part: int) -> None:
    for answer, content in LIES[part::3]:
        assert code_of(lambda: answering(answer, content)) == "recording.crash", (answer, content)  # noqa: B023


def test_texts_of_an_answer_are_single_short_lines() -> None:
    answer = {"recording": GOOD | {"notes": {"a": "x\n\x85y\ud800" + "z" * 5000}}, "shape": [1, 2]}
    note = answering(answer).notes["a"]
    assert note.isprintable()
    assert len(note) <= 1000
    with pytest.raises(RecordingError) as caught:
        answering({"refused": ["recording.header", "two\nlines", "h"]}, "b''")
    assert caught.value.message == "two lines"


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_what_a_worker_started_ends_with_it(tmp_path: Path) -> None:
    child = "import os, time; open(os.environ['F'], 'w').write(str(os.getpid())); time.sleep(60)"
    body = f"""
import os, subprocess, time
os.environ["F"] = {str(tmp_path / "pid")!r}
subprocess.Popen([sys.executable, "-c", {child!r}])
time.sleep(60)
"""
    with LimitedReader(command=command(body), seconds=3.0) as reader:  # a file that no pipe holds
        assert code_of(lambda: reader.read(MINUTES, "a.csv")) == "recording.too_slow"
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not _running(pid):
            return
        time.sleep(0.05)
    pytest.fail("a child of the worker goes on")


def _running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux shows them")
def test_nothing_is_left_open() -> None:
    threads = threading.active_count()
    with LimitedReader(reads_a_worker=50) as reader:
        reader.read(SMALL, "a.csv")
        before = open_files()
        for _ in range(200):
            reader.read(SMALL, "a.csv")
        assert open_files() == before
    for body in ("import os; os.abort()",) * 5:
        refused(body)
    assert open_files() == before - 2
    assert threading.active_count() == threads


def test_workers_are_replaced_and_shared_by_threads() -> None:
    contents = [TABLE + f"I\n{number}\n".encode() for number in range(40)]
    with LimitedReader(workers=2, reads_a_worker=15) as reader, ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda content: reader.read(content, "a.csv").signal.tolist(), contents)
        assert list(found) == [[[float(number)]] for number in range(40)]
    with pytest.raises(RuntimeError):
        reader.read(SMALL, "a.csv")


def test_a_worker_that_died_while_idle_is_no_fault_of_the_next_file() -> None:
    with LimitedReader() as reader:
        reader.read(SMALL, "a.csv")
        (worker,) = reader._idle
        worker._process.kill()
        worker._process.wait()
        assert reader.read(SMALL, "a.csv").signal.shape == (3, 2)


def test_the_worker_sees_no_secrets_and_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    body = "import os; names = [n for n in os.environ if 'SECRET' in n]\nout.close() if names else os.abort()"
    assert refused(body) == "recording.crash"
    script = (
        "import sys, cardiofusion.readers.worker\nprint([n for n in ('torch', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(os.name != "posix", reason="limits of the system")
def test_the_workers_limits_hold() -> None:
    """Inside a worker: no file can be written, what is printed goes nowhere."""
    script = """
import io, os, sys
from cardiofusion.readers import worker
requests, answers = worker._own_channels()
worker._limit_process(1 << 28)
print("printed by a package")
try:
    with open(sys.argv[1], "wb") as out:
        out.write(bytes(10))
    answers.write(b"wrote")
except OSError:
    answers.write(b"refused")
try:
    bytearray(1 << 29)
    answers.write(b" allocated")
except MemoryError:
    answers.write(b" held")
answers.flush()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, "probe"], capture_output=True, check=False, cwd="/tmp"
    )
    held = b"refused held" if sys.platform.startswith("linux") else b"refused"
    assert done.stdout.startswith(held)
