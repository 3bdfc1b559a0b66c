"""Where a study keeps what each stage has made, so that a killed run goes on from there.

A stage is a folder with its files and `stage.json`: a fingerprint of everything it depends on, and what it
cost. It is written beside its place and moved there when complete: either it is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from cardiofusion.records import CardioFusionError, StorageError, storage_errors, write_text

STAMP = "stage.json"
SPENT = "spent"
LOCK = "lock"


class Reporter(Protocol):
    """Who is told how a study goes."""

    def stage(self, name: str, reused: bool) -> None:
        """A stage begins, or is there already."""

    def step(self, done: int, total: int) -> None:
        """Work inside the stage."""


class Silent:
    """A Reporter that says nothing."""

    def stage(self, name: str, reused: bool) -> None: ...

    def step(self, done: int, total: int) -> None: ...


@dataclass
class Workspace:
    """Stages under `folder`.

    seconds: what each stage took when it was made, stopped runs included. peak_mib: the most memory any
    process held that made one.
    """

    folder: Path
    reporter: Reporter
    seconds: dict[str, float] = field(default_factory=dict)
    peak_mib: int = 0

    def stage(self, name: str, fingerprint: str, make: Callable[[Path], None]) -> Path:
        """The folder of a stage: as it stands where its fingerprint is the same, else made anew by `make`.

        make(folder) writes the stage's files. Raises StorageError where the disk refuses.
        """
        place = self.folder / name
        stamp, reused = _stamp(place), self.has(name, fingerprint)
        self.reporter.stage(name, reused)
        if not reused:
            stamp = self._made(place, fingerprint, make)
        self.seconds[name] = float(stamp["seconds"])
        self.peak_mib = max(self.peak_mib, int(stamp["peak_mib"]))
        return place

    def has(self, name: str, fingerprint: str) -> bool:
        """Whether the stage stands complete, under this fingerprint."""
        stamp = _stamp(self.folder / name)
        return stamp.get("fingerprint") == fingerprint and {"seconds", "peak_mib"} <= set(stamp)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else works in this folder while the block runs. Raises StorageError where somebody does.

        The lock goes with the process, however it ends.
        """
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = (self.folder / LOCK).open("w")
        try:
            _lock(handle, self.folder)
            yield
        finally:
            handle.close()

    def scratch(self, name: str, fingerprint: str) -> Path:
        """A file or folder for what a stage of this fingerprint has so far; gone when it is complete."""
        return self.folder / f"{name}.checkpoint-{fingerprint}"

    def _made(self, place: Path, fingerprint: str, make: Callable[[Path], None]) -> dict[str, Any]:
        unfinished = place.with_name(f"{place.name}.unfinished")
        with storage_errors(place):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            with self._timed(place.name, fingerprint) as spent:
                make(unfinished)
            stamp = {"fingerprint": fingerprint, "seconds": spent(), "peak_mib": peak_memory()}
            write_text(unfinished / STAMP, json.dumps(stamp))
            shutil.rmtree(place, ignore_errors=True)
            unfinished.rename(place)
            for checkpoint in self.folder.glob(f"{place.name}.checkpoint*"):
                shutil.rmtree(checkpoint) if checkpoint.is_dir() else checkpoint.unlink()
        return stamp

    @contextmanager
    def _timed(self, name: str, fingerprint: str) -> Iterator[Callable[[], float]]:
        """A clock that goes on where a stopped run of the same stage left it."""
        kept = self.folder / f"{name}.checkpoint-{SPENT}"
        before = _json(kept)
        earlier = float(before.get("seconds", 0.0)) if before.get("fingerprint") == fingerprint else 0.0
        started = time.monotonic()

        def spent() -> float:
            return round(earlier + time.monotonic() - started, 2)

        try:
            yield spent
        except BaseException:
            with contextlib.suppress(CardioFusionError):  # what stopped it is worth more than its time
                write_text(kept, json.dumps({"fingerprint": fingerprint, "seconds": spent()}))
            raise


def _lock(handle: IO[str], folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: no such lock, and no way to start two by a slip of the shell's "&"
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StorageError(
            "storage.busy", f"another run is working in {folder.name}", "wait for it, or give another --out"
        ) from error


def _stamp(place: Path) -> dict[str, Any]:
    return _json(place / STAMP)


def _json(path: Path) -> dict[str, Any]:
    """Empty where there is nothing that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def peak_memory() -> int:
    """The most memory held so far, MiB: of this process, and of the largest it started and saw end, together.

    0 where the system does not say (Windows).
    """
    try:
        import resource
    except ImportError:
        return 0
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    held = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return int(sum(held) // unit)


def save_json(path: Path, document: Any) -> None:
    write_text(path, json.dumps(document, indent=1, allow_nan=False))


def load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
