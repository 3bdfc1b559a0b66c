"""What a stage cost, when a run was stopped on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cardiofusion.study import workspace as module
from cardiofusion.study.workspace import Silent, Workspace


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


def stopped(space: Workspace, clock: Clock, seconds: float, fingerprint: str) -> None:
    def make(folder: Path) -> None:
        clock.now += seconds
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        space.stage("slow", fingerprint, make)


def finished(space: Workspace, clock: Clock, seconds: float, fingerprint: str) -> float:
    def make(folder: Path) -> None:
        clock.now += seconds

    place = space.stage("slow", fingerprint, make)
    assert json.loads((place / "stage.json").read_text())["seconds"] == space.seconds["slow"]
    return space.seconds["slow"]


def test_a_stage_that_was_stopped_counts_all_its_legs(tmp_path: Path, clock: Clock) -> None:
    stopped(Workspace(tmp_path, Silent()), clock, 40.0, "a")
    stopped(Workspace(tmp_path, Silent()), clock, 8.0, "a")
    assert finished(Workspace(tmp_path, Silent()), clock, 5.0, "a") == 53.0
    assert [path.name for path in tmp_path.iterdir()] == ["slow"]


def test_legs_of_another_fingerprint_do_not_count(tmp_path: Path, clock: Clock) -> None:
    stopped(Workspace(tmp_path, Silent()), clock, 40.0, "a")
    assert finished(Workspace(tmp_path, Silent()), clock, 5.0, "b") == 5.0
    assert finished(Workspace(tmp_path, Silent()), clock, 7.0, "c") == 7.0
