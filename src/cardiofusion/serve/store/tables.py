"""The store's tables. Migrations in `migrations/` lead from one version to the next; a test holds both equal.

    patient 1 - n case 1 - n case_file      original files by their SHA-256
                  case 1 - n outcome        confirmed later; all entries are kept, the newest counts
                  case n - 1 batch
    account 1 - n session, api_token        shared servers only
    audit                                   hash-chained; knows cases and patients by random ids only
    preference                              what the settings page keeps

Ids that appear in addresses are random: an address, a log or an audit line never holds a patient's number.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

ID_CHARACTERS = 32
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def new_id() -> str:
    """A random id of 128 bits, hexadecimal."""
    return secrets.token_hex(ID_CHARACTERS // 2)


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC: SQLite forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """To the database: in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """From the database, which may have lost the zone."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


class Table(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMES)


class Patient(Table):
    """identifier: as the ECG file or the form says it, e.g. a hospital number."""

    __tablename__ = "patient"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    identifier: Mapped[str] = mapped_column(Text, unique=True)

    cases: Mapped[list[Case]] = relationship(back_populates="patient")


class Batch(Table):
    """Files uploaded together. name: what the user sees."""

    __tablename__ = "batch"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    created: Mapped[datetime] = mapped_column(Moment, default=now, index=True)
    name: Mapped[str] = mapped_column(Text, default="")
    actor: Mapped[str] = mapped_column(Text, default="")

    cases: Mapped[list[Case]] = relationship(back_populates="batch")


class Case(Table):
    """One ECG and, or, one clinical row, and what the system answers.

    status: "received" (waits to be assessed), "assessed" or "refused" (`refusal`: {code, message, hint}).
    source: "page", "api", "batch", "fhir", "dicom" or "example". attempts: how often assessing was begun.
    row: the clinical values as given. recorded: the ECG's own local time. headline: what the worklist shows,
    {"findings": [[task, target, verdict, probability, horizon]], "cautions": [code], "warnings": count,
    "closed": [task], "guessed": [task]}; the monitor counts them.
    assessment: `Assessment.to_json`, JSON, zlib. embedding: float32, little-endian. grade: the ECG's quality.
    corrections: what `row` and the patient's number were before each correction, the newest last,
    [{"entered": moment, "actor": name, "patient": number or None, "row": values}].
    """

    __tablename__ = "ecg_case"
    __table_args__ = (Index("ix_ecg_case_status_created", "status", "created"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    created: Mapped[datetime] = mapped_column(Moment, default=now, index=True)
    status: Mapped[str] = mapped_column(String(16), default="received")
    source: Mapped[str] = mapped_column(String(16), default="page")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    patient_id: Mapped[str | None] = mapped_column(ForeignKey("patient.id"), index=True)
    batch_id: Mapped[str | None] = mapped_column(ForeignKey("batch.id"), index=True)
    row: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    recorded: Mapped[datetime | None] = mapped_column(DateTime)
    age: Mapped[float | None]
    sex: Mapped[str | None] = mapped_column(String(8))
    grade: Mapped[str | None] = mapped_column(String(8))
    headline: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    assessment: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    embedding: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    bundle_hash: Mapped[str | None] = mapped_column(String(64))
    refusal: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    corrections: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))

    patient: Mapped[Patient | None] = relationship(back_populates="cases")
    batch: Mapped[Batch | None] = relationship(back_populates="cases")
    files: Mapped[list[CaseFile]] = relationship(
        back_populates="case", order_by="CaseFile.position", cascade="all, delete-orphan"
    )
    outcomes: Mapped[list[Outcome]] = relationship(
        back_populates="case", order_by="Outcome.entered", cascade="all, delete-orphan"
    )


class CaseFile(Table):
    """An original file of a case: its name, and where its bytes lie."""

    __tablename__ = "case_file"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("ecg_case.id"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)

    case: Mapped[Case] = relationship(back_populates="files")


class Outcome(Table):
    """What turned out to be true. verdict: "present", "absent" or "unknown", of a task's target."""

    __tablename__ = "outcome"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    case_id: Mapped[str] = mapped_column(ForeignKey("ecg_case.id"), index=True)
    entered: Mapped[datetime] = mapped_column(Moment, default=now)
    actor: Mapped[str] = mapped_column(Text, default="")
    task: Mapped[str] = mapped_column(Text)
    target: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(String(8))
    note: Mapped[str] = mapped_column(Text, default="")

    case: Mapped[Case] = relationship(back_populates="outcomes")


class Account(Table):
    """A person of a shared server. role: "reader", "clinician" or "admin". password: argon2id's own text."""

    __tablename__ = "account"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(Moment, default=now)
    disabled: Mapped[bool] = mapped_column(default=False)


class Session(Table):
    """A browser that signed in, by the SHA-256 of its cookie."""

    __tablename__ = "session"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime] = mapped_column(Moment, default=now)
    used: Mapped[datetime] = mapped_column(Moment, default=now)


class ApiToken(Table):
    """A program's way in, by the SHA-256 of its bearer token."""

    __tablename__ = "api_token"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(Moment, default=now)
    expires: Mapped[datetime | None] = mapped_column(Moment)


class Audit(Table):
    """One line of the audit log. hash: SHA-256 over `previous` and this line (see serve/audit.py)."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    time: Mapped[datetime] = mapped_column(Moment)
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class Preference(Table):
    """A setting kept in the store."""

    __tablename__ = "preference"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
