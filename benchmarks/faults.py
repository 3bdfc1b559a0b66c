"""Faults as they are planted in good ECGs, and by what quality finds each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Recording
from cardiofusion.signal.bandpass import bandpass
from cardiofusion.signal.beat_shape import BeatShape, beat_shape
from cardiofusion.signal.beats import detect_beats
from cardiofusion.signal.gaps import fill_gaps, missing_share, usable
from cardiofusion.signal.noise import clipped_seconds, mains, muscle, wander
from cardiofusion.signal.pacing import pacing_spikes
from cardiofusion.signal.placement import ARMS, chest_evidence, limb_evidence
from cardiofusion.signal.plausibility import amplitude
from cardiofusion.signal.speed import speed_evidence

Rng = np.random.Generator
Signal = NDArray[np.float32]
# What a millivolt at each electrode (RA, LA, LL, V1 ... V6) adds to each lead.
ELECTRODES = np.zeros((12, 9))
ELECTRODES[:6, :3] = [[-1, 1, 0], [-1, 0, 1], [0, -1, 1], [1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]]
ELECTRODES[6:, :3], ELECTRODES[6:, 3:] = -1.0 / 3.0, np.eye(6)
TYPICAL_HEIGHT = 1.15  # mV; an ECG with a wrong gain is far from it on either side


@dataclass(frozen=True)
class Fault:
    """plant: an ECG of 12 leads with the fault in it. score: higher where it is likelier, of any ECG.
    codes: the findings of which one must be there.
    """

    name: str
    plant: Callable[[Recording, Rng], Recording]
    score: Callable[[Recording], float]
    codes: tuple[str, ...]


def _gain(factor: float) -> Callable[[Recording, Rng], Recording]:
    return lambda recording, _: replace(recording, signal=recording.signal * np.float32(factor))


def _speed(factor: float) -> Callable[[Recording, Rng], Recording]:
    return lambda recording, _: replace(recording, sampling_rate=recording.sampling_rate * factor)


def _chest(orders: list[tuple[int, ...]]) -> Callable[[Recording, Rng], Recording]:
    def plant(recording: Recording, rng: Rng) -> Recording:
        signal = recording.signal.copy()
        signal[6:] = signal[6:][list(orders[int(rng.integers(len(orders)))])]
        return replace(recording, signal=signal)

    return plant


def _arms(recording: Recording, _: Rng) -> Recording:
    signal = recording.signal.copy()
    signal[0] = -recording.signal[0]
    signal[[1, 2, 3, 4]] = recording.signal[[2, 1, 4, 3]]
    return replace(recording, signal=signal)


def _one_lead(change: Callable[[Signal, Rng], Signal]) -> Callable[[Recording, Rng], Recording]:
    def plant(recording: Recording, rng: Rng) -> Recording:
        signal, row = recording.signal.copy(), int(rng.integers(len(recording.leads)))
        signal[row] = change(signal[row], rng)
        return replace(recording, signal=signal)

    return plant


def _flat(lead: Signal, rng: Rng) -> Signal:
    return np.full_like(lead, 0.001 * rng.integers(-100, 100))


def _loose(lead: Signal, rng: Rng) -> Signal:
    """A lead whose electrode is off: the converter's last bits."""
    return (0.002 * rng.integers(-1, 2, len(lead))).astype(np.float32)


def _clipped(share: float) -> Callable[[Signal, Rng], Signal]:
    def change(lead: Signal, _: Rng) -> Signal:
        middle = np.median(lead)
        low, high = (middle + share * (end - middle) for end in (lead.min(), lead.max()))
        return np.clip(lead, low, high)

    return change


