"""Which cases the worklist shows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from cardiofusion.serve.store.tables import Case, CaseFile, Patient
from cardiofusion.serve.store.text import clean


@dataclass(frozen=True)
class Search:
    """text: part of a patient's number or a file's name, or the start of a case's id. The rest: exactly."""

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


def ecg_before(case: Case) -> Select[Case]:
    """The same patient's newest ECG of before `case`: by the ECG's own time, else by when it was taken in."""
    when = func.coalesce(Case.recorded, Case.created)
    mine = case.recorded or case.created.replace(tzinfo=None)
    return (
        select(Case)
        .where(Case.patient_id == case.patient_id, Case.id != case.id, Case.status == "assessed")
        .where(Case.grade.is_not(None), when < mine)
        .order_by(when.desc(), Case.id)
        .limit(1)
    )


def _says(text: str) -> ColumnElement[bool]:
    patients = select(Patient.id).where(Patient.identifier.icontains(text, autoescape=True))
    named = select(CaseFile.case_id).where(CaseFile.name.icontains(text, autoescape=True))
    # Lists that are made once, rather than a question for every case: ten times faster with many cases.
    begins = Case.id.startswith(text.lower(), autoescape=True)
    return or_(begins, Case.patient_id.in_(patients), Case.id.in_(named))
