"""Which cases the worklist shows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, or_, select

from cardiofusion.serve.store.tables import Case, CaseFile, Patient
from cardiofusion.serve.store.text import clean

AGE_TOLERANCE_YEARS = 2.0  # ages are whole years in most files, and may be typed
DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Search:
    """text: part of a patient's number or a file's name, or the start of a case's id. The rest: exactly.

    A number also finds what it was typed beside, where the ECG is another patient's.
    """

    text: str = ""
    status: str = ""
    batch: str = ""
    patient: str = ""
    page: int = 1


def matching(search: Search) -> list[ColumnElement[bool]]:
    """The conditions that a case has to meet, whatever the page."""
    exact = (
        (Case.status, search.status),
        (Case.batch_id, search.batch),
        (Case.patient_id, search.patient),
    )
    conditions = [column == clean(wanted) for column, wanted in exact if wanted]
    text = clean(search.text).strip()
    return [*conditions, _says(text)] if text else conditions


def newest_first(search: Search, after: Case | None = None) -> Select[Case]:
    """Matching cases, the newest first, from the one that follows `after`."""
    found = select(Case).where(*matching(search)).order_by(Case.created.desc(), Case.id)
    if after is not None:
        same_moment = and_(Case.created == after.created, Case.id > after.id)
        found = found.where(or_(Case.created < after.created, same_moment))
    return found


def ecgs_before(case: Case) -> Select[Case]:
    """ECGs under the same patient's number that were taken before `case`, by their own time, newest first.

    One without a time of its own is none: when a file came in says nothing of when it was taken.
    """
    return (
        select(Case)
        .where(Case.patient_id == case.patient_id, Case.id != case.id, Case.status == "assessed")
        .where(Case.grade.is_not(None), Case.recorded < case.recorded)
        .order_by(Case.recorded.desc(), Case.id)
    )


def in_doubt(case: Case) -> bool:
    """Whether ECG and clinical row of this case may be of two people."""
    return "wrong_patient" in (case.headline or {}).get("cautions", ())


def of_one_person(earlier: Case, case: Case) -> bool:
    """Whether two ECGs under one number can be compared: numbers are mistyped, and given twice.

    Not where it is in doubt whose one of them is, sexes differ, ages do not fit the time between, or both are
    the same files.
    """
    if in_doubt(earlier) or in_doubt(case) or _hashes(earlier) == _hashes(case):
        return False
    if earlier.sex and case.sex and earlier.sex != case.sex:
        return False
    return _aged(earlier, case)


def _aged(earlier: Case, case: Case) -> bool:
    if earlier.age is None or case.age is None or earlier.recorded is None or case.recorded is None:
        return True  # nothing contradicts it
    years = (case.recorded - earlier.recorded).days / DAYS_A_YEAR
    return abs(case.age - earlier.age - years) <= AGE_TOLERANCE_YEARS


def _hashes(case: Case) -> set[str]:
    return {file.sha256 for file in case.files}


def _says(text: str) -> ColumnElement[bool]:
    patients = select(Patient.id).where(Patient.identifier.icontains(text, autoescape=True))
    named = select(CaseFile.case_id).where(CaseFile.name.icontains(text, autoescape=True))
    # Lists that are made once, rather than a question for every case: ten times faster with many cases.
    begins = Case.id.startswith(text.lower(), autoescape=True)
    # Also the number that was typed beside an ECG of another: whoever typed it looks for that one.
    typed = Case.row["patient_id"].as_string().icontains(text, autoescape=True)
    return or_(begins, Case.patient_id.in_(patients), Case.id.in_(named), typed)