def _gap(lead: Signal, rng: Rng) -> Signal:
    lead, start = lead.copy(), int(rng.integers(0, 8 * len(lead) // 10))
    lead[start : start + 2 * len(lead) // 10] = np.nan
    return lead


def _noise(
    make: Callable[[NDArray[np.float64], float, Rng], Signal],
) -> Callable[[Recording, Rng], Recording]:
    """The same source with another strength at each electrode; the strongest lead has the stated level."""

    def plant(recording: Recording, rng: Rng) -> Recording:
        time = np.arange(recording.signal.shape[1]) / recording.sampling_rate
        sources = np.stack([make(time, recording.sampling_rate, rng) for _ in range(ELECTRODES.shape[1])])
        noise = ELECTRODES @ (rng.uniform(0.0, 1.0, (len(sources), 1)) * sources)
        noise /= np.abs(noise).max(axis=1).max() / np.abs(sources).max()
        return replace(recording, signal=(recording.signal + noise).astype(np.float32))

    return plant


def _hum(millivolts: float) -> Callable[[NDArray[np.float64], float, Rng], Signal]:
    def make(time: NDArray[np.float64], _rate: float, _: Rng) -> Signal:
        return np.asarray(millivolts * np.sin(2.0 * np.pi * 50.0 * time), dtype=np.float32)

    return make


def _drift(millivolts: float) -> Callable[[NDArray[np.float64], float, Rng], Signal]:
    def make(time: NDArray[np.float64], _: float, rng: Rng) -> Signal:
        hertz, phase = rng.uniform(0.15, 0.4), rng.uniform(0.0, 2.0 * np.pi)
        return np.asarray(millivolts * np.sin(2.0 * np.pi * hertz * time + phase), dtype=np.float32)

    return make


def _trembling(millivolts: float) -> Callable[[NDArray[np.float64], float, Rng], Signal]:
    def make(time: NDArray[np.float64], rate: float, rng: Rng) -> Signal:
        white = rng.normal(0.0, 1.0, (1, len(time))).astype(np.float32)
        band = bandpass(white, rate, 20.0, min(150.0, 0.45 * rate))[0]
        return np.asarray(millivolts * band / band.std(), dtype=np.float32)

    return make


def _paced(recording: Recording, rng: Rng) -> Recording:
    """A unipolar pacemaker's spikes: 2 ms, 2 mV in the strongest lead, 60 to 120 ms before each R peak."""
    signal, rate = recording.signal.copy(), recording.sampling_rate
    at = detect_beats(recording) - round(rng.uniform(0.06, 0.12) * rate)
    leads = ELECTRODES @ rng.uniform(-1.0, 1.0, ELECTRODES.shape[1])
    for sample in range(max(1, round(0.002 * rate))):
        there = at[(at >= 0) & (at + sample < signal.shape[1])] + sample
        signal[:, there] += (2.0 * leads / np.abs(leads).max())[:, None].astype(np.float32)
    return replace(recording, signal=signal)


def shape_of(recording: Recording) -> BeatShape | None:
    kept = usable(recording.signal)
    leads = tuple(lead for lead, good in zip(recording.leads, kept, strict=True) if good)
    readable = replace(recording, signal=fill_gaps(recording.signal[kept]), leads=leads)
    return beat_shape(readable.signal, leads, detect_beats(readable), readable.sampling_rate)


def _by_shape(score: Callable[[BeatShape], float], without: float = -1e3) -> Callable[[Recording], float]:
    """without: the score of an ECG in which no beats are found, which quality refuses."""

    def of(recording: Recording) -> float:
        shape = shape_of(recording)
        return without if shape is None else score(shape)

    return of


def _off_gain(recording: Recording) -> float:
    height = float(np.median(amplitude(fill_gaps(recording.signal), recording.sampling_rate)))
    return abs(float(np.log((height + 1e-3) / TYPICAL_HEIGHT)))


def _most(measure: Callable[[Signal, float], NDArray[np.float64]]) -> Callable[[Recording], float]:
    return lambda recording: float(measure(fill_gaps(recording.signal), recording.sampling_rate).max())


def _muscle(signal: Signal, rate: float) -> NDArray[np.float64]:
    return muscle(signal, rate, mains(signal, rate))


PAIRS = [tuple(k if i == j else j if i == k else i for i in range(6)) for j in range(6) for k in range(j)]
NEIGHBOURS = [p for p in PAIRS if sum(abs(i - k) for i, k in enumerate(p)) == 2]
SHIFTS = [tuple((i + k) % 6 for i in range(6)) for k in range(1, 6)]


def _any_order(recording: Recording, rng: Rng) -> Recording:
    order = tuple(range(6))
    while order == tuple(range(6)):
        order = tuple(int(i) for i in rng.permutation(6))
    return _chest([order])(recording, rng)


_chest_score = _by_shape(lambda shape: max(chest_evidence(shape).values(), default=-1e3))
_CHEST_CODES = ("chest_electrodes_exchanged",)
# A record read so fast that no beat is left in it is refused as unreadable.
_SPEED_CODES = ("speed", "no_beats", "short", "rate", "low_rate")
FAULTS = (
    *(Fault(f"gain x{f:g}", _gain(f), _off_gain, ("amplitude",)) for f in (5.0, 7.0, 10.0)),
    *(Fault(f"gain /{f:g}", _gain(1.0 / f), _off_gain, ("amplitude",)) for f in (5.0, 7.0, 10.0)),
    Fault("V1-V6 in any wrong order", _any_order, _chest_score, _CHEST_CODES),
    Fault("V1-V6 moved on", _chest(SHIFTS), _chest_score, _CHEST_CODES),
    Fault("two of V1-V6 exchanged", _chest(PAIRS), _chest_score, _CHEST_CODES),
    Fault("two neighbours of V1-V6 exchanged", _chest(NEIGHBOURS), _chest_score, _CHEST_CODES),
    Fault(
        "arm electrodes exchanged",
        _arms,
        _by_shape(lambda shape: limb_evidence(shape).get(ARMS, -1e3)),
        ("arm_electrodes_reversed",),
    ),
    Fault(
        "read at twice its rate",
        _speed(2.0),
        _by_shape(lambda s: speed_evidence(s)["fast"], 1e3),
        _SPEED_CODES,
    ),
    Fault(
        "read at half its rate",
        _speed(0.5),
        _by_shape(lambda s: speed_evidence(s)["slow"], 1e3),
        _SPEED_CODES,
    ),
    Fault(
        "a flat lead", _one_lead(_flat), lambda r: -float(np.nanmin(np.ptp(r.signal, axis=1))), ("flat_lead",)
    ),
    Fault(
        "a loose lead (2 uV of noise)",
        _one_lead(_loose),
        lambda r: -float(amplitude(r.signal, r.sampling_rate).min()),
        ("amplitude", "flat_lead"),
    ),
    Fault("a lead cut off at 50 %", _one_lead(_clipped(0.5)), _most(clipped_seconds), ("saturated",)),
    Fault("a lead cut off at 70 %", _one_lead(_clipped(0.7)), _most(clipped_seconds), ("saturated",)),
    Fault(
        "2 s of a lead missing",
        _one_lead(_gap),
        lambda r: float(missing_share(r.signal).max()),
        ("missing_samples",),
    ),
    Fault("mains hum of 0.05 mV", _noise(_hum(0.05)), _most(mains), ("mains",)),
    Fault("drift of 1 mV at 0.15-0.4 Hz", _noise(_drift(1.0)), _most(wander), ("wander",)),
    Fault("pacing spikes of 2 mV", _paced, lambda r: float(len(pacing_spikes(r))), ("paced",)),
    Fault("muscle noise of 0.05 mV", _noise(_trembling(0.05)), _most(_muscle), ("muscle_noise",)),
)
