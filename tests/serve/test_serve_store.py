"""The store keeps what it accepted, finds it again, and forgets what is deleted: on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from cardiofusion.records import CardioFusionError, InputError, StorageError
from cardiofusion.serve import Settings
from cardiofusion.serve.store import Answered, Search, Store, unpack
from cardiofusion.serve.store.tables import Batch, Case, CaseFile, Outcome, Patient
from cardiofusion.serve.store.text import LONGEST_IDENTIFIER, LONGEST_NAME, clean_identifier, clean_names

ANSWERED = Answered(
    assessment={"tasks": {"mi": {"probability": {"MI": 0.25}}}},
    headline={"findings": [["mi", "MI", "present", 0.25]], "cautions": [], "warnings": 0},
    patient="P-100",
    recorded=datetime(2024, 3, 1, 12, 30),
    age=61.5,
    sex="female",
    grade="good",
    bundle_hash="b" * 64,
    embedding=np.arange(4, dtype=np.float32),
)


def count(store: Store, table: type) -> int:
    with store.look() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def answered(**changes: object) -> Answered:
    return Answered(
        **{**{name: getattr(ANSWERED, name) for name in ANSWERED.__dataclass_fields__}, **changes}
    )


def test_a_case_is_what_was_given(store):
    batch = store.new_batch("Monday", "anna")
    files = {"a.hea": b"head", "a.dat": b"\0\1\2"}
    case = store.case(store.accept(files, {"age": 61, "sex": "female"}, batch=batch, patient=" P-1 "))
    assert store.files_of(case) == files
    assert [(f.name, f.size) for f in case.files] == [("a.hea", 4), ("a.dat", 3)]
    assert case.files[0].sha256 == hashlib.sha256(b"head").hexdigest()
    assert (case.status, case.source, case.row) == ("received", "page", {"age": 61, "sex": "female"})
    assert case.patient is not None
    assert case.patient.identifier == "P-1"
    assert case.batch is not None
    assert case.batch.name == "Monday"
    assert abs((datetime.now(UTC) - case.created).total_seconds()) < 60
    assert store.waiting() == [(case.id, "page")]
    assert store.originals.marked() == set()


def test_an_answer_is_kept(store):
    case_id = store.accept({"a": b"a"})
    assert store.begin_attempt(case_id)
    store.save_answer(case_id, ANSWERED)
    case = store.case(case_id)
    assert unpack(case.assessment) == ANSWERED.assessment
    assert case.headline == ANSWERED.headline
    assert (case.recorded, case.age, case.sex) == (ANSWERED.recorded, 61.5, "female")
    assert case.patient is not None
    assert case.patient.identifier == "P-100"
    ((found, patient, embedding),) = store.embeddings()
    assert (found, patient) == (case_id, case.patient_id)
    assert embedding.tolist() == [0, 1, 2, 3]
    assert store.waiting() == []
    assert not store.begin_attempt(case_id)


def test_a_refusal_is_kept_and_may_be_tried_again(store):
    case_id = store.accept({"a": b"a"})
    store.save_refusal(case_id, "recording.truncated", "it ends\0early", "send it again")
    case = store.case(case_id)
    assert case.status == "refused"
    assert case.refusal == {
        "code": "recording.truncated",
        "message": "it ends�early",
        "hint": "send it again",
    }
    store.again(case_id)
    assert store.waiting() == [(case_id, "page")]
    assert store.case(case_id).refusal is None


def test_what_was_begun_before_waits_behind_the_rest(store):
    begun, other, fresh = (store.accept({name: name.encode()}) for name in "abc")
    assert store.begin_attempt(begun)
    assert [case for case, _ in store.waiting()] == [other, fresh, begun]


def test_an_ecg_that_ends_the_server_is_not_tried_for_ever(store):
    case_id = store.accept({"a": b"a"})
    assert [store.begin_attempt(case_id) for _ in range(4)] == [True, True, True, False]


def test_answers_to_a_deleted_case_are_dropped(store):
    case_id = store.accept({"a": b"a"})
    store.delete(case_id)
    assert not store.begin_attempt(case_id)
    store.save_answer(case_id, ANSWERED)
    store.save_refusal(case_id, "code", "message", "hint")
    store.again(case_id)
    assert count(store, Case) == count(store, Patient) == 0


def test_neither_ecg_nor_row_is_no_case(store):
    with pytest.raises(InputError, match="neither an ECG nor a row"):
        store.accept({}, {})
    assert count(store, Case) == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes"])
def test_a_row_that_json_cannot_say_is_refused_whole(store, value):
    with pytest.raises(InputError) as caught:
        store.accept({"a": b"never kept"}, {"age": 61, "weight": value})
    assert caught.value.code == "serve.row"
    assert count(store, Case) == 0
    assert store.originals.names() == set()


# --- text that databases refuse ----------------------------------------------------------------------------

anything = st.text(st.characters(exclude_categories=()), max_size=300)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=anything, patient=anything, value=anything)
@example(name="nul\0.dcm", patient="\0", value="\0")
@example(name="\udcff.hea", patient="\ud800", value="\udcff")
@example(name="x" * 70_000 + ".dcm", patient="9" * 10_000, value="v" * 100_000)
@example(name="", patient=" \n", value="' OR 1=1; --")
def test_any_text_is_taken_and_found(store, name, patient, value):
    case_id = store.accept({name: b"content"}, {"note": value, value: 1}, patient=patient)
    store.add_outcome(case_id, value[:99], value[:99], "present", note=value[:99], actor=value[:99])
    store.search(Search(text=patient[:50], status=name[:9], batch=value[:9], patient=patient[:9]))
    case = store.case(case_id)
    assert list(store.files_of(case).values()) == [b"content"]
    assert len(case.files[0].name) <= LONGEST_NAME
    assert (case.patient is not None) == bool(clean_identifier(patient))
    store.delete(case_id)
    with pytest.raises(InputError):
        store.case(name)


@given(st.lists(anything, unique=True, max_size=8))
@example(["a\0", "a�", "a�b"])
@example(["x" * 300 + ".hea", "x" * 301 + ".hea", "x" * 300 + ".dat"])
def test_names_stay_apart(names):
    cleaned = clean_names(names)
    assert len(set(cleaned)) == len(names)
    for given_name, kept in zip(names, cleaned, strict=True):
        assert len(kept) <= LONGEST_NAME
        assert "\0" not in kept
        kept.encode()
        if len(given_name) <= LONGEST_NAME and "\0" not in given_name and given_name.isascii():
            assert given_name in kept


def test_long_patient_numbers_stay_apart(store):
    cases = [store.case(store.accept({"a": b"a"}, patient="7" * 9000 + end)) for end in "ab"]
    assert cases[0].patient_id != cases[1].patient_id
    assert max(len(case.patient.identifier) for case in cases) <= LONGEST_IDENTIFIER


# --- search ------------------------------------------------------------------------------------------------


def test_search(store):
    batch = store.new_batch("b", "anna")
    first = store.accept({"müller-1.dcm": b"1"}, patient="MÜLLER-7", batch=batch)
    second = store.accept({"100%_sure.dcm": b"2"}, patient="Ñandú 12")
    third = store.accept({"100 sure.dcm": b"3"})
    store.save_answer(third, answered(patient=None))

    def found(**what: object) -> list[str]:
        cases, total = store.search(Search(**what))
        assert total == len(cases)
        return [case.id for case in cases]

    assert found() == [third, second, first]
    assert found(text="müll") == found(text="MÜLL") == found(text="ller-1.D") == [first]
    assert found(text="ñANDÚ") == [second]
    assert found(text="%") == found(text="0%_s") == [second]
    assert found(text="_") == [second]
    assert found(text=first[:9].upper()) == [first]
    assert found(status="assessed") == [third]
    assert found(batch=batch) == [first]
    assert found(text="sure", status="received") == [second]
    assert found(text="nothing like it") == []
    assert found(patient=store.case(second).patient_id) == [second]


def test_pages_and_exports_show_every_case_once(store, monkeypatch):
    monkeypatch.setattr("cardiofusion.serve.store.looking.PAGE", 7)
    monkeypatch.setattr("cardiofusion.serve.store.looking.MANY", 6)
    with store.begin() as connection:  # the same moment: the order must still be one
        moment = datetime(2024, 1, 1, tzinfo=UTC)
        connection.add_all([Case(row={"k": k}, created=moment) for k in range(18)])
        connection.add_all([Case(row={"k": k}) for k in range(18, 24)])
    pages = [store.search(Search(page=page)) for page in (1, 2, 3, 4, 5)]
    assert [len(cases) for cases, _ in pages] == [7, 7, 7, 3, 0]
    assert {total for _, total in pages} == {24}
    shown = [case.id for cases, _ in pages for case in cases]
    assert len(set(shown)) == 24
    assert [case.id for case in store.every(Search(page=3))] == shown


def test_the_ecg_before(store):
    def taken(day: int | None, grade: str | None = "good", patient: str = "P") -> str:
        case_id = store.accept({"a": os.urandom(8)})
        recorded = None if day is None else datetime(2024, 3, day, 8, 0)
        store.save_answer(case_id, answered(recorded=recorded, grade=grade, patient=patient))
        return case_id

    second, first, third = taken(2), taken(1), taken(3)
    taken(2, patient="another")
    taken(2, grade=None)  # a row alone
    store.accept({"a": b"not assessed"}, patient="P")

    def before(case_id: str) -> str | None:
        found = store.earlier(store.case(case_id))
        return None if found is None else found.id

    assert before(third) == second
    assert before(second) == first
    assert before(first) is None
    assert before(taken(None)) is None  # of an ECG without a time of its own nobody knows what came before
    assert before(taken(4)) == third  # nor is it before any other
    assert store.earlier(store.case(store.accept({"a": b"nobody's"}))) is None


DOUBT = {"findings": [], "cautions": ["wrong_patient"], "warnings": 1}


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ({}, {}, True),
        ({"headline": DOUBT}, {}, False),
        ({}, {"headline": DOUBT}, False),
        ({"sex": "male"}, {"sex": "female"}, False),
        ({"sex": None}, {"sex": "female"}, True),
        ({"age": 44.0}, {"age": 80.0}, False),
        ({"age": 61.0}, {"age": 58.5}, False),
        ({"age": 61.0}, {"age": 63.0}, True),
        ({"age": None}, {"age": 80.0}, True),
        ({"age": 44.0, "recorded": datetime(1990, 3, 1)}, {"age": 78.0}, True),
        ({"age": 60.0, "recorded": datetime(1990, 3, 1)}, {"age": 61.0}, False),
    ],
)
def test_only_ecgs_that_may_be_of_one_person_are_compared(store, first, second, fits):
    cases = []
    for day, changes in enumerate((first, second), start=1):
        case = store.accept({"a": os.urandom(8)})
        store.save_answer(case, answered(**{"recorded": datetime(2024, 3, day), **changes}))
        cases.append(store.case(case))
    assert cases[0].patient_id == cases[1].patient_id is not None
    earlier = store.earlier(cases[1])
    assert (earlier is not None) == fits
    if earlier is not None:
        assert earlier.id == cases[0].id
        assert unpack(earlier.assessment) == ANSWERED.assessment


def test_an_ecg_that_does_not_fit_hides_no_older_one_that_does(store):
    fitting, doubtful, newest = (store.accept({"a": os.urandom(8)}) for _ in range(3))
    store.save_answer(fitting, answered(recorded=datetime(2024, 3, 1)))
    store.save_answer(doubtful, answered(recorded=datetime(2024, 3, 2), headline=DOUBT))
    store.save_answer(newest, answered(recorded=datetime(2024, 3, 3)))
    assert store.earlier(store.case(newest)).id == fitting


def test_the_same_files_are_not_their_own_previous_ecg(store):
    """Read by two versions that understand the file's time differently."""
    cases = [store.accept({name: b"the same", "b": b"as well"}) for name in ("a", "z")]
    for day, case in enumerate(cases, start=1):
        store.save_answer(case, answered(recorded=datetime(2024, 3, day)))
    assert store.earlier(store.case(cases[1])) is None


