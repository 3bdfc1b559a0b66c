"""The room's door: torch comes in with the first name, not before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cardiofusion.tmae

LIGHT = """
import sys
import cardiofusion.tmae as room
assert "torch" not in sys.modules
room.TMAEConfig
assert "torch" in sys.modules
"""


def test_torch_loads_with_the_first_name() -> None:
    ran = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_every_public_name_is_there() -> None:
    for name in cardiofusion.tmae.__all__:
        assert getattr(cardiofusion.tmae, name).__name__ == name
    with pytest.raises(AttributeError):
        cardiofusion.tmae.nothing_of_that_name  # noqa: B018 (the access is the test)
