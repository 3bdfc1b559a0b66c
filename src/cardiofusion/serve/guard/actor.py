"""Who is asking, and what a route demands of them."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from cardiofusion.records import AccessError

# Each may what the one before it may: a reader sees; a clinician also uploads, enters outcomes and opens
# gates; an admin also deletes, and has settings, accounts and the audit log.
ROLES = ("reader", "clinician", "admin")


@dataclass(frozen=True)
class Actor:
    """name: as in the audit log. role: one of ROLES. account_id: None for the one user of a local server."""

    name: str
    role: str
    account_id: str | None = None

    def may(self, role: str) -> bool:
        """Whether this role, or a higher one, is theirs."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Permission:
    """What a route demands: a role, and whether its body may be as large as an upload.

    A FastAPI dependency that gives the Actor. The guard reads it off the routes and refuses before a byte of
    the body is read; the dependency itself is the second line. Raises AccessError "access.role".
    """

    role: str
    uploads: bool = False

    @property
    def rank(self) -> int:
        """Higher is stricter."""
        return ROLES.index(self.role)

    def __call__(self, request: Request) -> Actor:
        actor = getattr(request.state, "actor", None)
        if not isinstance(actor, Actor) or not actor.may(self.role):
            raise AccessError(
                "access.role", f"this needs the role {self.role}", "ask an admin of this server"
            )
        return actor


def require(role: str, *, uploads: bool = False) -> Permission:
    """A route's dependency: `Depends(require("clinician", uploads=True))`."""
    if role not in ROLES:
        raise ValueError(f"{role} is no role")
    return Permission(role, uploads)