@pytest.mark.parametrize(
    "word", ["ANONYMOUS", "anon", "Unknown", " N/A", "None", "TEST", "0", "0000", "-", "X"]
)
def test_a_word_that_stands_for_no_number_is_nobodys(store, word):
    cases = [store.accept({"a": os.urandom(8)}, patient=word) for _ in range(2)]
    for case in cases:
        store.save_answer(case, answered(patient=word))
    assert [store.case(case).patient for case in cases] == [None, None]
    assert count(store, Patient) == 0


@pytest.mark.parametrize("number", ["0815", "123456", "TEST-7", "X1", "Annon", "NA-1"])
def test_a_number_that_looks_odd_is_a_number(number):
    assert clean_identifier(number) == number


# --- whose it is -------------------------------------------------------------------------------------------


def test_an_ecg_goes_under_its_own_number_where_the_row_names_another(store):
    case = store.accept({"a": b"a"}, {"patient_id": "P-200"}, patient="P-200")
    store.save_answer(case, answered(patient="P-100", contradicted=True))
    kept = store.case(case)
    assert kept.patient.identifier == "P-100"
    assert kept.row == {"patient_id": "P-200"}
    for number in ("P-100", "p-200"):  # whoever typed the other one finds it too
        assert [found.id for found in store.search(Search(text=number))[0]] == [case]
    assert count(store, Patient) == 1  # nothing stays of one who has no case


