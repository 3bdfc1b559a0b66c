"""The audit log: every way of changing it is seen, on both databases."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from cardiofusion.records import InputError, StorageError
from cardiofusion.serve.audit import ROOT, Audit, Line
from cardiofusion.serve.store.tables import Audit as Row
from cardiofusion.serve.store.tables import now

CASE = "0123456789abcdef" * 2
# Numbers and names as hospitals, ministries and devices write them.
PRIVATE = [
    "4711-0815", "12345678", "MRN0012345", "CPR 010203-1234", "Doe^John", "Doe, John", "John Doe",
    "1957-03-04", "19570304", "943 476 5919", "2 85 05 78 006 084 36", "patient 12", "ecg of Mr. X.dat",
    "a" * 65, "é", "a\nb", "0123456789abcdef", "0123456789ABCDEF0123456789ABCDEF", "../../etc", "<b>",
    "P1234",
]  # fmt: skip
POSSIBLE_ACCOUNTS = ("MRN0012345", "P1234")
SQLITE = pytest.mark.parametrize("kind", ["sqlite"])  # the database plays no part


@pytest.fixture
def audit(store):
    return Audit(store.engine)


def write(audit, count=5):
    for i in range(count):
        audit.write("dr.grey", "case.view", CASE, position=i)


def change(audit, statement):
    with audit._engine.begin() as connection:
        connection.execute(statement)


def test_an_empty_log_stands(audit):
    assert audit.verify().lines == 0
    assert audit.verify().head == f"0:{ROOT}"
    assert audit.verify(expect_head=f"0:{ROOT}").lines == 0


def test_what_was_written_is_there_in_order(audit):
    before = now()
    audit.write("dr.grey", "case.view", CASE)
    audit.write("local", "case.outcome", CASE, verdict="present", probability=0.25, target="1AVB", empty=None)
    audit.write("dicom", "server.begin")
    lines = list(audit.lines())
    assert [(line.seq, line.actor, line.action, line.subject) for line in lines] == [
        (1, "dr.grey", "case.view", CASE),
        (2, "local", "case.outcome", CASE),
        (3, "dicom", "server.begin", ""),
    ]
    assert lines[1].detail == {"verdict": "present", "probability": 0.25, "target": "1AVB", "empty": None}
    assert all(before <= line.time <= now() for line in lines)
    assert [line.previous for line in lines] == [ROOT, lines[0].hash, lines[1].hash]
    assert audit.verify().head == f"3:{lines[2].hash}"
    assert audit.last(2) == lines[:0:-1]
    assert list(audit.lines(after=2)) == lines[2:]


def test_the_hash_is_what_the_documentation_says(audit):
    """Recomputed from the columns alone, as another program would."""
    audit.write("dr.grey", "case.outcome", CASE, verdict="absent", b=1, a=2.5)
    with audit._engine.connect() as connection:
        row = connection.execute(select(Row.__table__)).mappings().one()
    content = {name: row[name] for name in ("seq", "actor", "action", "subject", "detail")}
    content["time"] = row["time"].isoformat(timespec="microseconds")
    line = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert row["hash"] == hashlib.sha256(f"{'0' * 64}\n{line}".encode()).hexdigest()
    assert content["time"].endswith("+00:00")


# Changing it


CHANGES = [
    ("actor", "dr.house"),
    ("action", "case.delete"),
    ("subject", "f" * 32),
    ("detail", {"position": 9}),
    ("detail", {"position": 2, "more": 1}),
    ("detail", {"position": 2.0}),
    ("hash", "0" * 64),
    ("previous", "0" * 64),
]


def test_a_changed_line_is_named(audit):
    write(audit)
    line = list(audit.lines())[2]
    for column, value in CHANGES:
        change(audit, update(Row).where(Row.seq == 3).values(**{column: value}))
        with pytest.raises(StorageError, match="line 3:") as broken:
            audit.verify()
        assert broken.value.code == "audit.broken"
        change(audit, update(Row).where(Row.seq == 3).values(**{column: getattr(line, column)}))
        assert audit.verify().lines == 5


def test_a_line_of_another_moment_is_named(audit):
    write(audit)
    moment = list(audit.lines())[2].time + timedelta(microseconds=1)
    change(audit, update(Row).where(Row.seq == 3).values(time=moment))
    with pytest.raises(StorageError, match="line 3: it was changed"):
        audit.verify()


@pytest.mark.parametrize("gone", [1, 3])
def test_a_line_taken_out_is_named(audit, gone):
    write(audit)
    change(audit, delete(Row).where(Row.seq == gone))
    with pytest.raises(StorageError, match=f"line {gone}: it is missing"):
        audit.verify()


def test_a_line_taken_out_and_the_rest_moved_up_is_named(audit):
    write(audit)
    change(audit, delete(Row).where(Row.seq == 3))
    for seq in (4, 5):
        change(audit, update(Row).where(Row.seq == seq).values(seq=seq - 1))
    with pytest.raises(StorageError, match="line 3: it does not follow"):
        audit.verify()


def test_two_lines_in_another_order_are_named(audit):
    write(audit)
    for old, new in ((2, 99), (3, 2), (99, 3)):
        change(audit, update(Row).where(Row.seq == old).values(seq=new))
    with pytest.raises(StorageError, match="line 2: it does not follow"):
        audit.verify()


def test_a_line_put_in_between_is_named(audit):
    write(audit)
    first = next(iter(audit.lines()))
    change(audit, insert(Row).values({**vars(first), "seq": 0}))
    with pytest.raises(StorageError, match="line 1:"):
        audit.verify()


def rewritten(audit, from_seq, to_seq):
    """What somebody with all rights does: other lines, with right hashes, in place of the old ones."""
    lines = list(audit.lines())
    previous = lines[from_seq - 2].hash if from_seq > 1 else ROOT
    change(audit, delete(Row).where(Row.seq >= from_seq))
    for seq in range(from_seq, to_seq + 1):
        line = Line(seq, now(), "dr.house", "case.view", CASE, {}, previous, "")
        previous = line.computed()
        change(audit, insert(Row).values({**vars(line), "hash": previous}))


@pytest.mark.parametrize(("from_seq", "to_seq"), [(1, 5), (3, 5), (5, 5), (3, 9), (4, 3), (3, 3)])
def test_only_a_head_kept_elsewhere_shows_a_log_written_anew(audit, from_seq, to_seq):
    write(audit)
    head = audit.verify().head
    rewritten(audit, from_seq, to_seq)
    assert audit.verify().lines == to_seq
    with pytest.raises(StorageError) as broken:
        audit.verify(expect_head=head)
    assert broken.value.code == "audit.broken"


def test_a_log_that_has_grown_still_holds_an_older_head(audit):
    write(audit, 3)
    head = audit.verify().head
    write(audit, 3)
    assert audit.verify(expect_head=f" {head}\n").lines == 6
    assert audit.verify(expect_head=f"0:{ROOT}").lines == 6
    with pytest.raises(StorageError, match="line 0"):
        audit.verify(expect_head=f"0:{'1' * 64}")


@SQLITE
def test_what_is_no_head(audit):
    for head in ("", "3", "3:abc", "-1:" + ROOT, "3:" + "G" * 64, "x:" + ROOT, "03:" + ROOT):
        with pytest.raises(InputError, match="no head"):
            audit.verify(expect_head=head)


def test_a_long_log_is_read_in_pieces(audit, monkeypatch):
    monkeypatch.setattr("cardiofusion.serve.audit.CHUNK", 7)
    write(audit, 50)
    assert audit.verify().lines == 50
    change(audit, update(Row).where(Row.seq == 43).values(actor="dr.house"))
    with pytest.raises(StorageError, match="line 43:"):
        audit.verify()


# Nothing of a patient


@SQLITE
def test_what_could_name_a_patient_is_refused_everywhere_and_not_repeated(audit):
    for private in PRIVATE:
        for arguments, detail in (
            ((private, "case.view", CASE), {}),
            (("dr.grey", private, CASE), {}),
            (("dr.grey", "case.view", private), {}),
            (("dr.grey", "case.view", CASE), {"note": private}),
        ):
            if arguments[0] == private and private in POSSIBLE_ACCOUNTS:
                continue
            with pytest.raises(InputError) as refused:
                audit.write(*arguments, **detail)
            assert refused.value.code == "audit.private"
            assert private not in str(refused.value)
    assert audit.verify().lines == 0


@SQLITE
def test_details_are_codes_and_numbers(audit):
    for value in (b"x", ["a"], {"a": 1}, float("nan"), float("inf"), object(), 10**400, 46070123456789):
        with pytest.raises(InputError, match="the audit log does not take this detail"):
            audit.write("dr.grey", "case.view", CASE, detail=value)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        st.none()
        | st.booleans()
        | st.integers(-(10**6), 10**6)
        | st.floats(allow_nan=False, allow_infinity=False),
        max_size=5,
    )
)
def test_a_line_reads_back_to_the_same_hash(detail):
    line = Line(1, now(), "dr.grey", "case.view", CASE, detail, ROOT, "")
    again = Line(1, line.time, "dr.grey", "case.view", CASE, json.loads(json.dumps(detail)), ROOT, "")
    assert line.computed() == again.computed()


# Many writers


def test_many_threads_write_one_chain(audit):
    threads = [threading.Thread(target=write, args=(audit, 10)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.verify().lines == 80


FROM_A_PROCESS = """
import sys
from cardiofusion.serve.audit import Audit
from cardiofusion.serve.store.database import connect
from cardiofusion.serve.store.tables import new_id
audit = Audit(connect(sys.argv[1]))
for _ in range(15):
    audit.write(sys.argv[2], "case.view", new_id())
"""


def test_several_processes_write_one_chain(audit):
    url = audit._engine.url.render_as_string(hide_password=False)
    program = [sys.executable, "-c", FROM_A_PROCESS, url]
    writers = [subprocess.Popen([*program, f"writer.{i}"]) for i in range(3)]
    write(audit, 15)
    for writer in writers:
        assert writer.wait(120) == 0
    assert audit.verify().lines == 60
    assert {line.actor for line in audit.lines()} == {"dr.grey", *(f"writer.{i}" for i in range(3))}
