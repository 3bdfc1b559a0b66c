"""Who comes, beside whom the bundle learnt from and the year before: each share of the right cases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from cardiofusion.serve.drift import BEFORE_DAYS, RECENT_DAYS, Drift, drifts
from cardiofusion.serve.shares import Share
from cardiofusion.serve.store import Answered, Case, Store

OURS, OLD = "a" * 64, "b" * 64
POPULATIONS = (
    ("ecg-findings", {"age": [17.0, 90.0], "n": 265, "paced": 1}),
    ("mortality", {"age": [25.0, 74.0], "n": 5960, "paced": 0}),
)
FINDING = ["ecg-findings", "MI", "absent", 0.1, None]
Come = Callable[..., str]


@pytest.fixture
def come(store: Store) -> Come:
    """Each call: an assessed case that came in some days ago."""

    def one(
        days: float = 1,
        findings: tuple[Any, ...] = (FINDING,),
        closed: tuple[str, ...] = (),
        cautions: tuple[str, ...] = (),
        age: float | None = 60.0,
        sex: str | None = "male",
        grade: str | None = "good",
        bundle: str = OURS,
        patient: str | None = None,
        source: str = "page",
    ) -> str:
        case = store.accept({"ecg.dcm": b"x"}, source=source)
        told = {"findings": findings, "closed": closed, "guessed": [], "cautions": cautions, "warnings": 0}
        store.save_answer(case, Answered({}, told, patient, None, age, sex, grade, bundle, None))
        return back(store, case, days)

    return one


def back(store: Store, case: str, days: float) -> str:
    with store.begin() as connection:
        came = datetime.now(UTC) - timedelta(days=days)
        connection.execute(update(Case).where(Case.id == case).values(created=came))
    return case


def shares(store: Store, populations: Any = POPULATIONS) -> dict[tuple[str, str], Drift]:
    return {(one.kind, one.task): one for one in drifts(store, OURS, populations)}


def recent(store: Store, kind: str, task: str = "") -> tuple[int, int]:
    found = shares(store)[kind, task].recent
    return found.part, found.n


def test_nothing_is_told_of_an_empty_clinic_nor_of_its_examples(store: Store, come: Come) -> None:
    assert drifts(store, OURS, POPULATIONS) == ()
    come(source="example")
    assert drifts(store, OURS, POPULATIONS) == ()


def test_ages_are_held_against_those_each_task_learnt_from(store: Store, come: Come) -> None:
    death = ["mortality", "death", "absent", 0.1, 10.0]
    for age in (16.0, 17.0, 80.0, 90.0, 90.5, None):
        come(age=age)
    come(age=80.0, findings=(FINDING, death))
    come(age=74.0, findings=(death,))
    assert recent(store, "age", "ecg-findings") == (2, 6)
    assert recent(store, "age", "mortality") == (1, 2)
    assert shares(store)["age", "mortality"].learnt["n"] == 5960


def test_cautions_sets_and_sexes_are_counted_among_those_who_could_have_them(
    store: Store, come: Come
) -> None:
    come(cautions=("paced",), closed=("ecg-findings",))
    come(cautions=("wrong_patient",), closed=("ecg-findings",), sex="female")
    come(findings=(["ecg-findings", "MI", "unlike", 0.1, None],), grade="unfit", sex=None)
    come(grade=None, cautions=("leads",))
    refused = store.accept({"letter.txt": b"x"})
    store.save_refusal(refused, "recording.format", "no", "no")
    store.accept({"waits.dcm": b"x"})
    assert recent(store, "closed") == (1, 4)  # whose ECG it is is another question
    assert recent(store, "doubt") == (1, 4)
    assert recent(store, "paced") == (1, 3)
    assert recent(store, "unlike") == (1, 4)
    assert recent(store, "female") == (1, 3)
    assert recent(store, "unfit") == (1, 3)
    assert recent(store, "refused") == (1, 5)


def test_what_depends_on_the_bundle_is_of_the_bundle_in_use(store: Store, come: Come) -> None:
    come(bundle=OLD, cautions=("paced",), closed=("ecg-findings",), age=95.0, grade="unfit")
    come()
    for kind in ("closed", "paced", "unlike"):
        assert recent(store, kind) == (0, 1)
    assert recent(store, "age", "ecg-findings") == (1, 2)
    assert recent(store, "unfit") == (1, 2)


def test_the_last_days_stand_beside_the_year_before_and_nothing_older(store: Store, come: Come) -> None:
    for days in (0.1, RECENT_DAYS - 0.1, RECENT_DAYS + 0.1, RECENT_DAYS + BEFORE_DAYS - 0.1):
        come(days, sex="female")
    come(RECENT_DAYS + BEFORE_DAYS + 0.1)
    found = shares(store)["female", ""]
    assert (found.recent, found.before) == (Share(2, 2, 2), Share(2, 2, 2))


def test_a_share_that_moved_is_told_and_one_patients_many_cases_are_no_move(store: Store, come: Come) -> None:
    for number in range(40):
        come(1, grade="unfit" if number < 20 else "good", cautions=("paced",), patient=f"W {number % 8}")
        come(90, patient=f"X {number}")
    found = shares(store)
    assert found["unfit", ""].recent == Share(20, 40, 8)
    assert found["paced", ""].moved == ""
    for number in range(40):
        come(1, cautions=("paced",), patient=f"Y {number}")
    found = shares(store)
    assert found["paced", ""].moved == "more"
    assert found["female", ""].moved == ""


def test_what_a_bundle_learnt_from_or_does_not_say_is_no_row(store: Store, come: Come) -> None:
    come(cautions=("paced",))
    known = shares(store, [("ecg-findings", {"paced": 20})])
    assert ("paced", "") not in known
    assert not [kind for kind, _ in known if kind in ("age", "leads")]
    assert shares(store)["paced", ""].learnt == {"paced": 1}


def test_names_of_tasks_are_taken_as_they_are(store: Store, come: Come) -> None:
    """Neither % and _ of LIKE nor letters that JSON escapes may find another task."""
    for task in ("a_b", "axb", "50%", "Größe"):
        come(findings=([task, "MI", "absent", 0.1, None],), age=95.0)
    populations = [(task, {"age": [18, 90]}) for task in ("a_b", "50%", "Größe", "b")]
    found = {task: one.recent.n for (kind, task), one in shares(store, populations).items() if kind == "age"}
    assert found == {"a_b": 1, "50%": 1, "Größe": 1}
