"""Files from strangers, read in a process of their own with limits on memory and time.

    with LimitedReader(workers=2) as reader:  # a server keeps one
        recording = reader.read(content, "upload.dcm")

What the file does to that process, it cannot do to ours: it is ended, and the next file gets a new one. Its
answers are checked like the file itself. A worker reads many files, so one that took it over could lie about
the next: READS_A_WORKER = 1 (or `read_limited`) keeps them apart, for the price of an interpreter's start.

Limits are the system's (POSIX `setrlimit`); on Windows only the clock holds.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

from cardiofusion.readers.format import HINT, MAX_FILE_BYTES
from cardiofusion.readers.wire import GoneError, WireError, receive, receive_recording, send
from cardiofusion.records import CardioFusionError, Recording, RecordingError

SECONDS = 10.0  # by the clock, for one file
MEMORY_BYTES = 1 << 30  # beyond what a worker takes before its first file
START_SECONDS = 60.0
DYING_SECONDS = 2.0  # from the end of its answers to its own
READS_A_WORKER = 500

SPENT = -getattr(signal, "SIGXCPU", 1 << 20)  # the status of a process whose processor time is over
_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "SYSTEMROOT", "TMPDIR", "TEMP")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")

Answer = TypeVar("Answer")


def read_limited(
    content: bytes, name: str, *, seconds: float = SECONDS, memory_bytes: int = MEMORY_BYTES
) -> Recording:
    """`read_bytes` in a process started for this one file (about half a second).

    Raises what it raises there, and RecordingError "recording.too_slow", "recording.too_large" or
    "recording.crash".
    """
    with LimitedReader(seconds=seconds, memory_bytes=memory_bytes) as reader:
        return reader.read(content, name)


class LimitedReader:
    """Worker processes that read files, each its own at a time. A context manager; many threads may share it.

    workers: at most so many, started when first needed; whoever comes when all are busy waits.
    seconds: for a file, by the clock. memory_bytes: for a file. reads_a_worker: then it is replaced.
    command: what runs as a worker, in place of ours.
    """

    module = "cardiofusion.readers.worker"
    word = "reader-worker"  # the same in the installed program: see `__main__`

    def __init__(
        self,
        workers: int = 1,
        *,
        seconds: float = SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        reads_a_worker: int = READS_A_WORKER,
        command: Sequence[str] | None = None,
    ) -> None:
        self.seconds = seconds
        self.reads_a_worker = reads_a_worker
        self._command = list(command or self._of_ours(memory_bytes, seconds))
        self._free = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._closed = False

    def read(self, content: bytes, name: str) -> Recording:
        """A file as a Recording. name: for messages.

        Raises RecordingError: what the file's reader found, or "recording.size" (over MAX_FILE_BYTES),
        "recording.too_slow", "recording.too_large", "recording.crash". ExtraMissingError as `read_bytes`.
        """
        return self.read_files({name: content})

    def read_files(self, files: Mapping[str, bytes]) -> Recording:
        """The same for a recording that lies in several files, by their names."""
        return self._ask(files, (), receive_recording)

    def _ask(
        self, files: Mapping[str, bytes], wishes: Sequence[str], taken: Callable[[IO[bytes]], Answer]
    ) -> Answer:
        """What a worker makes of some files. wishes: what else it is to say of them; see `worker.main`."""
        size = sum(map(len, files.values()))
        if size > MAX_FILE_BYTES:
            what = f"{' and '.join(files)[:80]!r} has {size:,} bytes"
            raise RecordingError("recording.size", what, f"at most {MAX_FILE_BYTES:,} are read")
        with self._worker() as worker:
            return worker.ask(files, self.seconds, wishes, taken)

    @classmethod
    def _of_ours(cls, memory_bytes: int, seconds: float) -> list[str]:
        limits = [str(memory_bytes), str(math.ceil(seconds))]
        if getattr(sys, "frozen", False):  # the installed program: no interpreter that would run a module
            return [sys.executable, cls.word, *limits]
        return [sys.executable, "-P", "-m", cls.module, *limits]

    def close(self) -> None:
        """End the idle workers; those at work end after their file."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for worker in idle:
            worker.end()

    def __enter__(self) -> LimitedReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        """A worker that nobody else uses; afterwards it waits for the next file, or is ended."""
        with self._free:
            worker = self._take()
            try:
                yield worker
            finally:
                self._give_back(worker)

    def _take(self) -> _Worker:
        while True:
            with self._lock:
                if self._closed:
                    raise RuntimeError("this LimitedReader is closed")
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                return _Worker(self._command)
            if worker.alive:
                return worker
            worker.end()

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            keep = worker.sound and worker.reads < self.reads_a_worker and not self._closed
            if keep:
                self._idle.append(worker)
        if not keep:
            worker.end()


