"""Files read a second, ours and the peer's in turn on the same files, the best of ROUNDS for each file."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cardiofusion.readers import LimitedReader, find_recordings, read_bytes, read_recording
from specimens import WRITERS, synthetic

ROUNDS = 5
RECORDS = 200  # of PTB-XL at 500 Hz
RATE = 500.0  # Hz of the virtual ECG, 12 leads of 10 s (CODE-15%: 400 Hz; Apple Health: one lead)

Read = Callable[[Path], object]


def speed(name: str, paths: Sequence[Path], peer_name: str = "", peer: Read | None = None) -> dict[str, Any]:
    """Files a second of both, and their ratio."""
    reads: list[Read] = [read_recording, *([peer] if peer else [])]
    best = [_best(reads, path) for path in paths]
    seconds = [sum(times) for times in zip(*best, strict=True)]
    found: dict[str, Any] = {"files": name, "n": len(paths), "ours": len(paths) / seconds[0]}
    if peer:
        found |= {"peer": peer_name, "theirs": len(paths) / seconds[1], "ratio": seconds[1] / seconds[0]}
    return found


def _best(reads: Sequence[Read], path: Path) -> list[float]:
    times = [[_seconds(read, path) for read in reads] for _ in range(ROUNDS)]
    return [min(of_one) for of_one in zip(*times, strict=True)]


def _seconds(read: Read, path: Path) -> float:
    started = time.perf_counter()
    read(path)
    return time.perf_counter() - started


def of_records(data: Path) -> list[dict[str, Any]]:
    """PTB-XL at 500 Hz beside wfdb, where it is."""
    folder = data / "ptb-xl" / "records500"
    if not folder.is_dir():
        return []
    return [speed("WFDB: PTB-XL, 500 Hz", find_recordings(folder)[:RECORDS], "wfdb", _wfdb)]


def of_virtual() -> list[dict[str, Any]]:
    """The virtual ECG in every format of one file, beside a package that reads the format."""
    peers = {"DICOM": ("pydicom", _pydicom), "EDF": ("pyEDFlib", _pyedflib)}
    found = []
    with TemporaryDirectory() as folder:
        for format_name in WRITERS.keys() - {"WFDB"}:
            for_format = synthetic(format_name, RATE)[0].files
            ((name, content),) = for_format.items()
            path = Path(folder) / name
            path.write_bytes(content)
            found.append(speed(format_name, [path], *peers.get(format_name, ())))
    return sorted(found, key=lambda row: str(row["files"]))


def of_worker() -> dict[str, Any]:
    """What reading in a process of its own costs, for a DICOM file."""
    ((name, content),) = synthetic("DICOM", RATE)[0].files.items()
    with LimitedReader() as reader:
        reader.read(content, name)
        pairs = [
            (_of(lambda: read_bytes(content, name)), _of(lambda: reader.read(content, name)))
            for _ in range(50)
        ]
    here, there = (sorted(times)[len(pairs) // 2] for times in zip(*pairs, strict=True))
    return {"here_ms": 1e3 * here, "worker_ms": 1e3 * there, "n": len(pairs)}


def _of(read: Callable[[], object]) -> float:
    started = time.perf_counter()
    read()
    return time.perf_counter() - started


def _wfdb(path: Path) -> object:
    import wfdb

    return wfdb.rdrecord(str(path.with_suffix("")))


def _pydicom(path: Path) -> object:
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path).waveform_array(0)


def _pyedflib(path: Path) -> object:
    import pyedflib

    with pyedflib.EdfReader(str(path)) as reader:
        return [reader.readSignal(k) for k in range(reader.signals_in_file)]
