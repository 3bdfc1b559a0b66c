"""Sets beside what turned out to be true: what counts, what promised nothing, whose promise it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from cardiofusion.records import Assessment, TaskAnswer
from cardiofusion.serve.coverage import Confirmed, TargetCoverage, confirmed
from cardiofusion.serve.headline import headline
from cardiofusion.serve.shares import ENOUGH, Share
from cardiofusion.serve.store import Answered, Case, Outcome, Store
from cardiofusion.serve.store.packing import pack

OURS, OLD = "a" * 64, "b" * 64
BOTH = ("present", "absent")
FINDINGS = {"MI": ("present",), "CD": BOTH, "HYP": ("absent",), "STTC": ()}
Enter = Callable[..., str]


def answer(sets: object, coverage: float = 0.9, **more: object) -> TaskAnswer:
    probability = dict.fromkeys(sets if isinstance(sets, dict) else ("no death", "death"), 0.5)
    fixed = {"guarantee": "", "alignment": "matched", "modalities": ("ecg",)}
    return TaskAnswer(probability, sets, coverage, **{**fixed, **more})  # type: ignore[arg-type]


@pytest.fixture
def enter(store: Store) -> Enter:
    """Each call: a case with one task's answer, and what was confirmed of it, target by target."""

    def one(
        told: TaskAnswer,
        outcomes: Iterable[tuple[str, str]],
        task: str = "ecg-findings",
        bundle: str = OURS,
        patient: str | None = None,
        warnings: tuple[str, ...] = (),
        source: str = "page",
    ) -> str:
        assessment = Assessment({task: told}, warnings, None, {}, None, {}, {})
        case = store.accept({"ecg.dcm": b"x"}, source=source)
        said = (assessment.to_json(), headline(assessment), patient, None, None, None, "good", bundle, None)
        store.save_answer(case, Answered(*said))
        for target, verdict in outcomes:
            store.add_outcome(case, task, target, verdict)
        return case

    return one


def of(found: Confirmed, target: str) -> TargetCoverage:
    (one,) = [one for task in found.tasks for one in task.targets if one.target == target]
    return one


def test_a_set_held_the_truth_where_it_has_it_a_full_one_always_and_an_empty_one_never(
    store: Store, enter: Enter
) -> None:
    for verdict in BOTH:
        enter(answer(FINDINGS), [(target, verdict) for target in FINDINGS])
    found = confirmed(store, OURS)
    shares = {one.target: (one.present.part, one.absent.part) for one in found.tasks[0].targets}
    assert shares == {"MI": (1, 0), "CD": (1, 1), "HYP": (0, 1), "STTC": (0, 0)}
    assert {one.present.n for one in found.tasks[0].targets} == {1}
    assert found.tasks[0].together == Share(4, 8, 2)
    assert found.together == (4, 8)
    assert found.tasks[0].promised == 0.9
    assert found.state == "few"


def test_a_binary_set_counts_by_its_second_label(store: Store, enter: Enter) -> None:
    for labels in (("death",), ("no death",), ("no death", "death"), ()):
        enter(answer(labels, 0.8, horizon=10.0), [("death", "present")], task="mortality")
    (task,) = confirmed(store, OURS).tasks
    assert task.promised == 0.8
    assert task.targets == (TargetCoverage("death", Share(2, 4, 4), Share(0, 0, 0)),)


def test_the_newest_entry_counts_and_unknown_takes_it_back(store: Store, enter: Enter) -> None:
    entries = [("MI", "absent"), ("MI", "present"), ("HYP", "present"), ("HYP", "unknown")]
    case = enter(answer(FINDINGS), entries)
    store.add_outcome(case, "other", "other", "present")  # no set was given for that
    found = confirmed(store, OURS)
    assert [one.target for one in found.tasks[0].targets] == ["MI"]
    assert of(found, "MI") == TargetCoverage("MI", Share(1, 1, 1), Share(0, 0, 0))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with store.begin() as connection:  # newest by when it was entered, whatever row it stands in
        connection.execute(update(Outcome).where(Outcome.verdict == "present").values(entered=yesterday))
    assert of(confirmed(store, OURS), "MI").absent == Share(0, 1, 1)


