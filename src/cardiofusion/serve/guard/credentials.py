"""Sessions of browsers and tokens of programs. The database holds SHA-256 of them: who reads it has none."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session as Connection

from cardiofusion.records import InputError
from cardiofusion.serve.guard.actor import Actor
from cardiofusion.serve.store.tables import Account, ApiToken, Session, now

SECRET_BYTES = 32
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)  # a shift
NOTED_EVERY = timedelta(minutes=1)  # using a session need not be written down at every request
MAX_TOKEN_DAYS = 366

Opening = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class TokenShown:
    """An API token as it may be shown: without the token, which is told once."""

    name: str
    created: datetime
    expires: datetime | None


class Credentials:
    """begin, look: open a transaction that may write, or reads only. clock: this moment, UTC."""

    def __init__(self, begin: Opening, look: Opening, clock: Callable[[], datetime] = now) -> None:
        self._begin, self._look, self._clock = begin, look, clock

    def new_session(self, account_id: str, replaces: str | None = None) -> str:
        """A session's secret for the cookie. replaces: the secret a browser had before, which ends."""
        secret, moment = secrets.token_urlsafe(SECRET_BYTES), self._clock()
        with self._begin() as connection:
            connection.execute(delete(Session).where(Session.created < moment - LONGEST))
            if replaces:
                connection.execute(delete(Session).where(Session.token_hash == hashed(replaces)))
            connection.add(
                Session(token_hash=hashed(secret), account_id=account_id, created=moment, used=moment)
            )
        return secret

    def session_actor(self, secret: str) -> Actor | None:
        """Whose session it is; None where it ended, was idle for too long, or never was."""
        moment, ours = self._clock(), Session.token_hash == hashed(secret)
        with self._look() as connection:
            found = connection.execute(select(Session, Account).join(Account).where(ours)).first()
        if found is None:
            return None
        session, account = found
        if account.disabled or moment - session.used > IDLE or moment - session.created > LONGEST:
            self.end_session(secret)
            return None
        if moment - session.used > NOTED_EVERY:
            with self._begin() as connection:  # where it ended meanwhile, nothing is there to be updated
                connection.execute(update(Session).where(ours).values(used=moment))
        return Actor(account.name, account.role, account.id)

    def end_session(self, secret: str) -> None:
        """Sign out: the secret is worth nothing from here on."""
        with self._begin() as connection:
            connection.execute(delete(Session).where(Session.token_hash == hashed(secret)))

    def new_token(self, account_id: str, name: str, days: int) -> str:
        """An API token, told this once. Raises InputError "accounts.token" for a lifetime out of range."""
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise InputError("accounts.token", "a token lasts 1 to 366 days", "make a new one before it ends")
        secret, moment = secrets.token_urlsafe(SECRET_BYTES), self._clock()
        with self._begin() as connection:
            connection.add(
                ApiToken(
                    token_hash=hashed(secret),
                    account_id=account_id,
                    name=name[:64],
                    created=moment,
                    expires=moment + timedelta(days=days),
                )
            )
        return secret

    def tokens(self, account_id: str) -> list[TokenShown]:
        """An account's API tokens, the oldest first."""
        found = select(ApiToken).where(ApiToken.account_id == account_id).order_by(ApiToken.created)
        with self._look() as connection:
            return [
                TokenShown(token.name, token.created, token.expires) for token in connection.scalars(found)
            ]

    def revoke(self, account_id: str, name: str) -> int:
        """End an account's tokens of that name; how many there were."""
        ours = (ApiToken.account_id == account_id) & (ApiToken.name == name)
        with self._begin() as connection:
            found = len(connection.scalars(select(ApiToken.token_hash).where(ours)).all())
            connection.execute(delete(ApiToken).where(ours))
            return found

    def token_actor(self, secret: str) -> Actor | None:
        """Whose API token it is; None where it expired, or never was."""
        query = select(ApiToken.expires, Account).join(Account).where(ApiToken.token_hash == hashed(secret))
        with self._look() as connection:
            found = connection.execute(query).first()
        if found is None or found[1].disabled or (found[0] is not None and found[0] <= self._clock()):
            return None
        return Actor(found[1].name, found[1].role, found[1].id)


def hashed(secret: str) -> str:
    """SHA-256: of 256 random bits nothing slower is needed, and looking it up by time leaks no part."""
    return hashlib.sha256(secret.encode()).hexdigest()
