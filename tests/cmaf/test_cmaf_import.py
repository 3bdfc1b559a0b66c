"""The room's door: alignment is light, torch comes in with the first model name."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cardiofusion.cmaf

LIGHT = """
import sys
import cardiofusion.cmaf as room
assert "torch" not in sys.modules
room.match_covariates, room.LatentDistribution
assert "torch" not in sys.modules
room.CMAFConfig
assert "torch" in sys.modules
"""


def test_torch_loads_with_the_first_name() -> None:
    ran = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_every_public_name_is_there() -> None:
    for name in cardiofusion.cmaf.__all__:
        assert getattr(cardiofusion.cmaf, name) is not None
    with pytest.raises(AttributeError):
        cardiofusion.cmaf.nothing_of_that_name  # noqa: B018 (the access is the test)
