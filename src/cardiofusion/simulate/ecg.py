"""Virtual 12-lead ECGs from their causes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import INDEPENDENT_LEADS, LEADS, InputError, complete_limb_leads
from cardiofusion.simulate.causes import columns
from cardiofusion.simulate.device import misplace, through_device
from cardiofusion.simulate.noise import draw_noise, lose_leads
from cardiofusion.simulate.population import draw_causes
from cardiofusion.simulate.rhythm import ATRIAL, SINUS, VENTRICULAR, Rhythm, draw_rhythm
from cardiofusion.simulate.waves import ATRIA_SEEN, EXTRA, GROUPS, QRS, SPIKE, P, T, Waves, draw_waves

Array = NDArray[np.float64]

CHUNK = 128  # patients rendered at once: bounds memory to about 30 MB at 100 Hz
MAX_SAMPLES = 1_000_000  # a lead
TANGENT = np.float32(0.012)  # s; how softly the ST plateau starts
EVERYONE = slice(None)
_ORDER = [(*INDEPENDENT_LEADS, "III", "aVR", "aVL", "aVF").index(name) for name in LEADS]


@dataclass(frozen=True, eq=False)
class VirtualECGs:
    """signal: float32 [n, 12, sample] mV in records.LEADS. causes: float32 [n, len(CAUSES)]."""

    signal: NDArray[np.float32]
    causes: NDArray[np.float32]


def simulate_ecgs(n: int, seed: int) -> VirtualECGs:
    """n virtual patients' ECGs of 10 s at 100 Hz, the same for the same seed."""
    rng = np.random.default_rng(seed)
    causes = draw_causes(n, rng)
    return VirtualECGs(render(causes, rng), causes)


def render(
    causes: NDArray[np.float32],
    rng: np.random.Generator,
    sampling_rate: float = 100.0,
    seconds: float = 10.0,
    noise: bool = True,
) -> NDArray[np.float32]:
    """ECGs float32 [n, 12, sample] in mV, in records.LEADS, for causes [n, len(CAUSES)].

    What no cause says (body, loop, noise) is drawn from rng; the same rng state gives the same hearts with or
    without noise, at any rate. Raises InputError for malformed causes or
    a length or rate out of bounds.
    """
    samples = round(sampling_rate * seconds)
    if not 40.0 <= sampling_rate <= 5000.0 or not 2 <= samples <= MAX_SAMPLES:
        raise InputError(
            "simulate.length",
            f"{seconds:g} s at {sampling_rate:g} Hz cannot be rendered",
            f"40 to 5000 Hz, at most {MAX_SAMPLES} samples",
        )
    values = columns(causes)
    signal = np.empty((len(causes), len(LEADS), samples), dtype=np.float32)
    for start in range(0, len(causes), CHUNK):
        rows = slice(start, start + CHUNK)
        chunk = {name: value[rows] for name, value in values.items()}
        signal[rows] = _render_chunk(chunk, rng, np.arange(samples) / sampling_rate, noise)
    return signal


def _render_chunk(
    causes: Mapping[str, Array], rng: np.random.Generator, time: Array, noise: bool
) -> NDArray[np.float32]:
    step = float(time[1] - time[0])
    rhythm = draw_rhythm(causes, len(time) * step, rng)
    waves = draw_waves(causes, rng)
    heart = _heart(causes, rhythm, waves, time, rng)
    heart *= _breathing(rhythm, time, rng)
    heart += _atrial_waves(causes, rhythm, waves, time, rng)
    heart = misplace(heart, causes, rng)
    own = np.random.default_rng(
        rng.integers(2**63)
    )  # so that noise and rate leave the next hearts as they are
    if noise:
        heart += draw_noise(len(heart), time, rhythm.breath_rate, rhythm.breath_phase, own)
        heart = lose_leads(through_device(heart, step, own), own)
    rows = np.moveaxis(heart, 1, 0).reshape(len(INDEPENDENT_LEADS), -1)
    every, _ = complete_limb_leads(rows, INDEPENDENT_LEADS)
    return np.moveaxis(every[_ORDER].reshape(len(LEADS), *heart[:, 0].shape), 0, 1)


