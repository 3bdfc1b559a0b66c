"""Delete means gone: not in the database's file, its log, the originals, nor what was coming in."""

from __future__ import annotations

import os
import random
import re
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from cardiofusion.serve.store import Answered, Search, Store
from cardiofusion.serve.store.wiping import TOUCHED

PLANTED = (
    "PLANTED-NUMBER",
    "PLANTED-CONTENT",
    "PLANTED-ROW",
    "PLANTED-NAME",
    "PLANTED-NOTE",
    "PLANTED-BATCH",
)


def plant(store: Store, number: int) -> str:
    """A case with a recognisable word wherever one can be kept."""

    def word(what: str, size: int = 1) -> str:
        return f"PLANTED-{what}-{number}." * size

    batch = store.new_batch(word("BATCH"), word("NAME"))
    files = {word("NAME"): word("CONTENT", 50).encode(), "shared": b"held by every case"}
    case = store.accept(files, {"note": word("ROW", number % 200)}, batch=batch, patient=word("NUMBER"))
    store.save_answer(
        case,
        Answered(
            {"noise": os.urandom(number * 30).hex()}, {"findings": [[word("ROW", number % 90)]]}, None,
            datetime(2024, 1, 1), 61, "male", "good", "b" * 64, np.zeros(87, np.float32),
        ),
    )  # fmt: skip
    store.add_outcome(case, word("NAME"), "t", "present", word("NOTE", number % 70), word("NAME"))
    store.again(case)
    store.save_refusal(case, "c", word("ROW"), word("NOTE"))
    return case


def left(folder: Path, needle: str) -> list[str]:
    """Files in which the word still is."""
    return found(folder, re.escape(needle))


def found(folder: Path, pattern: str) -> list[str]:
    wanted = re.compile(pattern.encode())
    return [
        f"{path.relative_to(folder)}"
        for path in folder.rglob("*")
        if path.is_file() and wanted.search(path.read_bytes())
    ]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_no_byte_of_a_deleted_case_is_left(store):
    """Among many others, in an order that moves rows from page to page."""
    folder, chance = store.originals.folder.parent, random.Random(5)
    cases = {number: plant(store, number) for number in range(1, 120)}
    assert all(left(folder, f"{what}-7.") for what in PLANTED)
    for number in chance.sample(sorted(cases), 80):
        store.delete(cases.pop(number))
        # The end of any of its words; three letters, for noise alone has "-7." in it now and then.
        assert found(folder, rf"[A-Z]{{3}}-{number}\.") == []
    for number in (200, 201):
        cases[number] = plant(store, number)
    for number, case in list(cases.items()):
        assert left(folder, f"PLANTED-CONTENT-{number}.")
        assert store.files_of(store.case(case))["shared"] == b"held by every case"
        store.delete(case)
    assert left(folder, "PLANTED") == left(folder, "held by every case") == []


@pytest.mark.parametrize("kind", ["sqlite"])
def test_what_a_reader_holds_back_goes_when_the_reader_has_gone(store):
    folder, case = store.originals.folder.parent, plant(store, 3)
    with store.look() as looking:
        assert looking.execute(text("SELECT count(*) FROM patient")).scalar() == 1
        began = time.monotonic()
        store.delete(case)
        assert time.monotonic() - began < 20
        assert looking.execute(text("SELECT count(*) FROM patient")).scalar() == 1  # its moment stands
    store.close()
    assert left(folder, "PLANTED") == []


def test_deleted_rows_cannot_be_asked_for(store, kind):
    cases = [plant(store, number) for number in range(1, 9)]
    for case in cases:
        store.delete(case)
    with store.look() as connection:
        for table in TOUCHED:
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
    assert store.search(Search())[1] == 0
    assert store.originals.names() == set()


@pytest.mark.parametrize("kind", ["postgresql"])
def test_postgresql_keeps_no_dead_rows(store, postgresql):
    cases = [plant(store, number) for number in range(1, 30)]
    for case in cases[:-1]:
        store.delete(case)
    with store.begin() as connection:
        connection.execute(text("CREATE EXTENSION pgstattuple"))
    with store.look() as connection:
        for table in TOUCHED:
            dead = connection.execute(text(f"SELECT dead_tuple_count FROM pgstattuple('{table}')")).scalar()
            assert dead == 0, table
