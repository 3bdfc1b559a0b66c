"""Whom the bundle does not know, and whose ECG this is: what closes an answer until it is asked for."""

from __future__ import annotations

from cardiofusion.records import Assessment
from cardiofusion.report.wording import spoken
from cardiofusion.runtime.admission import DISTRUST

IDENTITY = "WRONG PATIENT?"  # how a warning begins where ECG and row are of two people
UNKNOWN = ("wrong_patient", "child", "age", "paced", "leads")  # cautions that close every answer


def identity_alerts(assessment: Assessment) -> tuple[str, ...]:
    """What says that ECG and row are of two people, without the call that heads it."""
    return tuple(
        words.removeprefix(IDENTITY).strip() for words in assessment.warnings if words.startswith(IDENTITY)
    )


def plain_warnings(assessment: Assessment) -> tuple[str, ...]:
    """All others, in their order."""
    return tuple(words for words in assessment.warnings if not words.startswith(IDENTITY))


def gate_reasons(task: str, assessment: Assessment) -> tuple[str, ...]:
    """Why a task's answer stays closed until it is asked for; none where it stands open.

    The bundle does not know such patients, or it is not sure whose ECG and row these are. A warning that
    names a task closes that task alone.
    """
    reasons = [words for words in assessment.warnings if words.startswith(IDENTITY)]
    for words in plain_warnings(assessment):
        of, _, rest = words.partition(": ")
        if DISTRUST in words and (of == task or of not in assessment.tasks):
            reasons.append(rest if of == task else words)
    return tuple(reasons) or _unworded(assessment)


def _unworded(assessment: Assessment) -> tuple[str, ...]:
    """Cautions that no warning puts into words: they close everything, since a code names no task."""
    worded = any(words.startswith(IDENTITY) or DISTRUST in words for words in assessment.warnings)
    found = [code for code in assessment.cautions if code in UNKNOWN]
    return () if worded else tuple(f"{spoken(code).capitalize()}: {DISTRUST}." for code in found)