def _heart(
    causes: Mapping[str, Array], rhythm: Rhythm, waves: Waves, time: Array, rng: np.random.Generator
) -> NDArray[np.float32]:
    """[n, 8, sample]: the sum over beats of every wave."""
    n = len(rhythm.onset)
    last = _last_beat(rhythm, time)
    gain = _gains(rhythm, rng)
    late = _late_t(causes, rhythm)
    blur = 0.2 * (time[1] - time[0])  # the filter before sampling: a Gaussian, so widths add in squares
    basis = np.zeros((n, len(GROUPS) + 1, len(time)), dtype=np.float32)
    for back, groups in ((-1, (P, SPIKE, QRS, EXTRA)), (0, (P, SPIKE, QRS, T, EXTRA)), (1, (T, EXTRA))):
        beat = np.clip(last - back, 0, rhythm.onset.shape[1] - 1)
        since = (time - np.take_along_axis(rhythm.onset, beat, axis=1)).astype(np.float32)
        delay = np.take_along_axis(late, beat, axis=1).astype(np.float32)
        early = np.take_along_axis(rhythm.atria.p_shift, beat, axis=1).astype(np.float32)
        for group in groups:
            height = np.take_along_axis(gain[group], beat, axis=1).astype(np.float32)
            shifted = since - (delay if group == T else early if group == P else np.float32(0))
            for wave in np.flatnonzero(group == GROUPS):
                basis[:, wave] += height * _bump(shifted, waves, int(wave), blur)
        if back >= 0:
            height = np.take_along_axis(gain[T], beat, axis=1).astype(np.float32)
            basis[:, -1] += height * _plateau(since, delay, waves)
    _march(basis, causes["pr"] / 1000.0, rhythm, waves, time, blur)
    lead = np.concatenate([waves.lead, waves.plateau[:, None]], axis=1).astype(np.float32)
    return np.asarray(np.matmul(lead.transpose(0, 2, 1), basis))


def _march(
    basis: NDArray[np.float32], pr: Array, rhythm: Rhythm, waves: Waves, time: Array, blur: float
) -> None:
    """Add to `basis` [n, wave, sample] the P waves of atria that nothing leads on to the ventricles."""
    rows = np.flatnonzero(rhythm.atria.cycle)
    if not len(rows):
        return
    cycle = rhythm.atria.cycle[rows, None]
    breath = 0.02 * np.sin(2 * np.pi * rhythm.breath_rate[rows, None] * time)
    since = (time + breath + rhythm.breath_phase[rows, None]) % cycle - pr[rows, None]
    for wave in np.flatnonzero(GROUPS == P):
        basis[rows, wave] += _bump(since.astype(np.float32), waves, int(wave), blur, rows)


def _last_beat(rhythm: Rhythm, time: Array) -> NDArray[np.int64]:
    """[n, sample] the beat that came last at each sample."""
    step = time[1] - time[0]
    first = np.clip(np.ceil(rhythm.onset / step), 0, len(time)).astype(np.int64)
    count = np.zeros((len(first), len(time) + 1), dtype=np.int64)
    np.add.at(count, (np.arange(len(first))[:, None], first), 1)
    return np.cumsum(count, axis=1)[:, :-1] - 1


def _gains(rhythm: Rhythm, rng: np.random.Generator) -> Mapping[int, Array]:
    """group of waves -> [n, beat] how high it is in this beat."""
    origin = rhythm.origin
    own = (origin != VENTRICULAR).astype(np.float64)
    ectopic_p = rng.uniform(-0.8, 1.0, (len(origin), 1))
    jitter = rng.normal(1.0, 0.029, (3, *origin.shape))
    return {
        P: own * np.where(origin == ATRIAL, ectopic_p, rhythm.atria.p_height) * (1 + 3 * (jitter[0] - 1)),
        SPIKE: (origin == SINUS).astype(np.float64),
        QRS: own * jitter[1] * rhythm.atria.conducted,
        T: own * jitter[2] * rhythm.atria.conducted,
        EXTRA: 1.0 - own,
    }


def _late_t(causes: Mapping[str, Array], rhythm: Rhythm) -> Array:
    """[n, beat] s by which T comes later than in the mean beat: QT follows the RR before it (Fridericia)."""
    mean = 60.0 / causes["rate"][:, None]
    qt = causes["qtc"][:, None] / 1000.0
    return np.asarray(0.5 * qt * (np.cbrt(np.minimum(rhythm.before, 2 * mean)) - np.cbrt(mean)))