def test_a_patient_who_has_another_case_stays_when_one_leaves(store):
    other = store.accept({"a": b"other"}, patient="P-200")
    case = store.accept({"a": b"a"}, patient="P-200")
    store.save_answer(case, answered(patient="P-100", contradicted=True))
    assert store.case(other).patient.identifier == "P-200"
    assert store.case(case).patient.identifier == "P-100"


def test_another_name_for_the_same_patient_moves_nothing(store):
    """Where nobody says that the file is wrong: a FHIR server's id, a number that stands for none."""
    alias, anonymous = store.accept({"a": b"a"}, patient="P-200"), store.accept({"a": b"b"}, patient="P-200")
    store.save_answer(alias, answered(patient="id-7"))
    store.save_answer(anonymous, answered(patient="ANONYMOUS", contradicted=True))
    assert {store.case(case).patient.identifier for case in (alias, anonymous)} == {"P-200"}


def test_a_correction_keeps_what_was_before_and_takes_the_answer_away(store):
    case = store.accept({"a": b"a"}, {"age": 44, "patient_id": "P-200"}, patient="P-200")
    store.save_answer(case, answered(patient="P-200"))
    store.correct(case, {"age": 61, "patient_id": "P-100"}, "P-100", "anna")
    store.correct(case, {"age": 62}, "", "ben")
    kept = store.case(case)
    assert (kept.status, kept.row, kept.patient) == ("received", {"age": 62}, None)
    assert (kept.assessment, kept.headline, kept.age, kept.recorded, kept.grade) == (None,) * 5
    assert store.embedding(case) is None
    assert store.waiting() == [(case, "page")]
    assert count(store, Patient) == 0
    said = [(one["actor"], one["patient"], one["row"]) for one in kept.corrections]
    assert said == [
        ("anna", "P-200", {"age": 44, "patient_id": "P-200"}),
        ("ben", "P-100", {"age": 61, "patient_id": "P-100"}),
    ]


