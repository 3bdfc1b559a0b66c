"""Clinical values from a file or from --set."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from cardiofusion.records import ClinicalError

MAX_BYTES = 1 << 20


def read_clinical(path: Path) -> dict[str, object]:
    """One clinical row: a JSON object, or a CSV with a heading and one row. Raises ClinicalError."""
    text = _text(path)
    return _from_json(text, path) if text.lstrip().startswith(("{", "[")) else _from_csv(text, path)


def read_settings(settings: tuple[str, ...]) -> dict[str, object]:
    """NAME=VALUE pairs. Raises ClinicalError where one has no "=" or a name stands twice."""
    row: dict[str, object] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or not name.strip():
            raise ClinicalError("clinical.setting", f"--set {setting!r} is no NAME=VALUE", "--set age=61")
        if name.strip() in row:
            raise ClinicalError("clinical.twice", f"--set gives {name.strip()} twice", "give each value once")
        row[name.strip()] = value.strip()
    return row


def _text(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            return handle.read(MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ClinicalError(
            "clinical.file",
            f"cannot read {path.name}: {(error.strerror or str(error)).lower()}",
            "check the path",
        ) from error
    except UnicodeDecodeError as error:
        raise ClinicalError("clinical.file", f"{path.name} is not UTF-8 text", "CSV or JSON") from error


def _from_json(text: str, path: Path) -> dict[str, object]:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise ClinicalError("clinical.json", f"{path.name}: {error}", 'write {"age": 61}') from error
    if not isinstance(row, dict) or any(isinstance(value, dict | list) for value in row.values()):
        raise ClinicalError("clinical.json", f"{path.name} is not one row of values", 'write {"age": 61}')
    return {str(name): value for name, value in row.items()}


def _from_csv(text: str, path: Path) -> dict[str, object]:
    sample = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=sample.count)
    rows = [
        row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(cell.strip() for cell in row)
    ]
    if len(rows) != 2:
        raise ClinicalError(
            "clinical.rows",
            f"{path.name} has {max(0, len(rows) - 1)} rows, not one",
            "a heading and one patient",
        )
    if len(rows[0]) != len(rows[1]):
        raise ClinicalError(
            "clinical.rows", f"{path.name}: heading and row differ in length", "check the commas"
        )
    names = [name.strip() for name in rows[0]]
    if len(set(names)) != len(names):
        raise ClinicalError("clinical.twice", f"{path.name} has a column twice", "give each column once")
    return dict(zip(names, rows[1], strict=True))