class _Worker:
    """One process. reads: files it was given. sound: whether it answered each as it should."""

    def __init__(self, command: Sequence[str]) -> None:
        self.reads = 0
        self.sound = False
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(
        self,
        files: Mapping[str, bytes],
        seconds: float,
        wishes: Sequence[str],
        taken: Callable[[IO[bytes]], Answer],
    ) -> Answer:
        """Raises RecordingError, ExtraMissingError."""
        name = " and ".join(files)[:80]
        if not self.reads:
            self._start()
        self.reads += 1
        self.sound = False
        with _deadline(self._kill, seconds) as expired:
            try:
                return self._exchange(files, wishes, taken)
            except MemoryError as error:
                raise _too_large(name) from error
            except (WireError, OSError) as error:
                raise self._death(f"{name!r}", expired, error) from error
            finally:
                self.sound = self.sound and not expired.is_set()

    def end(self) -> None:
        """End the process and whatever it started, and let go of it."""
        self._kill()
        for stream in (self._requests, self._answers):
            with suppress(OSError):  # what was not sent any more
                stream.close()
        self._process.wait()

    def _start(self) -> None:
        """Wait until it is ready, so that its start does not count as a file's time."""
        with _deadline(self._kill, START_SECONDS):
            try:
                receive(self._answers)
            except WireError as error:
                raise RecordingError(
                    "recording.crash",
                    "the process that reads files does not start",
                    "see whether `python -m cardiofusion --version` runs, and how much memory is free",
                ) from error

    def _exchange(
        self, files: Mapping[str, bytes], wishes: Sequence[str], taken: Callable[[IO[bytes]], Answer]
    ) -> Answer:
        sizes = [(name, len(content)) for name, content in files.items()]
        send(self._requests, {"files": sizes, "wishes": [*wishes]}, *files.values())
        try:
            answer = taken(self._answers)
        except CardioFusionError:
            self.sound = True
            raise
        self.sound = True
        return answer

    def _death(self, name: str, expired: threading.Event, error: Exception) -> RecordingError:
        """What to say of a worker that gave no answer."""
        if not isinstance(error, WireError) or isinstance(error, GoneError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(DYING_SECONDS)
        if expired.is_set() or self._process.returncode == SPENT:
            return RecordingError(
                "recording.too_slow",
                f"{name} takes too long to read",
                "export one ECG, or the part you need; do not trust a small file that takes so long",
            )
        why = str(error) if isinstance(error, WireError) else "it ended"
        return RecordingError("recording.crash", f"{name} stopped the process that read it ({why})", HINT)

    def _kill(self) -> None:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()


@contextmanager
def _deadline(act: Callable[[], None], seconds: float) -> Iterator[threading.Event]:
    """Act once the time is over, unless we are through before. Gives whether it was."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        act()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()
        timer.join()


def _too_large(name: str) -> RecordingError:
    return RecordingError(
        "recording.too_large",
        f"{name!r} takes too much memory to read",
        "export one ECG, or the part you need; do not trust a small file that grows so",
    )


def _environment() -> dict[str, str]:
    """Of a worker: where Python and its libraries are, one thread, and nothing that is ours."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    ours = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [ours, os.environ.get("PYTHONPATH")]))
    return {
        **kept,
        **dict.fromkeys(_THREADS, "1"),
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "RUST_BACKTRACE": "0",
    }
