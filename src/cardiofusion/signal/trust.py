"""How far measured values may be trusted: faults of the leads, too few leads, leads that disagree.

A lead that was cut off or is implausibly high or low says nothing and is left out, as a flat one is anyway.
Where leads contradict each other, hang on the wrong electrode or have gaps, what is read off them stays, but
not as sure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from cardiofusion.records import LEADS, Measurement, Quality
from cardiofusion.records.measurements import UNSURE
from cardiofusion.signal.amplitudes import SUMS

LIMB_LEADS, CHEST_LEADS = frozenset(LEADS[:6]), frozenset(LEADS[6:])
SPOILING = ("saturated", "amplitude")
LIMB_FAULTS = ("einthoven", "arm_electrodes_reversed", "limb_electrodes_exchanged")
CHEST_FAULT, GAPS, SPEED = "chest_electrodes_exchanged", "missing_samples", "speed"
DOUBTED = 0.9 * UNSURE  # the most that a doubted value may have
# By the number of leads: QRS and QT of one lead of LUDB are off by more than 30 ms in 11 to 23 % of records
# and the QRS is 12 to 19 ms too short; of two leads by 4 to 14 %, and 7 to 12 ms (12 leads: 7 to 12 %).
FEW_LEADS: Mapping[int, float] = {1: DOUBTED, 2: 0.8}
BY_QRS_ENDS = ("qrs", "qrs_axis")


@dataclass(frozen=True)
class Doubts:
    """spoilt: leads that say nothing. heights: leads whose mV are doubted. axes, times: whether these are."""

    spoilt: frozenset[str] = frozenset()
    heights: frozenset[str] = frozenset()
    axes: bool = False
    times: bool = False


def doubts_about(quality: Quality | None, recorded: Sequence[str], usable: Collection[str]) -> Doubts:
    """What the warnings of `assess_quality` say against the usable ones of the recorded leads.

    Where most leads are spoilt none is left out, for then it is the gain: times hold, mV do not.
    """
    warned: dict[str, frozenset[str]] = {}
    for finding in quality.findings if quality else ():
        if finding.severity == "warning":
            concerned = frozenset(finding.leads or recorded) & frozenset(usable)
            warned[finding.code] = warned.get(finding.code, frozenset()) | concerned
    spoilt = frozenset[str]().union(*(warned.get(code, ()) for code in SPOILING))
    gapped = warned.get(GAPS, frozenset())
    limbs = LIMB_LEADS if warned.keys() & set(LIMB_FAULTS) else frozenset[str]()
    chest = CHEST_LEADS if CHEST_FAULT in warned else frozenset[str]()
    most = 2 * len(spoilt) > len(usable)
    return Doubts(
        spoilt=frozenset() if most else spoilt,
        heights=limbs | chest | gapped | (spoilt if most else frozenset()),
        axes=bool(limbs or gapped & LIMB_LEADS),
        times=SPEED in warned,
    )


def trusted_intervals(
    intervals: Mapping[str, Measurement], doubts: Doubts, agreement: float, n_leads: int
) -> dict[str, Measurement]:
    """agreement: of the leads on the QRS, 0 to 1 (`qrs_agreement`). n_leads: that were measured."""

    def judged(name: str, one: Measurement) -> Measurement:
        share = agreement if name in BY_QRS_ENDS else 1.0
        share *= FEW_LEADS.get(n_leads, 1.0) if one.unit == "ms" else 1.0
        return _judged(one, share, doubts.axes if one.unit == "°" else doubts.times)

    return {name: judged(name, one) for name, one in intervals.items()}


def trusted_amplitudes(
    amplitudes: Mapping[str, Mapping[str, Measurement]], doubts: Doubts, agreement: float
) -> dict[str, dict[str, Measurement]]:
    """ST is read so long after the QRS, so it is no surer than where that ends."""
    return {
        lead: {
            name: _judged(one, agreement if name == "st" else 1.0, lead in doubts.heights)
            for name, one in named.items()
        }
        for lead, named in amplitudes.items()
    }


def trusted_voltages(voltages: Mapping[str, Measurement], doubts: Doubts) -> dict[str, Measurement]:
    """The highest R of what is left of two leads may not be the highest."""
    needed = {name: {right, *left} for name, (right, left) in SUMS.items()}
    return {name: _judged(one, 1.0, bool(needed[name] & doubts.spoilt)) for name, one in voltages.items()}


def _judged(one: Measurement, share: float, doubted: bool) -> Measurement:
    sure = one.confidence * share
    return replace(one, confidence=min(sure, DOUBTED) if doubted else sure)
