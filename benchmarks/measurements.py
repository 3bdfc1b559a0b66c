"""What is measured beside what others say: intervals by confidence, amplitudes beside devices, regularity.

Part of `python benchmarks/delineation.py`, which prints and writes these tables. LUDB's intervals are the
medians of the cardiologists' marks over leads and beats; amplitudes are what the device wrote into the file.
"""

from __future__ import annotations

import ast
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics import bootstrap, roc_auc
from cardiofusion.readers import read_recording
from cardiofusion.readers.xml import parse_xml, text_of
from cardiofusion.records import Measurements, lead_name
from cardiofusion.signal import delineate, measure, measure_rhythm

Marks = NDArray[np.float64]
Experts = Callable[[int], list[dict[str, Marks]]]

REACH = {"P": 0.40, "QRS": 0.70}  # seconds before a wave's peak that hold the one its interval begins with
ENDS = {"pr": ("P", 0, "QRS", 0), "qrs": ("QRS", 0, "QRS", 2), "qt": ("QRS", 0, "T", 2)}
CONFIDENCES = (0.0, 0.6, 0.9, 1.01)
RECORDS, RATE = 200, 500.0
RHYTHMS = {"AFIB": {"AFIB"}, "AFLT": {"AFLT"}, "sinus": {"SR", "SARRH", "SBRAD", "STACH"}}
SEED = 5
PHILIPS = ("philips/1_03_129DYPRG.XML", "philips/1_04_3191723_ZZDEMOPTONLY.xml")
PHILIPS_NAMES = {"p": "pamp", "q": "qamp", "r": "ramp", "s": "samp", "r_prime": "rpamp", "t": "tamp"}
MUSE = "muse/IntroECG_MUSE_example.xml"
MUSE_NAMES = {"IE_P": "p", "IE_Q": "q", "IE_R": "r", "IE_S": "s", "IE_STJ60": "st", "IE_T": "t"}
DOWNWARDS = ("IE_Q", "IE_S")


def tables(data: Path, experts: Experts) -> str:
    """Three tables in Markdown."""
    return "\n\n".join(
        "\n".join(lines)
        for lines in (
            by_confidence(data / "ludb" / "data", experts),
            beside_devices(data / "formats"),
            regularity(data / "ptb-xl"),
        )
    )


def by_confidence(ludb: Path, experts: Experts) -> list[str]:
    """Mean absolute error of each interval where it is unsure and where it is sure."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in ENDS}
    for record in range(1, RECORDS + 1):
        found = measure(read_recording(ludb / f"{record}.hea")).intervals
        for name in ENDS:
            truth = expert_interval(experts(record), name)
            if name in found and np.isfinite(truth):
                rows[name].append((found[name].confidence, abs(found[name].value - truth)))
    lines = ["| interval | confidence | records | mean absolute error, ms |", "|---|---|---|---|"]
    for name, pairs in rows.items():
        sure, off = np.array(pairs).T
        for low, high in pairwise(CONFIDENCES):
            inside = (sure >= low) & (sure < high)
            shown = f"{off[inside].mean():.1f}" if inside.any() else ""
            lines.append(f"| {name.upper()} | {low:g} to {min(high, 1.0):g} | {inside.sum()} | {shown} |")
    return lines


def expert_interval(leads: list[dict[str, Marks]], name: str) -> float:
    """In ms; NaN where no lead has both ends."""
    first, begin, last, end = ENDS[name]
    medians = []
    for marks in leads:
        spans = [
            (wave[end] - before[-1, begin]) * 1000.0 / RATE
            for wave in marks[last]
            if len(before := wave[None] if first == last else _before(marks[first], wave[1], REACH[first]))
        ]
        known = [span for span in spans if np.isfinite(span)]
        medians += [np.median(known)] if known else []
    return float(np.median(medians)) if medians else np.nan


def _before(marks: Marks, peak: float, reach: float) -> Marks:
    return marks[(marks[:, 1] < peak) & (marks[:, 1] > peak - reach * RATE)]


def beside_devices(formats: Path) -> list[str]:
    """Ours minus the device's in uV, over the leads that both name a wave in; and where only one does."""
    lines = [
        "| file | wave | leads | ours minus device, uV | only ours | only device |",
        "|---|---|---|---|---|---|",
    ]
    for file in (*PHILIPS, MUSE):
        root = parse_xml((formats / file).read_bytes(), file)
        device = philips(root) if file in PHILIPS else muse(root)
        lines += list(_compared(file, measure(read_recording(formats / file)), device))
    return lines


