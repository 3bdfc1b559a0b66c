"""What the app's routes demand: read off their declarations once, before the first request.

A route without `require(...)` that is not among the few open ones stops the server at its start: nothing is
open because somebody forgot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import Mount
from starlette.types import Scope

from cardiofusion.records import AccessError
from cardiofusion.serve.guard.actor import Permission

OPEN = frozenset({"/health", "/login", "/open"})
OPEN_MOUNT = "/static"


@dataclass(frozen=True)
class Demand:
    """path: the route's template. permission: None where nobody has to sign in."""

    path: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    permission: Permission | None

    def matches(self, scope: Scope) -> bool:
        """Whether its route would answer this request; HEAD is answered as GET."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        return (not self.methods or method in self.methods) and bool(self.pattern.match(scope["path"]))


class Demands:
    """The demands of all routes of an app, in the order in which the app would try them."""

    def __init__(self, app: FastAPI) -> None:
        self.all = tuple(demands(app))

    def of(self, scope: Scope) -> Demand | None:
        """Of the route that would answer; None where there is none."""
        return next((demand for demand in self.all if demand.matches(scope)), None)


def demands(app: FastAPI) -> Iterator[Demand]:
    """Every route's. Raises AccessError "access.undeclared" for one that demands nothing and is not open."""
    for context in iter_route_contexts(app.routes):
        path = context.path or ""
        is_open = path in OPEN or (path == OPEN_MOUNT and isinstance(context.original_route, Mount))
        permission = None if is_open else permission_of(context)
        if permission is None and not is_open:
            raise AccessError("access.undeclared", f"{path} says not who may use it", "give it require(ROLE)")
        yield Demand(path, frozenset(context.methods or ()), context.path_regex, permission)


def permission_of(context: RouteContext) -> Permission | None:
    """The strictest of a route's own demands and those of the routers it is in."""
    dependant = getattr(context, "dependant", None)
    found = list(_permissions(dependant)) if isinstance(dependant, Dependant) else []
    return max(found, key=lambda permission: permission.rank, default=None)


def _permissions(dependant: Dependant) -> Iterator[Permission]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Permission):
            yield inner.call
        yield from _permissions(inner)
