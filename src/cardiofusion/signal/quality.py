"""How fit an ECG is for reading, in words a clinician can act on. Works at the native rate.

It judges what the models read: the first 10 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import INDEPENDENT_LEADS, LEADS, Finding, Quality, Recording, Severity
from cardiofusion.signal.beat_shape import BeatShape, beat_shape
from cardiofusion.signal.beats import detect_beats, rate_of
from cardiofusion.signal.canonical import CANONICAL_RATE, CANONICAL_SECONDS, RATES, SHORTEST_SECONDS
from cardiofusion.signal.gaps import common_gaps, fill_gaps, missing_share, usable
from cardiofusion.signal.noise import jumps, mains, muscle, saturated, wander
from cardiofusion.signal.pacing import LOWEST_RATE, pacing_spikes
from cardiofusion.signal.placement import ARMS, chest_evidence, exchange_words, limb_evidence
from cardiofusion.signal.plausibility import (
    CHEST_LEADS,
    LIMB_LEADS,
    MOST_ABSENT,
    absent_chest_leads,
    amplitude,
    copied_leads,
    einthoven_error,
    farthest,
)
from cardiofusion.signal.speed import speed_evidence

SEVERITIES: tuple[Severity, ...] = ("unfit", "warning", "note")
TOLERATED_SECONDS = 0.25  # 4,096 samples at 400 Hz are "10 s" to everyone
LONG_SECONDS = 60.0  # of which the first 10 s stand for little
MISSING_WARNING = 0.1  # a second out of ten hides a whole beat
TALLEST_MV, SMALLEST_MV = 10.0, 0.05  # peak to peak of one lead
# Peak to peak of the median lead: 0.5-3.6 mV in 500 ECGs of PTB-XL, 0.85-4.5 in CODE-15%.
TYPICAL_MV = (0.3, 4.2)
# Log likelihood ratios (placement.py, speed.py) that 0.1 % (arms, other limbs, fast), 0.2 % (slow) and 0.3 %
# (chest) of 5,760 virtual ECGs without the fault exceed.
ARM_EVIDENCE, LIMB_EVIDENCE, CHEST_EVIDENCE = 2.0, 16.0, 14.0
FAST_EVIDENCE, SLOW_EVIDENCE = 3.3, 7.5
EINTHOVEN_MV = 0.05  # rounding of three leads at 5 uV stays below 0.02 mV
# mV a second, mV, mV: above the first a note, above the second a warning (see noise.py).
WANDER = (0.28, 0.75)
MAINS = (0.015, 0.03)
MUSCLE = (0.015, 0.03)

# code -> what one lead does, what several do, what to do about it
LEAD_WORDS: Mapping[str, tuple[str, str, str]] = {
    "flat_lead": ("is flat", "are flat", "check the electrode and its cable"),
    "missing_samples": ("has missing samples", "have missing samples", "export or record it again"),
    "saturated": ("is cut off at the top or bottom", "are cut off at the top or bottom", "record it again"),
    "amplitude": ("has an implausible height", "have implausible heights", "check gain and unit in the file"),
    "jumps": ("jumps for single samples", "jump for single samples", "look for a loose contact"),
    "wander": ("drifts", "drift", "clean the skin and let the patient lie still"),
    "mains": ("carries mains hum", "carry mains hum", "check the electrodes, move away from power cables"),
    "muscle_noise": ("carries muscle noise", "carry muscle noise", "let the patient relax and keep warm"),
}

SLIGHT = ("wander", "mains", "muscle_noise")  # where a note means less of the same
SHAPE_FAULTS = ("saturated", "amplitude", "missing_samples")  # that change how a lead's beat looks

LeadFaults = dict[str, dict[str, Severity]]  # code -> lead -> how bad


def assess_quality(recording: Recording) -> Quality:
    """Findings with stable codes, a grade for the whole and for each of the 12 leads, and the heart rate.

    Never raises on a valid Recording: what cannot be read is graded "unfit".
    """
    window = _window(recording)
    alive = usable(window.signal)
    findings = [*_length(recording), *_rate(recording), *_origin(recording)]
    faults: LeadFaults = {}
    beats = np.empty(0, dtype=np.intp)
    if not alive.any():
        findings.append(_nothing(window.signal))
    elif not any(finding.severity == "unfit" for finding in findings):
        leads = tuple(lead for lead, good in zip(window.leads, alive, strict=True) if good)
        readable = replace(window, signal=fill_gaps(window.signal[alive]), leads=leads)
        beats = detect_beats(readable)
        faults = _lead_faults(window, alive) | _noise_faults(readable)
        findings += [
            *_few_leads(readable),
            *_contradictions(readable),
            *_rhythm(readable, beats),
            *_spoken(faults),
        ]
        shape = _shape(readable, beats, faults)
        findings += [] if shape is None else [*_placement(shape), *_speed(shape)]
    return Quality(
        grade=_grade([finding.severity for finding in findings]),
        findings=tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))),
        leads=_lead_grades(window, alive, faults),
        heart_rate=rate_of(beats, window.sampling_rate, common_gaps(window)),
    )


def _window(recording: Recording) -> Recording:
    wanted = max(1, round(CANONICAL_SECONDS * recording.sampling_rate))
    if recording.signal.shape[1] <= wanted:
        return recording
    return replace(recording, signal=recording.signal[:, :wanted])


def _length(recording: Recording) -> list[Finding]:
    seconds = recording.duration
    if seconds < SHORTEST_SECONDS:
        return [Finding("short", "unfit", f"The recording lasts only {seconds:.1f} s: record 10 s.")]
    if seconds < CANONICAL_SECONDS - TOLERATED_SECONDS:
        return [Finding("short", "note", f"The recording lasts {seconds:.1f} s of the usual 10 s.")]
    if seconds > CANONICAL_SECONDS + TOLERATED_SECONDS:
        severity: Severity = "warning" if seconds > LONG_SECONDS else "note"
        return [Finding("long", severity, f"Only the first 10 s of {seconds:.1f} s were judged and used.")]
    return []


def _rate(recording: Recording) -> list[Finding]:
    rate = recording.sampling_rate
    if rate > RATES[1]:
        return [Finding("rate", "unfit", f"{rate:g} Hz is no sampling rate of an ECG: check the file.")]
    if rate < RATES[0]:
        return [
            Finding("low_rate", "unfit", f"{rate:g} Hz is too coarse for an ECG: export the native rate.")
        ]
    if rate < CANONICAL_RATE:
        return [Finding("low_rate", "warning", f"{rate:g} Hz blurs narrow waves: export the native rate.")]
    if rate < LOWEST_RATE:
        return [Finding("low_rate", "note", f"At {rate:g} Hz pacemaker spikes cannot be seen.")]
    return []


def _origin(recording: Recording) -> list[Finding]:
    """What the file itself admits."""
    findings = []
    if not recording.calibrated:
        words = "The file's gain cannot be trusted as millivolts: voltage criteria do not hold."
        findings.append(Finding("not_calibrated", "warning", words))
    if recording.unverified:
        parts = " and ".join(recording.unverified)
        findings.append(Finding("unverified", "note", f"No checksum covers the file's {parts}."))
    if absent := absent_chest_leads(recording.leads):
        what = f"Lead {absent[0]} is" if len(absent) == 1 else f"Leads {' and '.join(absent)} are"
        words = f"{what} not there though the other chest leads are: check the electrodes or the export."
        findings.append(Finding("absent_lead", "warning", words))
    return findings


def _nothing(signal: NDArray[np.float32]) -> Finding:
    if not np.nan_to_num(signal, posinf=0.0, neginf=0.0).any():
        return Finding("all_zero", "unfit", "Every sample is zero or missing: record or export it again.")
    return Finding("no_signal", "unfit", "Every lead is flat or mostly missing: check the electrodes.")


def _few_leads(readable: Recording) -> list[Finding]:
    """Where too little of the heart is seen for what twelve leads teach.

    Counted are the eight independent leads: two limb leads give the other four. A file may lack two chest
    leads (`absent_lead`); fewer, or no limb lead at all, is another kind of recording: a Holter, a monitor.
    """
    leads = readable.leads
    n_limbs = min(2, sum(lead in LIMB_LEADS for lead in leads))
    n_chest = sum(lead in CHEST_LEADS for lead in leads)
    if n_limbs and n_limbs + n_chest >= len(INDEPENDENT_LEADS) - MOST_ABSENT:
        return []
    what = f"Only lead {leads[0]} holds" if len(leads) == 1 else f"Only leads {', '.join(leads)} hold"
    words = f"{what} a signal: record all twelve leads."
    return [Finding("few_leads", "warning", words, leads[0] if len(leads) == 1 else None, leads)]


def _contradictions(readable: Recording) -> list[Finding]:
    """Where the leads contradict each other or a body."""
    signal, leads = readable.signal, readable.leads
    findings = []
    error = einthoven_error(signal, leads)
    if error is not None and error > EINTHOVEN_MV:
        words = f"The limb leads contradict each other by up to {error:.2g} mV: check gains and labels."
        findings.append(Finding("einthoven", "warning", words))
    for first, second in copied_leads(signal, leads):
        words = f"Leads {first} and {second} carry the same curve: check the electrodes or the export."
        findings.append(Finding("duplicated_leads", "warning", words))
    typical = _typical_height(readable)
    if readable.calibrated and not TYPICAL_MV[0] <= typical <= TYPICAL_MV[1]:
        words = f"The leads span {typical:.2g} mV, hardly a heart's: check gain and unit in the file."
        findings.append(Finding("amplitude", "warning", words))
    return findings


def _shape(readable: Recording, beats: NDArray[np.intp], faults: LeadFaults) -> BeatShape | None:
    """Of the beats in those leads whose shape can be trusted."""
    spoiled = {lead for code in SHAPE_FAULTS for lead, how in faults[code].items() if how == "warning"}
    kept = [row for row, lead in enumerate(readable.leads) if lead not in spoiled]
    leads = tuple(readable.leads[row] for row in kept)
    return beat_shape(readable.signal[kept], leads, beats, readable.sampling_rate) if kept else None


def _placement(shape: BeatShape) -> list[Finding]:
    """Electrodes that seem to have been exchanged: of the limbs, and of the chest."""
    findings = []
    limbs = limb_evidence(shape)
    best = max(limbs, key=lambda exchange: limbs[exchange], default=None)
    if best is not None and limbs[best] > limbs[ARMS] + LIMB_EVIDENCE and limbs[best] > LIMB_EVIDENCE:
        words = f"The electrodes of {exchange_words(best)} may be exchanged: check them and record again."
        findings.append(Finding("limb_electrodes_exchanged", "warning", words))
    elif best is not None and limbs[ARMS] > ARM_EVIDENCE:
        words = "Lead I is upside down: the arm electrodes may be exchanged, or the heart lies on the right."
        findings.append(Finding("arm_electrodes_reversed", "warning", words))
    chest = chest_evidence(shape)
    best = max(chest, key=lambda exchange: chest[exchange], default=None)
    if best is not None and chest[best] > CHEST_EVIDENCE:
        words = f"The chest electrodes {exchange_words(best)}: check them and record again."
        findings.append(Finding("chest_electrodes_exchanged", "warning", words))
    return findings


def _speed(shape: BeatShape) -> list[Finding]:
    """Whether the heart looks twice too fast or too slow in all its parts."""
    evidence = speed_evidence(shape)
    if evidence["fast"] > FAST_EVIDENCE:
        words = "All waves are short as if time ran twice too fast: check the sampling rate or paper speed."
    elif evidence["slow"] > SLOW_EVIDENCE:
        words = "All waves are long as if time ran at half speed: check the sampling rate or paper speed."
    else:
        return []
    return [Finding("speed", "warning", words)]


def _rhythm(readable: Recording, beats: NDArray[np.intp]) -> list[Finding]:
    findings = []
    if not len(beats):
        words = "No heart beats can be made out: look at the patient first, then at the electrodes."
        findings.append(Finding("no_beats", "unfit", words))
    # Spikes are told by their millivolts: with a wrong gain every sharp QRS would be one.
    if _typical_height(readable) <= TYPICAL_MV[1] and len(pacing_spikes(readable)):
        words = "There are pacemaker spikes: QRS shape, axis and ST-T say little in paced beats."
        findings.append(Finding("paced", "warning", words))
    return findings


def _typical_height(readable: Recording) -> float:
    return float(np.median(amplitude(readable.signal, readable.sampling_rate)))


def _lead_faults(window: Recording, alive: NDArray[np.bool_]) -> LeadFaults:
    """Leads with gaps, and flat ones."""
    shares = dict(zip(window.leads, missing_share(window.signal), strict=True))
    flat = [lead for lead, good in zip(window.leads, alive, strict=True) if not good and not shares[lead]]
    return {
        "missing_samples": {
            lead: "warning" if share > MISSING_WARNING else "note"
            for lead, share in shares.items()
            if share > 0.0
        },
        "flat_lead": dict.fromkeys(flat, "warning"),
    }


def _noise_faults(readable: Recording) -> LeadFaults:
    signal, rate, leads = readable.signal, readable.sampling_rate, readable.leads
    height = amplitude(signal, rate)
    implausible = (height > TALLEST_MV) | (height < SMALLEST_MV) | (farthest(signal) > TALLEST_MV)
    hum = mains(signal, rate)
    return {
        "saturated": _where(saturated(signal, rate), leads),
        "amplitude": _where(implausible & readable.calibrated, leads),
        "jumps": _where(jumps(signal, rate) & readable.calibrated, leads, "note"),
        "wander": _graded(wander(signal, rate), WANDER, leads),
        "mains": _graded(hum, MAINS, leads),
        "muscle_noise": _graded(muscle(signal, rate, hum), MUSCLE, leads),
    }


def _where(
    wrong: NDArray[np.bool_], leads: Sequence[str], severity: Severity = "warning"
) -> dict[str, Severity]:
    return {lead: severity for lead, bad in zip(leads, wrong, strict=True) if bad}


def _graded(
    values: NDArray[np.float64], limits: tuple[float, float], leads: Sequence[str]
) -> dict[str, Severity]:
    note, warning = limits
    return {
        lead: "warning" if value > warning else "note"
        for lead, value in zip(leads, values, strict=True)
        if value > note
    }


def _spoken(faults: LeadFaults) -> list[Finding]:
    """One finding for all leads that share a fault and its severity."""
    findings = []
    for code, by_lead in faults.items():
        for severity in SEVERITIES:
            leads = [lead for lead, found in by_lead.items() if found == severity]
            if leads:
                findings.append(_sentence(code, severity, leads))
    return findings


def _sentence(code: str, severity: Severity, leads: list[str]) -> Finding:
    one, several, advice = LEAD_WORDS[code]
    if severity == "note":  # nothing to be done about a trace
        advice = ""
    if severity == "note" and code in SLIGHT:
        one, several = f"{one} slightly", f"{several} slightly"
    what = f"Lead {leads[0]} {one}" if len(leads) == 1 else f"Leads {', '.join(leads)} {several}"
    message = f"{what}: {advice}." if advice else f"{what}."
    return Finding(code, severity, message, leads[0] if len(leads) == 1 else None, tuple(leads))


def _grade(severities: list[Severity]) -> Literal["good", "fair", "unfit"]:
    if "unfit" in severities:
        return "unfit"
    return "fair" if "warning" in severities else "good"


def _lead_grades(window: Recording, alive: NDArray[np.bool_], faults: LeadFaults) -> dict[str, str]:
    warned = {lead for by_lead in faults.values() for lead, found in by_lead.items() if found == "warning"}
    recorded = {
        lead: ("fair" if lead in warned else "good") if good else "unfit"
        for lead, good in zip(window.leads, alive, strict=True)
    }
    return {lead: recorded.get(lead, "absent") for lead in LEADS}
