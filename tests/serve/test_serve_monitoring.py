"""The monitor's counts, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from cardiofusion.serve.monitoring import DAYS, MOST, monitored
from cardiofusion.serve.store import Answered, Case, Store

HEADLINE = {"findings": [], "cautions": [], "warnings": 0}


def answered_case(store: Store) -> str:
    case = store.accept({"ecg.dcm": b"x"})
    store.save_answer(case, Answered({}, HEADLINE, None, None, None, None, "fair", "0" * 64, None))
    return case


def test_counts_are_of_all_cases_and_the_last_days(store: Store) -> None:
    assert monitored(store).busiest == 1  # of an empty clinic too: a chart divides by it
    assert monitored(store).recent == 0
    for _ in range(3):
        answered_case(store)
    refused = store.accept({"letter.txt": b"Dear colleague"}, source="dicom")
    store.save_refusal(refused, "recording.format", "is no ECG", "send an ECG")
    found = monitored(store)
    assert found.status == {"assessed": 3, "refused": 1}
    assert found.source == {"page": 3, "dicom": 1}
    assert found.grade == {"fair": 3}
    assert found.refusals == (("recording.format", 1),)
    assert len(found.days) == DAYS
    assert found.days[-1] == (datetime.now(UTC).date(), 4)
    assert (found.busiest, found.recent) == (4, 4)


@pytest.mark.parametrize(("age", "counted"), [(DAYS - 1, 1), (DAYS, 0)])
def test_the_first_day_counts_from_midnight(store: Store, age: int, counted: int) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with store.begin() as connection:
        connection.execute(
            update(Case).where(Case.id == answered_case(store)).values(created=midnight - timedelta(days=age))
        )
    found = monitored(store)
    assert found.days[0][1] == found.recent == counted


def test_the_most_frequent_refusals_come_first_and_one_that_was_taken_back_is_none(store: Store) -> None:
    for number in range(MOST + 2):
        for copy in range(1 + (number == 5)):
            case = store.accept({"a.dcm": b"%d-%d" % (number, copy)})
            store.save_refusal(case, f"recording.kind-{number:02d}", "no", "no")
    store.again(case)
    found = monitored(store).refusals
    assert found[0] == ("recording.kind-05", 2)
    assert len(found) == MOST
    assert [code for code, _ in found[1:]] == sorted(code for code, _ in found[1:])
    assert monitored(store).status == {"refused": MOST + 2, "received": 1}