def _compared(file: str, ours: Measurements, device: Mapping[tuple[str, str], float]) -> Iterator[str]:
    mine = {
        (lead, name): one.value * 1000.0
        for lead, named in ours.amplitudes.items()
        for name, one in named.items()
    }
    for name in ("p", "q", "r", "s", "r_prime", "st", "t"):
        one, other = ({key for key in some if key[1] == name} for some in (mine, device))
        if not other:
            continue
        off = np.array([mine[key] - device[key] for key in one & other])
        shown = f"{off.mean():+.0f} ± {off.std():.0f}" if len(off) else ""
        yield f"| {file} | {name} | {len(off)} | {shown} | {len(one - other)} | {len(other - one)} |"


def philips(root: Element) -> dict[tuple[str, str], float]:
    """(lead, wave) -> uV; 0 says that there is none."""
    return {
        (lead.get("leadname", ""), name): float(value)
        for lead in root.iter("leadmeasurement")
        for name, tag in PHILIPS_NAMES.items()
        if float(value := text_of(lead, tag) or "0")
    }


def muse(root: Element) -> dict[tuple[str, str], float]:
    """The same of the first of its kinds of beats. It writes Q and S without their sign."""
    found = {}
    for one in root.iter("MeasuredAmplitude"):
        lead, wave = (text_of(one, f"AmplitudeMeasurement{what}") for what in ("LeadID", "WaveID"))
        if text_of(one, "AmplitudeMeasurementBeatID") == "1" and wave in MUSE_NAMES:
            value = float(text_of(one, "AmplitudeMeasurementPeak"))
            found[lead_name(lead) or lead, MUSE_NAMES[wave]] = -abs(value) if wave in DOWNWARDS else value
    return found


def regularity(ptbxl: Path) -> list[str]:
    """Words by the rhythm that readers coded; how well the typical change without P ranks fibrillation."""
    with (ptbxl / "ptbxl_database.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    words: Counter[tuple[str, str]] = Counter()
    scores: list[tuple[str, str, float, float]] = []
    for row in rows:
        codes = set(ast.literal_eval(row["scp_codes"]))
        group = next((name for name, own in RHYTHMS.items() if codes & own), None)
        path = ptbxl / f"{row['filename_hr']}.hea"
        rhythm = measure_rhythm(delineate(read_recording(path))) if group else None
        if group and rhythm:
            words[group, rhythm.regularity] += 1
            without_p = rhythm.typical_change * (1.0 - rhythm.p_waves)
            scores.append((group, row["patient_id"], rhythm.mean_change, without_p))
    kinds = ("regular", "irregular", "irregularly irregular")
    lines = [f"| coded as | {' | '.join(kinds)} |", "|---|---|---|---|"]
    lines += [f"| {g} | {' | '.join(str(words[g, k]) for k in kinds)} |" for g in RHYTHMS]
    return [*lines, "", _ranked([one for one in scores if one[0] != "AFLT"])]


def _ranked(scores: list[tuple[str, str, float, float]]) -> str:
    """AUC of fibrillation by two of the numbers, patients drawn anew."""
    groups, patients, *numbers = (np.array(column) for column in zip(*scores, strict=True))
    truth = (groups == "AFIB").astype(float)
    said = []
    for name, score in zip(("mean change", "typical change without P"), numbers, strict=True):
        low, high = bootstrap(roc_auc, truth, score, patients, np.random.default_rng(SEED))
        said.append(f"{name} {roc_auc(truth, score):.3f} [{low:.3f}, {high:.3f}]")
    n = int(truth.sum())
    return f"AUC of AFIB against sinus rhythm (n = {n} and {len(truth) - n}): {', '.join(said)}."
