"""The process in which LimitedReader reads: a file a request, until its standard input ends.

    python -m cardiofusion.readers.worker MEMORY_BYTES CPU_SECONDS

Memory counts from what the process takes once its packages are loaded, seconds from each request. Whoever
started it watches the clock. It opens no file, writes none, and what a package prints goes nowhere. A room
below may add what else can be asked of a recording (`wishes`).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from cardiofusion.readers.files import read_files
from cardiofusion.readers.wire import GoneError, receive, send, send_recording, take
from cardiofusion.records import ExtraMissingError, Recording, RecordingError, innermost

resource: Any
try:
    import resource
except ImportError:  # Windows: only the clock of whoever started us limits this process
    resource = None

FORMAT_PACKAGES = (
    "pydicom",
    "pydicom.filereader",
    "h5py",
    "polars",
    "soundfile",
)  # readers load them when first needed
OPEN_FILES = 64

Wish = Callable[[Recording], Mapping[str, Any]]
Outcome = TypeVar("Outcome")


def main(wishes: Mapping[str, Wish] | None = None) -> None:
    """Read until there is nothing more to read.

    wishes: by its name in a request, what to say of a recording in a further answer after it.
    """
    memory, seconds = map(int, sys.argv[1:])
    requests, answers = _own_channels()
    for package in FORMAT_PACKAGES:
        with suppress(ImportError):
            importlib.import_module(package)
    _limit_process(memory)
    send(answers, {"ready": True})
    with suppress(GoneError):
        while True:
            _serve(requests, answers, seconds, wishes or {})


def _serve(requests: IO[bytes], answers: IO[bytes], seconds: int, wishes: Mapping[str, Wish]) -> None:
    """One request. Nothing of it stays: the memory is the next one's."""
    request = receive(requests)
    files = {name: bytes(take(requests, size)) for name, size in request["files"]}
    _limit_seconds(seconds)
    recording = _answer(answers, files)
    if recording is not None:
        for name in request["wishes"]:
            send(answers, _outcome(partial(_further, wishes[name], recording)))


def _own_channels() -> tuple[IO[bytes], IO[bytes]]:
    """(requests, answers); the standard output is shut, for packages print to it."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return sys.stdin.buffer, answers


def _limit_process(memory: int) -> None:
    if resource is None:
        return
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_AS, _address_space() + memory)


def _limit_seconds(seconds: int) -> None:
    """Of processor time from now on; past it the system ends the process (SIGXCPU)."""
    if resource is None:
        return
    spent = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + 1 + seconds, hard))


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with suppress(ValueError, OSError):  # a system that knows the limit but does not keep it
        resource.setrlimit(kind, (value, value))


def _address_space() -> int:
    """Bytes of this process's address space; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:
        return 0
    return pages * int(resource.getpagesize())


def _answer(answers: IO[bytes], files: dict[str, bytes]) -> Recording | None:
    """The recording, once it is sent; None where something else was."""
    recording = _outcome(lambda: read_files(files))
    if not isinstance(recording, Recording):
        send(answers, recording)
        return None
    try:
        send_recording(answers, recording)
    except MemoryError:
        send(answers, {"memory": True})
        return None
    return recording


def _further(wish: Wish, recording: Recording) -> dict[str, Any]:
    """Of plain JSON, or a fault like any other."""
    answer: dict[str, Any] = json.loads(json.dumps(wish(recording), allow_nan=False))
    return answer


def _outcome(work: Callable[[], Outcome]) -> Outcome | dict[str, Any]:
    try:
        return work()
    except RecordingError as error:
        if isinstance(error.__cause__, MemoryError):  # where a reader takes any error for a damaged file
            return {"memory": True}
        return {"refused": [error.code, error.message, error.hint]}
    except ExtraMissingError as error:
        return {"missing": [error.feature, error.extra]}
    except MemoryError:
        return {"memory": True}
    except Exception as error:  # noqa: BLE001 - whatever a hostile file does ends here, and is told as a fault
        return {"fault": type(error).__name__, "at": innermost(error)}


if __name__ == "__main__":
    main()