def test_what_stayed_closed_or_was_guessed_promised_nothing(store: Store, enter: Enter) -> None:
    enter(answer(FINDINGS), [("MI", "present")], warnings=("WRONG PATIENT? The ECG is of a male.",))
    enter(answer(FINDINGS, modalities=("row",), unused=("ecg",)), [("MI", "present"), ("CD", "absent")])
    found = confirmed(store, OURS)
    assert found.tasks == found.others == ()
    assert found.unpromised == 3
    assert found.state == "few"


def test_examples_and_cases_that_wait_again_do_not_count(store: Store, enter: Enter) -> None:
    enter(answer(FINDINGS), [("MI", "present")], source="example")
    store.again(enter(answer(FINDINGS), [("MI", "present")]))
    assert confirmed(store, OURS) == Confirmed((), (), 0)


def test_another_bundles_promise_is_another_row(store: Store, enter: Enter) -> None:
    enter(answer(FINDINGS), [("MI", "present")])
    enter(answer(FINDINGS, 0.8), [("MI", "absent")], bundle=OLD)
    found = confirmed(store, OURS)
    assert [(one.bundle, one.promised, one.together) for one in found.tasks] == [(OURS, 0.9, Share(1, 1, 1))]
    assert [(one.bundle, one.promised, one.together) for one in found.others] == [(OLD, 0.8, Share(0, 1, 1))]


def test_a_patient_who_comes_often_is_one_patient(store: Store, enter: Enter) -> None:
    for _ in range(ENOUGH):
        enter(answer(FINDINGS), [("MI", "absent")], patient="W 1")
    found = confirmed(store, OURS)
    assert of(found, "MI").absent == Share(0, ENOUGH, 1)
    assert found.state == "few"


def test_sets_that_miss_a_class_too_often_are_told_though_others_keep_the_promise(
    store: Store, enter: Enter
) -> None:
    for number in range(ENOUGH):
        enter(answer(FINDINGS), [("CD", "present"), ("HYP", "absent")], patient=f"W {number}")
    many = dict.fromkeys((("ecg-findings", "CD"), ("ecg-findings", "HYP")), (500, 500))
    assert confirmed(store, OURS, many).state == "few"  # nothing is known of those without CD, or with HYP
    for number in range(ENOUGH):
        enter(answer(FINDINGS), [("CD", "absent"), ("HYP", "present")], patient=f"X {number}")
    found = confirmed(store, OURS, many)
    assert found.state == "below"
    assert (of(found, "HYP").present.below, of(found, "HYP").absent.below) == (True, False)
    assert confirmed(store, OURS).state == "kept"  # who calibrated it is not known: nothing is called below


def test_a_damaged_answer_hides_no_figure(store: Store, enter: Enter) -> None:
    cases = [enter(answer(FINDINGS), [("MI", "present")]) for _ in range(3)]
    with store.begin() as connection:
        connection.execute(update(Case).where(Case.id == cases[-1]).values(assessment=b"damaged"))
        connection.execute(update(Case).where(Case.id == cases[0]).values(assessment=pack({"tasks": 3})))
    assert of(confirmed(store, OURS), "MI").present == Share(3, 3, 3)
    with store.begin() as connection:
        connection.execute(update(Case).values(assessment=b"damaged"))
    assert confirmed(store, OURS).tasks == ()


def test_nobody_can_say_that_an_event_stays_away_before_its_years_are_over(
    store: Store, enter: Enter
) -> None:
    told = answer(("no death",), horizon=10.0)
    old = enter(told, [], task="mortality")
    with store.begin() as connection:
        long_ago = datetime.now(UTC) - timedelta(days=11 * 365.25)
        connection.execute(update(Case).where(Case.id == old).values(created=long_ago))
    for case in (old, enter(told, [], task="mortality")):
        store.add_outcome(case, "mortality", "death", "absent")
    enter(told, [("death", "present")], task="mortality")
    found = confirmed(store, OURS, {}, {"mortality": 10.0})
    assert of(found, "death") == TargetCoverage("death", Share(0, 1, 1), Share(1, 1, 1))
    assert found.early == 1