def test_an_answer_to_what_was_corrected_meanwhile_is_dropped(store):
    case = store.accept({"a": b"a"}, {"age": 44})
    assert store.begin_attempt(case)
    store.correct(case, {"age": 61}, "", "anna")
    store.save_answer(case, ANSWERED, {"age": 44})
    assert (store.case(case).status, store.case(case).assessment) == ("received", None)
    store.save_answer(case, ANSWERED, {"age": 61})
    assert store.case(case).status == "assessed"


def test_corrections_that_are_none(store):
    with pytest.raises(InputError) as caught:
        store.correct("0" * 32, {"age": 61}, "", "anna")
    assert caught.value.code == "serve.unknown"
    row = store.accept({}, {"age": 61}, patient="P")
    with pytest.raises(InputError) as caught:
        store.correct(row, {}, "P", "anna")
    assert caught.value.code == "serve.empty"
    assert store.case(row).row == {"age": 61}


def test_tidying_leaves_nothing_of_patients_without_a_case(store):
    store.accept({"a": b"a"}, patient="P-1")
    with store.begin() as connection:
        connection.add(Patient(identifier="P-2"))
    store.tidy()
    with store.look() as connection:
        assert list(connection.scalars(select(Patient.identifier))) == ["P-1"]


# --- outcomes ----------------------------------------------------------------------------------------------


def test_all_outcomes_are_kept_in_their_order(store):
    case_id = store.accept({"a": b"a"})
    for verdict in ("present", "absent"):
        store.add_outcome(case_id, "mi", "MI", verdict, note="angiography", actor="anna")
    assert [outcome.verdict for outcome in store.case(case_id).outcomes] == ["present", "absent"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"verdict": "perhaps"}, "serve.verdict"),
        ({"case_id": "0" * 32}, "serve.unknown"),
        ({"note": "n" * 10_001}, "serve.note"),
        ({"target": "n" * 10_001}, "serve.note"),
    ],
)
def test_outcomes_that_are_none(store, changes, code):
    case_id = store.accept({"a": b"a"})
    said = {"case_id": case_id, "task": "mi", "target": "MI", "verdict": "present", "note": ""}
    with pytest.raises(InputError) as caught:
        store.add_outcome(**{**said, **changes})
    assert caught.value.code == code
    assert count(store, Outcome) == 0


