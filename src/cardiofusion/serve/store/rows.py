"""Rows that several writers touch at the same time: patients and batches come and go with their cases.

PostgreSQL lets writers run side by side, so whoever relies on a row locks it first, always in the order
case, patient, batch: then nobody waits in a circle. SQLite's writers take turns anyway.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table as SqlTable
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session as Connection

from cardiofusion.serve.store.tables import Batch, Case, CaseFile, Patient, new_id, now
from cardiofusion.serve.store.text import clean_identifier

# Columns of what a case was answered.
ANSWER = ("assessment", "headline", "recorded", "age", "sex", "grade", "embedding", "bundle_hash")


def patient_of(connection: Connection, identifier: str | None) -> Patient | None:
    """The patient of that number, made where there is none, kept from being removed; None for no number."""
    known = clean_identifier(identifier)
    while known:  # twice, unless somebody removes what was just made
        found = connection.scalar(
            select(Patient).where(Patient.identifier == known).with_for_update(read=True, key_share=True)
        )
        if found is not None:
            return found
        _make_patient(connection, known)  # or somebody else does at this moment: then it is theirs
    return None


def _make_patient(connection: Connection, identifier: str) -> None:
    insert = sqlite_insert if connection.get_bind().dialect.name == "sqlite" else postgresql_insert
    table: Any = Patient.__table__
    assert isinstance(table, SqlTable)
    connection.execute(insert(table).values(id=new_id(), identifier=identifier).on_conflict_do_nothing())


def batch_of(connection: Connection, batch_id: str | None) -> str | None:
    """The batch's id, kept from being removed; None where it was removed with its last case."""
    if batch_id is None:
        return None
    found = select(Batch.id).where(Batch.id == batch_id).with_for_update(read=True, key_share=True)
    return connection.scalar(found)


def locked_case(connection: Connection, case_id: str) -> Case | None:
    """A case that nobody else changes until this transaction ends; None where there is none."""
    return connection.get(Case, case_id, with_for_update=True)


def remove_if_empty(connection: Connection, patient_id: str) -> None:
    """The patient's row, where no case is left: in a transaction that holds no other patient."""
    _remove_empty(connection, Patient, patient_id, Case.patient_id)


def remove_empty_patients(connection: Connection) -> None:
    """All that have no case: a sudden end may leave one."""
    holding = select(Case.patient_id).where(Case.patient_id.is_not(None))
    connection.execute(delete(Patient).where(Patient.id.not_in(holding)))


def correct_case(connection: Connection, case: Case, row: dict[str, Any], patient: str, actor: str) -> None:
    """Another row and number; the answer to the old ones is gone, they themselves are kept."""
    number = case.patient.identifier if case.patient else None
    old = {"entered": now().isoformat(), "actor": actor, "patient": number, "row": case.row}
    case.corrections = [*(case.corrections or []), old]
    case.row, case.patient = row, patient_of(connection, patient)
    case.status, case.attempts, case.refusal = "received", 0, None
    for column in ANSWER:
        setattr(case, column, None)


def remove_case(connection: Connection, case: Case) -> None:
    """Its rows, and those of a patient or a batch that has no other case."""
    patient, batch = case.patient_id, case.batch_id
    connection.delete(case)
    connection.flush()
    _remove_empty(connection, Patient, patient, Case.patient_id)
    _remove_empty(connection, Batch, batch, Case.batch_id)


def _remove_empty(connection: Connection, table: type[Patient | Batch], key: str | None, column: Any) -> None:
    found = None if key is None else connection.get(table, key, with_for_update=True)
    if found is None or connection.scalar(select(func.count()).select_from(Case).where(column == key)):
        return
    connection.delete(found)
    connection.flush()


def held(connection: Connection, hashes: set[str]) -> set[str]:
    """Which of these files a case holds."""
    found: set[str] = set()
    ordered = sorted(hashes)
    for start in range(0, len(ordered), 500):  # SQLite counts the values of one statement
        part = ordered[start : start + 500]
        found.update(connection.scalars(select(CaseFile.sha256).where(CaseFile.sha256.in_(part))))
    return found
