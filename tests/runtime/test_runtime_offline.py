"""Nothing is told to anyone: ONNX Runtime's builds report what they load, unless they are kept from it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from cardiofusion.runtime import System
from cardiofusion.simulate import virtual_cohort
recording = virtual_cohort(1, 7).recordings[0].read()
print(len(System.load(None).assess(recording, {"age": 61, "sex": "male"}).tasks))
"""


def test_an_assessment_leaves_nothing_in_the_users_home(tmp_path: Path) -> None:
    # Nothing else of ours is passed on: it keeps quiet by itself where variables look like those of a test.
    surroundings = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=surroundings | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1
    assert [str(path) for path in tmp_path.rglob("*")] == []
