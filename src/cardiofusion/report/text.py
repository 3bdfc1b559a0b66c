"""An assessment as plain terminal text: warnings before any number."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cardiofusion.records import Assessment, Measurements, PublishedScores, Quality, TaskAnswer
from cardiofusion.report.answers import (
    ABSENT,
    NOT_OF_RHYTHM,
    SET_AND_PROBABILITY,
    AnswerPart,
    answer_parts,
    any_by_set,
    unused_words,
)
from cardiofusion.report.measured import ALL, MeasuredColumn, measured_part
from cardiofusion.report.published import risk_words, scores_part
from cardiofusion.report.sheet import phenotype_facts, provenance_facts, row_facts
from cardiofusion.report.tables import Table
from cardiofusion.report.verdicts import Verdict, task_title
from cardiofusion.report.wording import SPACE, clean, identity, interval_words, spoken

WIDTH = 100
INDENT, GAP = "  ", "   "
MAX_LEFT = 60  # columns: what is longer does not set the width for all
MAX_CONTRIBUTIONS = 5


def assessment_text(assessment: Assessment) -> str:
    """The assessment in words for a terminal, WIDTH columns, no colours, no control characters."""
    return "\n".join(line.replace(SPACE, " ") for line in _lines(assessment)) + "\n"


def _lines(assessment: Assessment) -> Iterator[str]:
    yield from _wrap(assessment.notice)
    for warning in assessment.warnings:
        yield from _wrap(f"⚠ WARNING: {warning}", "  ")
    yield from _section("Patient", _patient(assessment.patient))
    yield from _section("Quality", _quality(assessment.quality))
    yield from _section("Measured in the ECG", _measured(assessment.measurements))
    answers = answer_parts(assessment)
    for part in answers:
        yield from _section(f"Answer: {part.title}", _answer(part))
    yield from _section("How to read this", _explained(assessment, answers))
    yield from _section("Published scores", _scores(assessment.scores))
    distrust = {part.task: f"⚠ {part.distrust}" for part in answers if part.distrust}
    for name, given in assessment.explanations.items():
        reasons = _reasons(assessment.tasks.get(name), given)
        yield from _section(f"Why: {task_title(name)}", [distrust.get(task_title(name), ""), *reasons])
    yield from _section("Phenotype", (f"{k}: {v}" for k, v in phenotype_facts(assessment.phenotype)))
    yield from _section("Missing", (f"{spoken(what)}: {words}" for what, words in assessment.missing.items()))
    facts = provenance_facts(assessment.provenance)
    hashed = assessment.provenance.get("bundle_hash")
    yield from _section(
        "From", [*([f"bundle {hashed}"] if hashed else []), "; ".join(f"{k}: {v}" for k, v in facts)]
    )


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    body = [line for line in lines if line]
    if body:
        yield ""
        yield from _wrap(title)
        for line in body:
            yield from _wrap(f"{INDENT}{line}", 2 * INDENT)


def _wrap(line: str, indent: str = "") -> list[str]:
    # Cleaned first, so that a line break in a patient's id cannot forge a line of its own.
    one_line = clean(line).replace("\n", " ")
    return textwrap.wrap(one_line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _patient(patient: Mapping[str, Any]) -> Iterator[str]:
    yield identity(patient)
    yield ", ".join(f"{column} {value}" for column, value in row_facts(patient.get("row") or {}))


def _quality(quality: Quality | None) -> Iterator[str]:
    if quality is None:
        yield "no ECG was given"
        return
    rate = "" if quality.heart_rate is None else f", heart rate {quality.heart_rate:.0f} /min"
    yield f"{quality.grade}{rate}"
    for found in quality.findings:
        yield f"{found.severity}{f' ({found.lead})' if found.lead else ''}: {found.message}"


def _measured(measurements: Measurements | None) -> Iterator[str]:
    part = measured_part(measurements)
    if part is None:
        return
    yield "; ".join(map(_measured_value, part.columns))
    yield "" if part.about == ALL else part.about  # an empty line is left out
    yield from part.lines
    for words in part.apart:
        yield f"⚠ {words}"


def _measured_value(column: MeasuredColumn) -> str:
    """ "PR 240 ms ± 4 (uncertain, device 280)" """
    doubt = "" if column.confidence == "sure" else column.confidence
    device = f"device {column.device}" if column.device else ""
    beside = ", ".join(filter(None, (doubt, device)))
    return " ".join(filter(None, (column.title, column.value, column.spread, beside and f"({beside})")))


def _answer(part: AnswerPart) -> Iterator[str]:
    if part.proxy:
        yield f"⚠ {part.proxy}"
    if part.distrust:
        yield f"⚠ {part.distrust}"
    yield from _verdicts(part)
    if part.of_form:
        yield NOT_OF_RHYTHM
    if part.belied:
        yield f"⚠ {part.belied}"
    yield from _views(part.views)
    yield part.sets
    yield f"made from: {part.made_from}. {part.promise}".rstrip()


def _verdicts(part: AnswerPart) -> Iterator[str]:
    """Two columns: the set, and how many have it; beneath it, where the line is too short for both."""
    rows = [part.columns, *((_marked(one), one.often) for one in part.verdicts)]
    width = max(len(head) for head, _ in rows if len(head) <= MAX_LEFT)
    for head, often in rows:
        if max(width, len(head)) + len(GAP) + len(often) <= WIDTH - len(INDENT):
            yield f"{head:<{width}}{GAP}{often}"
        else:
            yield head
            yield f"{2 * INDENT}{often}"


def _marked(one: Verdict) -> str:
    return f"{one.mark} {one.heading}" if one.by_set else one.heading


def _views(table: Table | None) -> Iterator[str]:
    """What each part would have said, a line each: "ECG alone: MI 47 %, HYP 23 %"."""
    if table is None:
        return
    for i, view in enumerate(table.columns[1:], 1):
        yield f"{view}: {', '.join(f'{row[0]} {row[i]}' for row in table.rows if row[i] != ABSENT)}"


def _explained(assessment: Assessment, answers: Sequence[AnswerPart]) -> Iterator[str]:
    yield SET_AND_PROBABILITY if any_by_set(answers) else ""
    yield interval_words(assessment.tasks.values())


def _scores(scores: PublishedScores | None) -> Iterator[str]:
    part = scores_part(scores)
    if part is None:
        return
    yield "" if part.about == ALL else part.about  # an empty line is left out
    width = max((len(line.title) for group in part.outcomes for line in group.lines), default=0)
    for group in part.outcomes:
        yield f"{group.outcome}:"
        for line in group.lines:
            yield f"  {line.title:<{width}}  {risk_words(line)}"
    if part.outcomes:
        yield f"given: {part.given}"
    if part.absent:
        missing = f"; missing: {', '.join(part.missing)}" if part.missing else ""
        outside = f"; out of range for some: {part.outside}" if part.outside else ""
        yield f"not computed: {part.absent}{missing}{outside}"


def _reasons(answer: TaskAnswer | None, given: Mapping[str, Any]) -> Iterator[str]:
    if caution := unused_words(answer, given):
        yield f"⚠ {caution}"
    if gradcam := given.get("gradcam"):
        if "refused" in gradcam:
            yield f"where the model looked is not shown: {gradcam['refused']}"
        else:
            peaks = "; ".join(gradcam.get("peaks", ()))
            yield f"the model looked at (for {gradcam.get('target', '')}): {peaks}"
    if shap := given.get("shap"):
        steps = sorted(shap["contributions"], key=lambda item: -abs(item["contribution"]))[:MAX_CONTRIBUTIONS]
        said = ", ".join(f"{spoken(str(step['feature']))} {step['contribution']:+.2f}" for step in steps)
        yield f"largest contributions (for {shap.get('target', '')}, {shap.get('unit', '')}): {said}"
    attention = given.get("attention") or {}
    if "refused" in attention:
        yield f"attention is not shown: {attention['refused']}"
    elif attention:
        yield "attention: " + "; ".join(attention.get("top", ()))
