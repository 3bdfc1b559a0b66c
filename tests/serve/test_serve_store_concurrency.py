"""Many at the same time, threads and processes: nobody is turned away, nothing is lost, nothing is left."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from cardiofusion.records import InputError
from cardiofusion.serve.store import Search, Store
from cardiofusion.serve.store.locking import Gate
from cardiofusion.serve.store.tables import Case, Patient

THREADS = 16


def at_once(work: Sequence[Callable[[], object]]) -> list[object]:
    """Run all, begun together; the first error is raised."""
    ready = threading.Barrier(len(work))

    def one(task: Callable[[], object]) -> object:
        ready.wait()
        return task()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(one, work))


def test_sixteen_threads_of_mixed_work(store):
    """Looking and then writing, searching, deleting: no "database is locked", and the books balance."""
    shared = store.accept({"a": b"shared"}, patient="P-0")

    def work(seed: int) -> tuple[int, int]:
        chance, made, deleted = random.Random(seed), [shared], 0
        for k in range(12):
            what = chance.randrange(6)
            if what < 3:
                files = {"a": chance.choice([b"shared", f"{seed} {k}".encode()])}
                made.append(store.accept(files, {"k": k}, patient=f"P-{chance.randrange(3)}"))
            elif what == 3:
                store.search(Search(text="P-1"))
                store.begin_attempt(chance.choice(made))
            elif what == 4:
                store.add_outcome(shared, "mi", "MI", "present")
            elif len(made) > 1:
                store.delete(made.pop())
                deleted += 1
        return len(made) - 1 + deleted, deleted

    done = at_once([lambda seed=seed: work(seed) for seed in range(THREADS)])
    cases, total = store.search(Search())
    assert total == 1 + sum(made - deleted for made, deleted in done)
    every = list(store.every(Search()))
    held = {file.sha256 for case in every for file in case.files}
    assert store.originals.names() == held
    assert store.originals.marked() == set()
    assert all(store.files_of(case) for case in cases)
    with store.look() as connection:
        patients = set(connection.scalars(select(Patient.identifier)))
    assert patients == {case.patient.identifier for case in every}


def test_attempts_are_counted_one_by_one(store):
    case_id = store.accept({"a": b"a"})
    began = at_once([lambda: store.begin_attempt(case_id)] * THREADS)
    assert sum(map(bool, began)) == 3


def test_a_new_patient_sent_by_all_at_once_is_one(store):
    for k in range(4):
        cases = at_once([lambda k=k: store.accept({"a": b"a"}, patient=f"new-{k}")] * THREADS)
        assert len({store.case(str(case)).patient_id for case in cases}) == 1


def test_a_patient_who_leaves_while_another_case_comes(store):
    """The last case is deleted while the next is taken in: it is kept, with its patient."""
    for k in range(10):
        old = store.accept({"a": b"a"}, patient="P")
        _, new = at_once([lambda old=old: store.delete(old), lambda: store.accept({"a": b"a"}, patient="P")])
        case = store.case(str(new))
        assert case.patient is not None, k
        assert store.files_of(case) == {"a": b"a"}
        store.delete(case.id)
    with store.look() as connection:
        assert connection.scalar(select(func.count()).select_from(Patient)) == 0


def test_a_case_deleted_twice_at_once(store):
    def delete(case_id: str) -> bool:
        try:
            store.delete(case_id)
        except InputError:
            return False
        return True

    for _ in range(5):
        case_id = store.accept({"a": b"a"})
        assert sorted(at_once([lambda case_id=case_id: delete(case_id)] * 4)) == [False, False, False, True]


PROCESS = """
import sys
from pathlib import Path
from cardiofusion.serve.store import Store
store = Store(Path(sys.argv[1]), sys.argv[2])
for k in range(40):
    case = store.accept({"a": b"the same for all", "b": str(k % 5).encode()}, patient=f"P-{k % 3}")
    if k % 2:
        store.delete(case)
    else:
        print(case)
store.close()
"""


def test_processes_that_take_in_and_delete_the_same_content(store):
    """What one deletes another one holds at that moment: the file stays."""
    folder, url = store.originals.folder.parent, store.engine.url.render_as_string(hide_password=False)
    running = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(folder), url], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    kept = [case for process in running for case in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(kept) == 60
    assert {case.id for case in store.every(Search())} == set(kept)
    contents = [b"the same for all", *(str(k).encode() for k in range(5))]
    assert store.originals.names() == {hashlib.sha256(content).hexdigest() for content in contents}
    for case_id in kept:
        assert store.files_of(store.case(case_id))["a"] == b"the same for all"


def test_who_removes_is_next_however_many_add(tmp_path):
    gate, ended, added = Gate(tmp_path), threading.Event(), []

    def add() -> None:
        while not ended.is_set():
            with gate.adding():
                added.append(time.monotonic())
                time.sleep(0.002)

    adding = [threading.Thread(target=add) for _ in range(8)]
    for thread in adding:
        thread.start()
    try:
        for _ in range(5):
            with gate.removing():
                seen = len(added)
                time.sleep(0.02)
                assert len(added) == seen  # alone
    finally:
        ended.set()
        for thread in adding:
            thread.join()
    assert len(added) > 8


@pytest.mark.parametrize("kind", ["sqlite"])
def test_readers_see_one_moment_and_wait_for_nobody(store: Store):
    store.accept({"a": b"a"})
    with store.look() as looking:
        before = looking.scalar(select(func.count()).select_from(Case))
        store.accept({"a": b"b"})
        with store.begin() as writing:
            writing.add(Case(row={}))
            writing.flush()
            assert looking.scalar(select(func.count()).select_from(Case)) == before == 1
    assert store.search(Search())[1] == 3
