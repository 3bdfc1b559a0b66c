"""The model input: 12 leads x 10 s at 100 Hz. One place, shared by training and runtime.

In this order: leads that hold a signal, the first 10 s, gaps filled, limb leads completed, resampled,
baseline removed, median removed, clipped, zeros for what is absent. Every departure from a plain
12-lead, 10 s ECG is put in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import LEADS, Recording, RecordingError, complete_limb_leads
from cardiofusion.signal.baseline import baseline
from cardiofusion.signal.gaps import fill_gaps, missing_share, usable
from cardiofusion.signal.resample import resample

CANONICAL_RATE = 100.0
CANONICAL_SECONDS = 10.0
CANONICAL_SAMPLES = 1000

SHORTEST_SECONDS = 2.0  # one full beat even at 40 a minute
RATES = (50.0, 20_000.0)  # below, the QRS itself is lost; above, the header is wrong
CLIP_MV = 5.0  # no heart reaches it; an electrode artefact does
BATCH_ROWS = 256  # bounds the working memory of `canonical_batch` to some 50 MB


@dataclass(frozen=True, eq=False)
class CanonicalECG:
    """signal: float32 [12, 1000], mV, baseline removed, exact zeros where absent. present: bool [12].

    Leads in the order of `records.LEADS`. notes: code -> words, for what was cropped, padded, resampled,
    derived, substituted, filled, clipped or absent.
    """

    signal: NDArray[np.float32]
    present: NDArray[np.bool_]
    notes: Mapping[str, str] = field(default_factory=dict)


def canonical(recording: Recording) -> CanonicalECG:
    """A recording as the models see it.

    Raises RecordingError: "recording.short" under 2 s, "recording.rate" outside 50 Hz to 20 kHz,
    "recording.no_signal" where no standard lead holds a signal.
    """
    _check(recording)
    notes: dict[str, str] = {}
    signal = _first_seconds(recording, notes)
    signal, leads = _alive(signal, recording.leads, notes)
    if recording.calibrated:  # Einthoven's algebra needs leads on one scale
        signal, leads = _complete(signal, leads, notes)
    chosen = [lead for lead in LEADS if lead in leads]
    if tuple(leads) != tuple(chosen):
        signal = signal[[leads.index(lead) for lead in chosen]]
    if not chosen:
        raise RecordingError(
            "recording.no_signal",
            "no standard lead of this recording holds a signal",
            "check the electrodes and the export; a flat or empty ECG cannot be read",
        )
    if recording.sampling_rate != CANONICAL_RATE:
        notes["resampled"] = f"resampled from {recording.sampling_rate:g} Hz to {CANONICAL_RATE:g} Hz"
    return _place(resample(signal, recording.sampling_rate, CANONICAL_RATE), chosen, notes)


def canonical_batch(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, 12, 1000] at 100 Hz in mV -> the same as `canonical` would give, all at once.

    Missing samples are NaN, absent leads flat or NaN. Raises RecordingError for another shape.
    """
    if signal.ndim != 3 or signal.shape[1:] != (len(LEADS), CANONICAL_SAMPLES):
        raise RecordingError(
            "recording.shape",
            f"a batch is {signal.shape}, not [n, {len(LEADS)}, {CANONICAL_SAMPLES}]",
            "bring each recording to 12 leads and 10 s at 100 Hz, or use canonical() on each",
        )
    result = np.empty(signal.shape, dtype=np.float32)
    for start in range(0, len(signal), BATCH_ROWS):
        part = signal[start : start + BATCH_ROWS].astype(np.float32, copy=False)
        rows = part.reshape(-1, CANONICAL_SAMPLES)
        centred = _clip(_centre(fill_gaps(rows)))
        centred[~usable(rows)] = 0.0
        result[start : start + BATCH_ROWS] = centred.reshape(part.shape)
    return result


def _check(recording: Recording) -> None:
    if recording.duration < SHORTEST_SECONDS:
        raise RecordingError(
            "recording.short",
            f"the recording lasts {recording.duration:.2g} s, less than {SHORTEST_SECONDS:g} s",
            "record at least one full heart beat, better 10 s",
        )
    if not RATES[0] <= recording.sampling_rate <= RATES[1]:
        raise RecordingError(
            "recording.rate",
            f"the sampling rate is {recording.sampling_rate:g} Hz, not {RATES[0]:g} to {RATES[1]:g} Hz",
            "export the ECG at its native rate",
        )


def _first_seconds(recording: Recording, notes: dict[str, str]) -> NDArray[np.float32]:
    wanted = round(CANONICAL_SECONDS * recording.sampling_rate)
    if recording.signal.shape[1] > wanted:
        notes["cropped"] = f"the first {CANONICAL_SECONDS:g} s of {recording.duration:.1f} s were used"
    return recording.signal[:, :wanted]


def _alive(
    signal: NDArray[np.float32], leads: Sequence[str], notes: dict[str, str]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Only the leads that hold a signal, gaps filled; MLII stands for a missing II."""
    alive = usable(signal)
    names = tuple(lead for lead, good in zip(leads, alive, strict=True) if good)
    kept = signal if alive.all() else signal[alive]
    gapped = [lead for lead, share in zip(names, missing_share(kept), strict=True) if share > 0.0]
    if gapped:
        notes["filled"] = f"missing samples of {', '.join(gapped)} were drawn as straight lines"
        kept = fill_gaps(kept)
    if "II" not in names and "MLII" in names:
        notes["substituted"] = "MLII (modified lead II) stands for II"
        names = tuple("II" if lead == "MLII" else lead for lead in names)
    return kept, names


def _complete(
    signal: NDArray[np.float32], leads: tuple[str, ...], notes: dict[str, str]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    # A modified limb lead is not the vector that Einthoven's law speaks of.
    if "substituted" in notes:
        return signal, leads
    completed, names = complete_limb_leads(signal, leads)
    added = names[len(leads) :]
    if added:
        notes["derived"] = f"{', '.join(added)} were computed from the other limb leads"
    return completed, names


def _place(signal: NDArray[np.float32], leads: Sequence[str], notes: dict[str, str]) -> CanonicalECG:
    """Centre, clip, and put the leads where they belong."""
    n_samples = min(CANONICAL_SAMPLES, signal.shape[1])
    centred = _centre(signal[:, :n_samples])
    clipped = [lead for lead, row in zip(leads, np.abs(centred), strict=True) if row.max() > CLIP_MV]
    if clipped:
        notes["clipped"] = f"{', '.join(clipped)} exceeded {CLIP_MV:g} mV and were clipped"
    if n_samples < CANONICAL_SAMPLES:
        notes["padded"] = (
            f"{n_samples / CANONICAL_RATE:.1f} s were padded with zeros to {CANONICAL_SECONDS:g} s"
        )
    present = np.array([lead in leads for lead in LEADS])
    if not present.all():
        missing = [lead for lead, there in zip(LEADS, present, strict=True) if not there]
        notes["absent"] = f"absent, flat or empty: {', '.join(missing)}"
    placed = np.zeros((len(LEADS), CANONICAL_SAMPLES), dtype=np.float32)
    placed[present, :n_samples] = _clip(centred)
    return CanonicalECG(placed, present, notes)


def _centre(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Baseline and then median removed, lead by lead."""
    level = signal - baseline(signal, CANONICAL_RATE)
    ordered = np.sort(level, axis=-1)  # faster than np.median on rows this short
    middle = level.shape[-1]
    median = (ordered[..., (middle - 1) // 2] + ordered[..., middle // 2]) / 2.0
    level -= median[..., None]
    return level


def _clip(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(signal, -CLIP_MV, CLIP_MV)