def _bump(
    since: NDArray[np.float32],
    waves: Waves,
    wave: int,
    blur: float,
    rows: slice | NDArray[np.intp] = EVERYONE,
) -> NDArray[np.float32]:
    """A Gaussian with two widths, each widened by `blur` at equal area."""
    centre, was_left, was_right = (side[rows, wave, None] for side in (waves.centre, waves.left, waves.right))
    left, right = np.hypot(was_left, blur), np.hypot(was_right, blur)
    height = (was_left + was_right) / (left + right)
    away = since - centre.astype(np.float32)
    away *= np.where(away < 0, (1 / left).astype(np.float32), (1 / right).astype(np.float32))
    np.multiply(away, away, out=away)
    away *= np.float32(-0.5)
    return np.asarray(np.exp(away, out=away) * height.astype(np.float32))


def _plateau(since: NDArray[np.float32], delay: NDArray[np.float32], waves: Waves) -> NDArray[np.float32]:
    """1 from J to the top of T, with soft ends."""
    start = waves.plateau_start[:, None].astype(np.float32)
    end = waves.plateau_end[:, None].astype(np.float32) + delay
    soft = np.maximum((end - start) * np.float32(0.3), TANGENT)
    rise = np.tanh((since - start) / TANGENT)
    plateau = np.float32(0.5) * (rise - np.tanh((since - np.maximum(end - soft / 2, start)) / soft)).clip(
        min=0
    )
    return np.asarray(plateau)


def _breathing(rhythm: Rhythm, time: Array, rng: np.random.Generator) -> NDArray[np.float32]:
    """The heart turns and the chest fills: a few percent of each lead's height, lead by lead."""
    n = len(rhythm.breath_rate)
    depth = 0.04 * np.exp(rng.normal(0.0, 0.5, (n, 1))) * rng.normal(size=(n, len(INDEPENDENT_LEADS)))
    wave = np.sin(2 * np.pi * rhythm.breath_rate[:, None] * time + rhythm.breath_phase[:, None])
    return np.asarray(1.0 + depth[:, :, None] * wave[:, None, :], dtype=np.float32)


def _atrial_waves(
    causes: Mapping[str, Array], rhythm: Rhythm, waves: Waves, time: Array, rng: np.random.Generator
) -> NDArray[np.float32]:
    """[n, 8, sample]: the waves of fibrillation (4-9 Hz, to the front) and flutter (saw teeth)."""
    n = len(rhythm.flutter_cycle)
    hertz = rng.uniform(5.0, 8.0, (n, 1)) * rng.uniform(0.85, 1.15, (n, 3))
    wobble = rng.uniform(0.5, 1.5, (n, 3, 1)) * np.sin(
        2 * np.pi * rng.uniform(0.2, 0.9, (n, 3, 1)) * time + rng.uniform(0.0, 6.28, (n, 3, 1))
    )
    fine = np.sin(2 * np.pi * hertz[..., None] * time + wobble + rng.uniform(0.0, 6.28, (n, 3, 1)))
    height = causes["afib"][:, None, None] * 0.040 * np.exp(rng.normal(0.0, 0.5, (n, 1, 1)))
    towards = np.array([0.1, 0.45, 0.8]) + rng.normal(0.0, 0.35, (n, 3, 3))
    vector = np.einsum("nkt,nkd->ndt", fine * height, towards)
    vector += _flutter(causes, rhythm, time, rng)
    return np.asarray(np.matmul(waves.body * ATRIA_SEEN[:, None], vector), dtype=np.float32)


def _flutter(causes: Mapping[str, Array], rhythm: Rhythm, time: Array, rng: np.random.Generator) -> Array:
    """[n, 3, sample]: typical flutter is negative in II, III, aVF, positive in V1, and never rests."""
    n = len(rhythm.flutter_cycle)
    turn = time / rhythm.flutter_cycle[:, None] + rng.random((n, 1))
    saw = sum(np.sin(2 * np.pi * k * turn + 0.25 * (k - 1)) * 0.62 ** (k - 1) / k**0.5 for k in (1, 2, 3, 4))
    bump = np.cos(2 * np.pi * turn + 0.6) + 0.3 * np.cos(4 * np.pi * turn)
    height = causes["aflt"] * 0.11 * np.exp(rng.normal(0.0, 0.35, n))
    reverse = np.where(rng.random(n) < 0.8, -1.0, 1.0)
    down = (height * reverse)[:, None] * saw
    return np.stack([0.15 * down, down, 0.6 * height[:, None] * bump], axis=1)
