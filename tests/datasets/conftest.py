"""Small made-up files in the publishers' layouts: nobody in them is real."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cardiofusion.datasets import load_heart_failure, load_music, load_nhanes1, load_uci_heart
from cardiofusion.datasets.heart_failure import SOURCES as FAILURE
from cardiofusion.datasets.music_columns import CLINICAL, ECG, LEFT_OUT
from cardiofusion.datasets.nhanes1 import SOURCES as NHANES
from cardiofusion.datasets.sources import Source
from cardiofusion.datasets.uci_heart import HOSPITALS
from cardiofusion.datasets.uci_heart import SOURCES as UCI
from cardiofusion.records import Cohort

PEOPLE = 6


@dataclass
class Planted:
    """The files of a made-up data set. files: name -> rows by heading; change them, then `load`."""

    folder: Path
    files: dict[str, list[dict[str, str]]]
    loader: Callable[[Path], Cohort]
    delimiter: str = ","
    headings: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> list[dict[str, str]]:
        """Of the first file."""
        return next(iter(self.files.values()))

    @property
    def main(self) -> Path:
        return self.folder / next(iter(self.files))

    def write(self) -> None:
        for name, rows in self.files.items():
            with (self.folder / name).open("w", newline="", encoding="latin-1") as handle:
                writer = csv.writer(handle, delimiter=self.delimiter)
                writer.writerow([self.headings.get(heading, heading) for heading in rows[0]])
                writer.writerows(row.values() for row in rows)

    def load(self) -> Cohort:
        self.write()
        return self.loader(self.folder)


def people(sources: tuple[Source, ...], decimal: str = ".") -> list[dict[str, str]]:
    """Rows of plausible cells as the file writes them; each column has some variety."""
    return [{s.heading: _cell(s, person).replace(".", decimal) for s in sources} for person in range(PEOPLE)]


def _cell(source: Source, person: int) -> str:
    column = source.column
    if column.kind == "category":
        codes = list(column.codes)
        return codes[person % len(codes)]
    share = 0.3 + 0.05 * person
    return f"{(column.low + share * (column.high - column.low)) / source.factor:.3f}"


@pytest.fixture
def nhanes1(tmp_path: Path) -> Planted:
    rows = [{"": str(n), **row} for n, row in enumerate(people(NHANES))]
    years = ["15.25", "-21.5", "-0.0", "0.5", "-18.0", "-20.75"]
    y = [{"": str(n), "y": value} for n, value in enumerate(years)]
    return Planted(tmp_path, {"NHANESI_subset_X.csv": rows, "NHANESI_subset_y.csv": y}, load_nhanes1)


@pytest.fixture
def music(tmp_path: Path) -> Planted:
    rows = []
    exits = [("", "0"), ("3", "1"), ("3", "3"), ("3", "6"), ("2", "0"), ("3", "7")]
    for n, (row, (left, cause)) in enumerate(zip(people((*CLINICAL, *ECG), decimal=","), exits, strict=True)):
        other = dict.fromkeys(LEFT_OUT, "0") | {
            "Patient ID": f"P{n:04}",
            "Follow-up period from enrollment (days)": str(400 + 300 * n),
            "Exit of the study": left,
            "Cause of death": cause,
            "Number of ventricular premature contractions per hour": "4.583.333.333",
            "Holter onset (hh:mm:ss)": "'11:38:43'",
        }
        rows.append(other | row)
    headings = {
        "Average RR (ms) (1)": "Average RR (ms) ",
        "Average RR (ms) (2)": "Average RR (ms)",
        "ECG rhythm": "ECG rhythm ",
        "Creatinine (?mol/L)": "Creatinine (µmol/L)",
    }
    return Planted(tmp_path, {"subject-info.csv": rows}, load_music, ";", headings)


@pytest.fixture
def uci(tmp_path: Path) -> Planted:
    rows = []
    for n, row in enumerate(people(UCI)):
        row |= {"ca": str(n % 4)}
        rows.append({"id": str(n + 1), "dataset": HOSPITALS[n % 4], **row, "num": str(n % 5)})
    return Planted(tmp_path, {"heart_disease_uci_4sites.csv": rows}, load_uci_heart)


@pytest.fixture
def failure(tmp_path: Path) -> Planted:
    rows = [
        {**row, "time": str(4 + 40 * n), "DEATH_EVENT": str(n % 2)} for n, row in enumerate(people(FAILURE))
    ]
    return Planted(tmp_path, {"heart_failure_clinical_records_dataset.csv": rows}, load_heart_failure)
