"""The demo's study is the one in studies/: the package carries a copy, because it may be installed alone."""

from importlib.resources import files
from pathlib import Path

STUDIES = Path(__file__).resolve().parents[2] / "studies"


def test_the_packaged_demo_study_is_the_one_people_read() -> None:
    packaged = files("cardiofusion.study").joinpath("virtual.toml").read_bytes()
    assert packaged == (STUDIES / "virtual.toml").read_bytes()
