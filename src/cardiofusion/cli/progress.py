"""Progress on stderr: a bar a stage on a terminal, a line a stage elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_SECONDS = 20.0  # in a log, a long stage says at least this often that it lives


class ConsoleReporter:
    """A study.Reporter that draws on stderr. Use as a context manager."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._bar: TaskID | None = None
        self._name = ""
        self._said = 0.0

    def __enter__(self) -> ConsoleReporter:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage(self, name: str, reused: bool) -> None:
        self._name, self._said = name, time.monotonic()
        if reused or not self._console.is_terminal:
            self._console.print(f"{name}: {'kept from the last run' if reused else '...'}")
        self._bar = None if reused else self._bars.add_task(name, total=None)

    def step(self, done: int, total: int) -> None:
        if self._bar is not None:
            self._bars.update(self._bar, completed=done, total=total)
        if not self._console.is_terminal and time.monotonic() - self._said > LINE_SECONDS:
            self._console.print(f"{self._name}: {done} of {total}")
            self._said = time.monotonic()
