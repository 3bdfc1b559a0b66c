"""The worklist as CSV (RFC 4180): one line a target of an assessed case, one line a case that has no answer.

    case            random id, as in addresses
    received        when it was taken in, ISO 8601, UTC
    recorded        the ECG's own time, which has no zone
    patient         number, as the file or the form says it
    age, sex        years; "female" or "male"
    source          page, api, batch, fhir, dicom or example
    status          received, assessed or refused
    refusal         why it was refused, a code
    quality         of the ECG: good, fair or unfit
    warnings        how many stand on the sheet
    cautions        their codes, for example wrong_patient or child, separated by spaces
    task, target    what is answered
    answer          present, absent, "cannot tell" (both are possible), unlike (neither is), or closed: the
                    bundle does not know such patients, or not whose data these are
    probability     calibrated, 0 to 1; empty where the answer is closed
    horizon         years within which an event is meant
    outcome         what turned out to be true, as entered last: present, absent or unknown
    bundle          SHA-256 of the bundle that answered
    files           names, separated by "; "

A spreadsheet runs a cell that begins with = + - @ as a formula. File names and patient numbers come from
outside, so such a cell, or one that begins with a tab or a line's end, begins with an apostrophe here (OWASP,
"CSV injection").
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cardiofusion.serve.store import Search, Store
from cardiofusion.serve.store.tables import Case

COLUMNS = (
    *("case", "received", "recorded", "patient", "age", "sex", "source", "status", "refusal", "quality"),
    *(
        "warnings",
        "cautions",
        "task",
        "target",
        "answer",
        "probability",
        "horizon",
        "outcome",
        "bundle",
        "files",
    ),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
MEDIA_TYPE = "text/csv; charset=utf-8"


def worklist_csv(store: Store, search: Search) -> Iterator[str]:
    """The heading, then the matching cases, the newest first, in pieces of text. Raises StorageError."""
    yield _text([COLUMNS])
    for case in store.every(search):
        yield _text(_lines(case))


def _lines(case: Case) -> Iterator[tuple[object, ...]]:
    """The cells of a case's lines, in the order of COLUMNS."""
    headline = case.headline if case.status == "assessed" else None
    outcomes = {(outcome.task, outcome.target): outcome.verdict for outcome in case.outcomes}
    before = (
        *(case.id, _moment(case.created), _moment(case.recorded), case.patient and case.patient.identifier),
        *(case.age, case.sex, case.source, case.status, (case.refusal or {}).get("code"), case.grade),
    )
    after = (case.bundle_hash, "; ".join(file.name for file in case.files))
    told = headline or {}
    noted = (told.get("warnings"), " ".join(told.get("cautions", ())))
    for task, target, answer, probability, horizon in told.get("findings") or [[None] * 5]:
        said = ("closed", None) if task in told.get("closed", ()) else (answer, probability)
        yield (*before, *noted, task, target, *said, horizon, outcomes.get((task, target)), *after)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _text(lines: Any) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([_cell(value) for value in line] for line in lines)
    return out.getvalue()


def _cell(value: object) -> object:
    """Harmless in a spreadsheet; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
