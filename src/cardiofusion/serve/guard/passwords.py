"""Passwords: argon2id (RFC 9106), and what is asked of one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cardiofusion.records import AccessError, InputError

# OWASP's Password Storage Cheat Sheet: 46 MiB and one pass are enough; three passes take 0.1 s on a laptop.
MEMORY_KIB = 46 * 1024
PASSES = 3
LANES = 1
AT_ONCE = 2  # hashings at the same time: memory, and cores for the ECGs
BUSY_SECONDS = 5.0
MIN_CHARACTERS = 12
MAX_CHARACTERS = 256
MIN_DIFFERENT = 5  # characters: "aaaaaaaaaaaa" is no password

P = ParamSpec("P")
T = TypeVar("T")


class Passwords:
    """Hashes and checks passwords, a few at a time. An unknown name costs the time of a known one."""

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES)
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def hash(self, password: str) -> str:
        """argon2's own text: parameters, salt and hash."""
        return self._in_turn(self._hasher.hash, password)

    def check(self, known: str | None, password: str) -> bool:
        """Whether it is the password of that hash. None: of nobody, after the same time."""
        right = self._in_turn(self._verify, known or self._nobody, password)
        return right and known is not None

    def outdated(self, known: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(known)

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("the password of nobody")

    def _verify(self, known: str, password: str) -> bool:
        try:
            return len(password) <= MAX_CHARACTERS and self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False

    def _in_turn(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        if not self._turns.acquire(timeout=BUSY_SECONDS):
            raise AccessError(
                "access.busy", "too many people sign in at this moment", "try again in a minute"
            )
        try:
            return work(*given, **named)
        finally:
            self._turns.release()


def check_rules(password: str, name: str) -> None:
    """Raises InputError "accounts.password": too short, too long, too uniform, or the name itself."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise _refused(f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
    if len(set(password)) < MIN_DIFFERENT:
        raise _refused("a password has more than a few different characters")
    if name.casefold() in password.casefold() or "cardiofusion" in password.casefold():
        raise _refused("a password holds neither the name nor that of this program")


def _refused(what: str) -> InputError:
    return InputError("accounts.password", what, "a sentence of your own is a good password")
