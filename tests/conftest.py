"""Fixtures every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: CARDIOFUSION_DATA, else ../shared/data beside the repository."""
    folder = Path(os.environ.get("CARDIOFUSION_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ptb-xl").is_dir():
        pytest.skip(f"no real data: neither CARDIOFUSION_DATA nor {folder.name} beside the repository")
    return folder
