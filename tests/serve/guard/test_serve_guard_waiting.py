"""Nothing that waits for the database stands in the way of others."""

from __future__ import annotations

import ast
from pathlib import Path

import cardiofusion.serve

SOURCE = Path(cardiofusion.serve.__file__).parent
WAITING = ("clinic.audit.write", "clinic.store.accept", "clinic.store.search", "clinic.store.delete")


def test_no_coroutine_writes_to_the_database_itself():
    """A commit waits for the disk, and where another writes, for its turn: in a thread, not in the loop."""
    found = [
        f"{path.relative_to(SOURCE)}:{call.lineno} {ast.unparse(call.func)}"
        for path in sorted(SOURCE.rglob("*.py"))
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.AsyncFunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(WAITING)
    ]
    assert not found
