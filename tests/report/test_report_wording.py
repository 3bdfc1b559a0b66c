"""Names and units as people write them."""

from __future__ import annotations

import pytest

from cardiofusion.report.wording import spoken, unit_words


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("10^6/uL", "10⁶/µL"),
        ("ug/dL", "µg/dL"),
        ("mL/min/1.73m2", "mL/min/1.73m²"),
        ("kg/m2", "kg/m²"),
        ("mmHg", "mmHg"),
        ("", ""),
    ],
)
def test_units_are_written_as_people_write_them(unit: str, written: str) -> None:
    assert unit_words(unit) == written


def test_abbreviations_stay_abbreviations() -> None:
    assert [spoken(name) for name in ("bmi", "hdl_cholesterol", "red_blood_cells")] == [
        "BMI",
        "HDL cholesterol",
        "red blood cells",
    ]