def test_what_is_unknown_is_refused(store):
    for look in (store.case, store.patient, store.batch, store.delete):
        with pytest.raises(InputError) as caught:
            look("no\0such")
        assert caught.value.code == "serve.unknown"


# --- deleting ----------------------------------------------------------------------------------------------


def test_deleting_takes_what_nobody_else_holds(store):
    batch = store.new_batch("b", "anna")
    one = store.accept({"a": b"shared", "b": b"alone"}, patient="P", batch=batch)
    two = store.accept({"a": b"shared"}, patient="P", batch=batch)
    store.add_outcome(one, "mi", "MI", "present")
    store.delete(one)
    assert store.originals.names() == {hashlib.sha256(b"shared").hexdigest()}
    assert store.case(two).patient is not None
    assert [count(store, table) for table in (Case, CaseFile, Outcome, Patient, Batch)] == [1, 1, 0, 1, 1]
    store.delete(two)
    assert store.originals.names() == store.originals.marked() == set()
    assert [count(store, table) for table in (Case, CaseFile, Outcome, Patient, Batch)] == [0] * 5


def test_a_batch_that_went_with_its_last_case_does_not_stop_an_upload(store):
    batch = store.new_batch("b", "anna")
    store.delete(store.accept({"a": b"1"}, batch=batch))
    case = store.case(store.accept({"a": b"2"}, batch=batch))
    assert case.batch is None


# --- a disk that refuses -----------------------------------------------------------------------------------


def test_a_damaged_original_is_told_and_mended_by_sending_it_again(store):
    case = store.case(store.accept({"a": b"content"}))
    place = store.originals.place(case.files[0].sha256)
    place.write_bytes(b"contemt")
    with pytest.raises(StorageError) as caught:
        store.files_of(case)
    assert caught.value.code == "storage.original"
    store.accept({"a": b"content"})
    assert store.files_of(case) == {"a": b"content"}
    place.unlink()
    with pytest.raises(StorageError):
        store.files_of(case)


def test_a_database_that_refuses_leaves_no_file(store):
    held = store.accept({"a": b"held"})

    def refuse(*_: object) -> None:
        raise InputError("test.refuses", "no", "no")

    from sqlalchemy import event

    event.listen(store.engine, "commit", refuse)
    with pytest.raises(CardioFusionError):
        store.accept({"a": b"held", "b": b"lost"}, patient="P")
    event.remove(store.engine, "commit", refuse)
    store.tidy()
    assert store.originals.names() == {hashlib.sha256(b"held").hexdigest()}
    assert [case.id for case in store.search(Search())[0]] == [held]
    assert count(store, Patient) == 0


def test_tidying_removes_what_is_marked_and_nothing_else(store):
    """A folder that meets the wrong database must not lose its files."""
    held = store.accept({"a": b"held"})
    store.originals.keep(b"in flight when the power went")
    stray = store.originals.keep(b"of another database")
    store.originals.unmark([stray])
    (store.originals.incoming / "half").write_bytes(b"half")
    (store.originals.incoming / "restore").mkdir()
    store.originals.mark([store.case(held).files[0].sha256])
    store.tidy()
    assert store.originals.names() == {stray, store.case(held).files[0].sha256}
    assert list(store.originals.incoming.iterdir()) == []


def test_everything_is_its_owners_alone(store, kind):
    store.accept({"a": b"a"}, patient="P")
    folder = store.originals.folder.parent
    paths = [path for path in folder.rglob("*") if path.exists()]
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}
    assert (folder / "cardiofusion.db").exists() == (kind == "sqlite")


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        Store(tmp_path / "file" / "data", f"sqlite:///{tmp_path / 'x.db'}")


@pytest.mark.parametrize("name", ["a b", "a%20b", "a#b", "a?b", "a@b:c", "ä"])
def test_the_database_lies_in_the_folder_whatever_its_name(tmp_path: Path, name: str):
    place = Settings(data=tmp_path / name)
    Store(place.data, place.database_url).close()
    assert (tmp_path / name / "cardiofusion.db").exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_files_sent_again_are_told_from_new_ones(store):
    batch = store.new_batch("", "ada")
    first, second = {"a.hea": b"1", "a.dat": b"2"}, {"b.dcm": b"3"}
    store.accept(first, batch=batch)
    store.accept(second, batch=store.new_batch("", "ada"))  # another batch is no reason
    assert store.not_in_batch(batch, [first, second]) == [second]
    assert store.not_in_batch(batch, [{"a.hea": b"1"}]) == [{"a.hea": b"1"}]  # half of it is not it
