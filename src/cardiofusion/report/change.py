"""What changed from a patient's previous ECG to this one: only what is more than a measurement's own error.

A difference is named from a limit on. Each limit is no less than what 95 % of ECGs differ by from their own
first to their own second half, five seconds each, where nothing has happened (500 ECGs of PTB-XL, where both
values are sure: rate 8.2 /min, n = 499; PR 34 ms, 334; QRS 14 ms, 452; QTc Fridericia 42 ms, 495; QRS axis
10°, 451; T axis 25°, 495; ST 0.03 mV, 5,189 leads), nor than what is of note: QTc 30 ms (ICH E14, 2005), ST
0.1 mV (fourth universal definition of myocardial infarction, Thygesen et al., Circulation 2018). Where the
beats of either ECG spread more than that, twice their spread is the limit. From one day to another electrodes
move too: a change that is named is a reason to look, no diagnosis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from cardiofusion.records import Assessment, Measurement, Measurements, Quality
from cardiofusion.report.measured import measured_value
from cardiofusion.report.verdicts import SHORT, label_name, leanings

LIMITS: Mapping[str, tuple[str, float]] = {  # interval -> its title, the smallest change that is named
    "heart_rate": ("Rate", 10.0),
    "pr": ("PR", 35.0),
    "qrs": ("QRS", 20.0),
    "qtc_fridericia": ("QTc Fridericia", 45.0),
    "qrs_axis": ("QRS axis", 30.0),
    "t_axis": ("T axis", 45.0),
}
ST_LIMIT = 0.1  # mV
SPREADS = 2.0
P_WAVES = 0.5  # how surely P waves come before the QRS, from which they count as there

Kind = Literal["answer", "rhythm", "interval", "st", "quality"]


@dataclass(frozen=True)
class Change:
    """One statement: "QRS: 92 ms before, 148 ms now (+56 ms)"."""

    kind: Kind
    words: str


@dataclass(frozen=True)
class ChangePart:
    """changes: what changed, answers first. doubtful: what cannot be compared. compared: the rest."""

    changes: tuple[Change, ...]
    doubtful: tuple[str, ...]
    compared: tuple[str, ...]

    @property
    def unchanged(self) -> str:
        """What to say where nothing changed; "" where something did."""
        if self.changes:
            return ""
        if not self.compared:
            return "Nothing could be compared."
        return f"No change beyond measurement error in {', '.join(self.compared)}."


def changes_between(earlier: Assessment, later: Assessment) -> ChangePart:
    """What is different in `later`, both of one patient. Nothing raises: what is missing is not compared."""
    found = [*_answers(earlier, later), *_quality(earlier.quality, later.quality)]
    doubtful: list[str] = []
    compared: list[str] = []
    before, now = earlier.measurements, later.measurements
    if before and now:
        found += _rhythm(before, now, compared)
        found += _intervals(before, now, doubtful, compared)
        found += _st(before, now, compared)
    if not _same_bundle(earlier, later):
        doubtful.append("The two were answered by different bundles: answers are not compared")
    elif set(earlier.tasks) & set(later.tasks):
        compared.insert(0, "the answers")
    return ChangePart(tuple(found), tuple(doubtful), tuple(compared))


def _same_bundle(earlier: Assessment, later: Assessment) -> bool:
    return earlier.provenance.get("bundle_hash") == later.provenance.get("bundle_hash")


def _answers(earlier: Assessment, later: Assessment) -> Iterator[Change]:
    """Changed sets; of another bundle, or made from another modality, they are no change of the patient."""
    if not _same_bundle(earlier, later):
        return
    for name, answer in later.tasks.items():
        previous = earlier.tasks.get(name)
        if previous is None or previous.modalities != answer.modalities:
            continue
        before = leanings(previous)
        for target, leaning in leanings(answer).items():
            if target in before and before[target] != leaning:
                was, now = (SHORT[one].lower() for one in (before[target], leaning))
                yield Change("answer", f"{_begun(label_name(target))}: “{was}” before, “{now}” now")


def _quality(before: Quality | None, now: Quality | None) -> Iterator[Change]:
    if before and now and before.grade != now.grade:
        yield Change("quality", f"Quality: {before.grade} before, {now.grade} now")


def _rhythm(before: Measurements, now: Measurements, compared: list[str]) -> Iterator[Change]:
    was, is_ = before.rhythm, now.rhythm
    if was is None or is_ is None or not (was.sure and is_.sure):
        return
    compared.append("rhythm")
    if was.regularity != is_.regularity:
        yield Change("rhythm", f"Rhythm: {was.regularity} before, {is_.regularity} now")
    if (was.p_waves >= P_WAVES) != (is_.p_waves >= P_WAVES):
        seen = ("made out before, not now", "not made out before, made out now")
        yield Change("rhythm", f"P waves before the QRS: {seen[is_.p_waves >= P_WAVES]}")


def _intervals(
    before: Measurements, now: Measurements, doubtful: list[str], compared: list[str]
) -> Iterator[Change]:
    for name, (title, least) in LIMITS.items():
        was, is_ = before.intervals.get(name), now.intervals.get(name)
        if was is None or is_ is None:
            continue
        change = _difference(was, is_)
        limit = max(least, SPREADS * math.hypot(was.spread, is_.spread))
        sure = was.sure and is_.sure
        if sure:
            compared.append(title)
        if abs(change) < limit:
            continue
        words = f"{title}: {measured_value(was)} before, {measured_value(is_)} now"
        if sure:
            yield Change("interval", f"{words} ({_signed(change, is_.unit)})")
        else:
            doubtful.append(
                f"{words}, but uncertain {'in one of them' if was.sure or is_.sure else 'in both'}"
            )


def _st(before: Measurements, now: Measurements, compared: list[str]) -> Iterator[Change]:
    """ST of every lead that is sure in both; one statement for all leads."""
    pairs = {
        lead: (before.amplitudes[lead]["st"], found["st"])
        for lead, found in now.amplitudes.items()
        if "st" in found and "st" in before.amplitudes.get(lead, {})
    }
    sure = {lead: pair for lead, pair in pairs.items() if pair[0].sure and pair[1].sure}
    if sure:
        compared.append("ST")
    moved = [
        f"{lead} {was.value:+.2f} to {is_.value:+.2f}".replace("-", "−")
        for lead, (was, is_) in sure.items()
        if abs(is_.value - was.value) >= max(ST_LIMIT, SPREADS * math.hypot(was.spread, is_.spread))
    ]
    if moved:
        yield Change("st", f"ST in mV, before to now: {', '.join(moved)}")


def _difference(was: Measurement, is_: Measurement) -> float:
    change = is_.value - was.value
    return (change + 180.0) % 360.0 - 180.0 if is_.unit == "°" else change


def _signed(change: float, unit: str) -> str:
    return f"{change:+.0f}{'' if unit == '°' else ' '}{unit}".replace("-", "−")


def _begun(words: str) -> str:
    """With a capital; what follows stays ("MI")."""
    return words[:1].upper() + words[1:]
