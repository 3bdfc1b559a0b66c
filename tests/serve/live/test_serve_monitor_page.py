"""The monitor's page with figures in it, in every language; no patient is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from cardiofusion.records import Assessment, TaskAnswer
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.headline import headline
from cardiofusion.serve.language import LANGUAGES
from cardiofusion.serve.shares import ENOUGH
from cardiofusion.serve.store import Answered, Case

OTHER = "b" * 64
WARNED = (
    "The rhythm looks paced, and the bundle did not learn from paced patients: do not rely on what follows."
)


def told(sets: dict[str, tuple[str, ...]]) -> TaskAnswer:
    return TaskAnswer(dict.fromkeys(sets, 0.5), sets, 0.9, "", "matched", ("ecg",))


def come(clinic: Clinic, number: int, days: int, sets: Any, bundle: str, *warnings: str) -> str:
    """A patient who came some days ago, and was paced where there is a warning."""
    paced: Any = ("paced",) if warnings else ()
    assessment = Assessment({"ecg-findings": told(sets)}, warnings, None, {}, None, {}, {}, cautions=paced)
    case = clinic.store.accept({"ecg.dcm": b"x"})
    said = (
        assessment.to_json(),
        headline(assessment),
        f"W-109-{number}",
        None,
        60.0,
        "female",
        "good",
        bundle,
    )
    clinic.store.save_answer(case, Answered(*said, None))
    with clinic.store.begin() as connection:
        came = datetime.now(UTC) - timedelta(days=days)
        connection.execute(update(Case).where(Case.id == case).values(created=came))
    return case


@pytest.fixture(scope="module")
def seen(open_clinic: Callable[..., Clinic], api: Any) -> Any:
    """Twenty patients some months ago, whose MI was missed; twenty lately, who are paced."""
    clinic = open_clinic()
    ours = clinic.system.bundle.hash
    for number in range(ENOUGH):
        old = come(clinic, number, 90, {"MI": ("absent",), "CD": ("present",)}, ours)
        come(clinic, ENOUGH + number, 1, {"MI": ("absent",)}, ours, WARNED)
        clinic.store.add_outcome(old, "ecg-findings", "MI", "present")
        clinic.store.add_outcome(old, "ecg-findings", "CD", "present")
    closed = come(clinic, 99, 1, {"MI": ("absent",)}, ours, WARNED)
    other = come(clinic, 98, 1, {"MI": ("absent",)}, OTHER)
    for case in (closed, other):
        clinic.store.add_outcome(case, "ecg-findings", "MI", "absent")
    return type(api)(clinic)


@pytest.fixture
def text(seen: Any) -> str:
    """What the English page says, without its tags."""
    html = seen.get("/monitor", headers={**seen.headers, "Accept-Language": "en"}).text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.partition("<main")[2]))


def test_what_was_promised_stands_beside_what_was_held(text: str) -> None:
    assert "⚠ below the promise 20 of 40 confirmed answers" in text
    assert "Promised on average: at least 90 of 100" in text
    assert "Myocardial infarction 0 % (0–16) 0 of 20 ⚠ below the promise" in text
    assert "Conduction disturbance 100 % (84–100) 20 of 20 –" in text
    assert "All labels together 50 % (30–70) 20 of 40" in text
    assert "1 confirmed answer is left out" in text
    assert "bbbbbbbbbbbb" in text  # the other bundle's answer, by its hash
    assert "0 of 1: too few to tell" not in text
    assert "1 of 1: too few to tell" in text


def test_who_comes_stands_beside_who_came(text: str) -> None:
    assert re.search(r"An answer stayed closed 100 % ⚠ 2 shares differ", text)
    assert "Paced rhythm it learnt from 1 with a pacemaker 100 % (85–100) 21 of 21 ↑ more than before" in text
    assert "Women 100 % (85–100) 22 of 22 100 % (84–100) 20 of 20" in text
    assert "Outside 17 to 90 years ECG findings: it learnt from 265 patients of these ages 0 %" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_whole_in_every_language_and_names_nobody(seen: Any, language: str) -> None:
    answer = seen.get("/monitor", headers={**seen.headers, "Accept-Language": language})
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text
    assert answer.text.count('class="range"') >= 8
    assert "W-109" not in answer.text
    assert not re.search(r"style=|<script>|\son\w+=|\bnan\b", answer.text)
