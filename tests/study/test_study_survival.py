"""Studies answer whether, not when: a survival task is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cardiofusion.records import Cohort, StudyError, Task
from cardiofusion.study import data, read_study

STUDY = """
[study]
name = "s"
[data]
dataset = "cardio70k"
path = "here"
[tasks.cardio]
modalities = ["row"]
"""


def test_a_study_of_a_survival_task_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("cardio", ("event",), "survival", ("row",), horizon=2.0)
    outcome = np.array([[1.0, 1.0]], np.float32)
    cohort = Cohort("c", np.array(["1"]), tasks=(task,), outcomes={"cardio": outcome})
    monkeypatch.setattr(data, "load_dataset", lambda name, folder: cohort)
    (tmp_path / "s.toml").write_text(STUDY)
    with pytest.raises(StudyError, match="come later") as caught:
        data.load_study_data(read_study(tmp_path / "s.toml"))
    assert caught.value.code == "study.survival"
    assert caught.value.hint
