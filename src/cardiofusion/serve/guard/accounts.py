"""The people of a shared server, and the sessions and API tokens they have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Connection
from sqlalchemy.orm import sessionmaker

from cardiofusion.records import InputError
from cardiofusion.serve.guard.actor import ROLES, Actor
from cardiofusion.serve.guard.credentials import Credentials
from cardiofusion.serve.guard.passwords import Passwords, check_rules
from cardiofusion.serve.store.database import database_errors, reading
from cardiofusion.serve.store.tables import Account, ApiToken, Session

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._@-]{1,63}")


@dataclass(frozen=True)
class Person:
    """An account as it may be shown: without its password's hash."""

    id: str
    name: str
    role: str
    created: datetime
    disabled: bool


class Accounts:
    """Accounts of one database, with their `credentials`. Names are compared without regard to case."""

    def __init__(self, engine: Engine, passwords: Passwords | None = None) -> None:
        self._write = sessionmaker(engine, expire_on_commit=False)
        self._read = sessionmaker(reading(engine), expire_on_commit=False)
        self._passwords = passwords or Passwords()
        self.credentials = Credentials(self._begin, self._look)

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with database_errors(), self._write.begin() as connection:
            yield connection

    @contextmanager
    def _look(self) -> Iterator[Connection]:
        """Reads only: on SQLite it waits for no writer."""
        with database_errors(), self._read.begin() as connection:
            yield connection

    def add(self, name: str, role: str, password: str) -> Person:
        """Make an account. Raises InputError "accounts.name", "accounts.role", "accounts.password"."""
        name = name.strip().lower()
        if not _NAME.fullmatch(name):
            raise InputError("accounts.name", "this is no name", "2 to 64 letters, digits or . _ @ -")
        _check_role(role)
        check_rules(password, name)
        account = Account(name=name, role=role, password=self._passwords.hash(password))
        with self._begin() as connection:
            connection.add(account)
            try:
                connection.flush()
            except IntegrityError as error:
                raise InputError("accounts.name", "this name is taken", "choose another one") from error
        return _person(account)

    def people(self) -> list[Person]:
        """All accounts, by name."""
        with self._look() as connection:
            return [
                _person(account) for account in connection.scalars(select(Account).order_by(Account.name))
            ]

    def person(self, name: str) -> Person:
        """One account. Raises InputError "accounts.unknown"."""
        with self._look() as connection:
            return _person(_known(connection, name))

    def id_of(self, name: str) -> str:
        """An account's id, "" where there is none."""
        with self._look() as connection:
            found = _find(connection, name)
            return found.id if found else ""

    def check(self, name: str, password: str) -> Actor | None:
        """Who has that name and password; None for nobody, a disabled account or a wrong password."""
        with self._look() as connection:
            found = _find(connection, name)
        usable = found if found is not None and not found.disabled else None
        if not self._passwords.check(None if usable is None else usable.password, password):
            return None
        assert usable is not None
        if self._passwords.outdated(usable.password):
            self._rehash(usable.id, usable.password, password)
        return Actor(usable.name, usable.role, usable.id)

    def set_password(self, name: str, password: str) -> Person:
        """A new password; sessions end, API tokens stay. Raises InputError."""
        person = self.person(name)
        check_rules(password, person.name)
        hashed = self._passwords.hash(password)
        with self._begin() as connection:
            connection.execute(update(Account).where(Account.id == person.id).values(password=hashed))
            connection.execute(delete(Session).where(Session.account_id == person.id))
        return person

    def set_role(self, name: str, role: str) -> Person:
        """Another role; sessions end, so that nothing of the old one is left open. Raises InputError."""
        _check_role(role)
        with self._begin() as connection:
            account = _known(connection, name)
            account.role = role
            connection.execute(delete(Session).where(Session.account_id == account.id))
            return _person(account)

    def disable(self, name: str, disabled: bool = True) -> Person:
        """Shut an account, or open it again: its sessions and tokens are gone at once. Raises InputError."""
        with self._begin() as connection:
            account = _known(connection, name)
            account.disabled = disabled
            connection.execute(delete(Session).where(Session.account_id == account.id))
            connection.execute(delete(ApiToken).where(ApiToken.account_id == account.id))
            return _person(account)

    def _rehash(self, account_id: str, old: str, password: str) -> None:
        """With today's parameters, unless the password was changed meanwhile."""
        hashed, unchanged = self._passwords.hash(password), Account.password == old
        with self._begin() as connection:
            connection.execute(
                update(Account).where(Account.id == account_id, unchanged).values(password=hashed)
            )


def _find(connection: Connection, name: str) -> Account | None:
    return connection.scalar(select(Account).where(Account.name == name.strip().lower()[:64]))


def _known(connection: Connection, name: str) -> Account:
    account = _find(connection, name)
    if account is None:
        raise InputError("accounts.unknown", "there is no such account", "see `cardiofusion users list`")
    return account


def _person(account: Account) -> Person:
    return Person(account.id, account.name, account.role, account.created, account.disabled)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InputError("accounts.role", "this is no role", f"one of: {', '.join(ROLES)}")
