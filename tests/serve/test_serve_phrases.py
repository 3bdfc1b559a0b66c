"""The list of phrases against what the library really says: assessments, faults, refusals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cardiofusion
from cardiofusion.readers import read_bytes, read_recording
from cardiofusion.records import Assessment, CardioFusionError, Recording
from cardiofusion.report.change import changes_between
from cardiofusion.report.measured import measured_part
from cardiofusion.report.published import scores_part
from cardiofusion.report.sheet import phenotype_facts, reason_part
from cardiofusion.report.verdicts import label_name, task_title, verdicts, without_ecg_words
from cardiofusion.report.wording import spoken
from cardiofusion.runtime import System
from cardiofusion.serve.language import translator
from cardiofusion.serve.phrases import PHRASES
from cardiofusion.serve.refusals import REFUSALS
from cardiofusion.simulate import virtual_cohort
from faults import FAULTS

SOURCE = Path(cardiofusion.__file__).parent
ROWS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"age": 61, "sex": "male", "systolic": 150, "height": 170, "weight": 80},
    {"age": 8, "sex": "female"},
    {"age": 99, "patient_id": "somebody else"},
    {
        "age": 61, "sex": "male", "systolic": 150, "total_cholesterol": 6, "hdl_cholesterol": 1.2,
        "smoking": "no", "diabetes": "no", "pressure_treatment": "no", "risk_region": "low", "race": "white",
        "egfr": 80, "statin": "no", "who_region": "western europe", "height": 170, "weight": 80,
    },
)  # fmt: skip


def sentences(assessment: Assessment) -> Iterator[str]:
    """Every sentence of an assessment that a page shows through `say`."""
    yield from assessment.warnings
    yield from assessment.missing.values()
    yield from (spoken(name.split(".", 1)[-1]) for name in assessment.missing if name.startswith("row."))
    if assessment.quality:
        yield from (finding.message for finding in assessment.quality.findings)
        yield from assessment.quality.leads.values()
    for name, answer in assessment.tasks.items():
        yield from (*answer.words, answer.guarantee, task_title(name))
        for verdict in verdicts(answer):
            yield from (verdict.sentence, verdict.held, verdict.name)
            yield from (verdict.target, label_name(verdict.target))
        yield without_ecg_words(answer, assessment.quality)
    yield from _parts(assessment)


def _parts(assessment: Assessment) -> Iterator[str]:
    if measured := measured_part(assessment.measurements):
        yield from (*measured.lines, *measured.apart, measured.about)
        for column in measured.columns:
            yield from (column.title, column.confidence)
    if scores := scores_part(assessment.scores):
        yield from (scores.about, scores.given, scores.absent, scores.missing_words, scores.outside)
        for group in scores.outcomes:
            yield from (group.outcome, *(line.title for line in group.lines))
    for name, given in assessment.explanations.items():
        if reason := reason_part(name, assessment.tasks.get(name), given):
            yield from (reason.caution, reason.refused, reason.unattended, reason.attention_top)
    for fact in phenotype_facts(assessment.phenotype):
        yield from fact


def assert_all_known(said: set[str]) -> None:
    unknown = sorted(words for words in said if not translator("fr").say(words).known)
    assert not unknown, f"{len(unknown)} of {len(said)} sentences have no phrase"


@pytest.fixture(scope="module")
def systems() -> list[System]:
    return [System.load("reference"), System.load("original")]


@pytest.fixture(scope="module")
def virtual() -> list[Recording]:
    return [source.read() for source in virtual_cohort(6, 5).recordings]


def assessed(system: System, recording: Recording | None, row: dict[str, Any] | None) -> set[str]:
    try:
        return set(sentences(system.assess(recording, row)))
    except CardioFusionError as error:
        return {error.message, error.hint}


def test_planted_faults_are_said_in_phrases(systems: list[System], virtual: list[Recording]) -> None:
    rng = np.random.default_rng(3)
    said: set[str] = set()
    for k, fault in enumerate(FAULTS):
        said |= assessed(systems[0], fault.plant(virtual[k % 6], rng), ROWS[k % len(ROWS)])
    assert any("exchanged" in words for words in said)
    assert_all_known(said)


def test_short_slow_partial_and_strange_ecgs_are_said_in_phrases(
    systems: list[System], virtual: list[Recording]
) -> None:
    one = virtual[0]
    strange = [
        replace(one, signal=one.signal[:, :1500]),
        replace(one, signal=one.signal[:, :300]),
        *(replace(one, sampling_rate=rate) for rate in (40.0, 90.0, 200.0, 3e4)),
        replace(one, calibrated=False, unverified=("header", "samples")),
        replace(one, sex="male", age=20.0, patient_id="a"),
        replace(one, signal=one.signal * 0),
        *(replace(one, leads=one.leads[:n], signal=one.signal[:n]) for n in (1, 2, 7, 11)),
    ]
    said: set[str] = set()
    for k, recording in enumerate(strange):
        said |= assessed(systems[k % 2], recording, {"sex": "female", "age": 60, "patient_id": "b"})
        said |= assessed(systems[0], recording, None)
    assert_all_known(said)


def test_rows_and_their_refusals_are_said_in_phrases(systems: list[System]) -> None:
    wrong = ({"systolic": 900}, {"sex": "x"}, {"age": "old"}, {"systolic": "120 kg"}, {"nothing": 3}, {})
    said: set[str] = set()
    for system in systems:
        for row in (*ROWS[1:], *wrong):
            said |= assessed(system, None, row)
    assert_all_known(said)


def test_changes_between_two_ecgs_are_said_in_phrases(
    systems: list[System], virtual: list[Recording]
) -> None:
    told = [systems[0].assess(recording, None, explain=False) for recording in virtual]
    said: set[str] = set()
    for before, now in pairwise(told):
        part = changes_between(before, now)
        said |= {part.unchanged, *part.doubtful, *(change.words for change in part.changes)}
    assert len(said) > 5
    assert_all_known(said)


@pytest.mark.data
def test_real_ecgs_are_said_in_phrases(systems: list[System], data_dir: Path) -> None:
    ptbxl = sorted(path for path in (data_dir / "ptb-xl").rglob("*.hea") if "_lr" in path.name)[::25]
    code15 = sorted((data_dir / "code15" / "records").rglob("*.hea"))[::60]
    assert len(ptbxl) >= 20
    said: set[str] = set()
    for k, path in enumerate([*ptbxl, *code15]):
        said |= assessed(systems[k % 2], read_recording(path), ROWS[k % len(ROWS)])
    assert_all_known(said)


@pytest.mark.data
def test_most_damaged_files_are_refused_in_phrases_and_all_are_explained(data_dir: Path) -> None:
    refusals: list[CardioFusionError] = []
    for path in sorted(path for path in (data_dir / "formats").rglob("*") if path.is_file()):
        content = path.read_bytes() if path.stat().st_size < 1_000_000 else b""
        for damaged in (content[: len(content) // 2], content[:100], content[:-7]):
            try:
                read_bytes(damaged, "some file")
            except CardioFusionError as error:
                refusals.append(error)
    assert len(refusals) > 50
    known = [translator("fr").say(error.message).known for error in refusals]
    assert sum(known) / len(known) > 0.9
    assert all(translator("fr").refusal(error.code) for error in refusals)


def test_every_code_of_the_readers_is_explained() -> None:
    codes = {
        code
        for path in (SOURCE / "readers").rglob("*.py")
        for code in re.findall(r'"(recording\.[a-z_]+)"', path.read_text("utf-8"))
    }
    assert len(codes) > 25
    assert codes <= REFUSALS.keys()


def test_no_phrase_stands_twice() -> None:
    assert len(PHRASES) == len(set(PHRASES))
