"""The reference of beats that quality is judged by (src/cardiofusion/signal/reference.safetensors).

Run: python benchmarks/quality_reference.py. It learns from virtual patients with their electrodes in place
and from CODE-15%, each as weighty as the other; from no ECG of PTB-XL or LUDB, on which benchmarks/quality.py
tests it. The last line is one JSON object, with the tails of the evidence that quality's limits follow.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

import cardiofusion.signal
from cardiofusion.readers import find_recordings, read_recording
from cardiofusion.records import INDEPENDENT_LEADS, LEADS, Recording, RecordingError, write_bytes
from cardiofusion.signal import detect_beats
from cardiofusion.signal.beat_shape import BeatShape, beat_shape
from cardiofusion.signal.gaps import fill_gaps, usable
from cardiofusion.signal.placement import ARMS, chest_evidence, limb_evidence
from cardiofusion.signal.reference import FILE, Density
from cardiofusion.signal.speed import speed_evidence
from cardiofusion.simulate import cause_index, draw_causes, render

SEED, VIRTUAL, RATE, CHUNK = 5, 8000, 250.0, 200
TAIL, TAIL_SEED = 6000, 78  # virtual patients in whose tails the limits of signal/quality.py lie
SHARES = (0.98, 0.99, 0.997, 0.998, 0.999)
MISPLACED = ("dextrocardia", "arm_reversal", "chest_reversal")
SPEEDS = {"right": 1.0, "fast": 2.0, "slow": 0.5}  # of the sampling rate that is taken for the right one
DATA = Path(os.environ.get("CARDIOFUSION_DATA", "../shared/data"))


def virtual_recordings(n: int, seed: int) -> Iterator[Recording]:
    """Virtual patients whose electrodes are where they belong."""
    rng = np.random.default_rng(seed)
    causes = draw_causes(n, rng)
    causes = causes[~causes[:, [cause_index(name) for name in MISPLACED]].any(axis=1)]
    for start in range(0, len(causes), CHUNK):
        for signal in render(causes[start : start + CHUNK], rng, RATE):
            yield Recording(signal, RATE, LEADS)
        print(f"{start + CHUNK} of {len(causes)} virtual patients", file=sys.stderr)


def code15_recordings() -> Iterator[Recording]:
    for path in find_recordings(DATA / "code15" / "records"):
        try:
            yield read_recording(path)
        except RecordingError as error:
            print(f"{path.name}: {error.message}", file=sys.stderr)


def shape_of(recording: Recording, speed: float = 1.0) -> BeatShape | None:
    """Of its beats, were its sampling rate `speed` times as high; None where a lead is missing."""
    hastened = replace(recording, sampling_rate=speed * recording.sampling_rate)
    if not usable(hastened.signal).all():
        return None
    filled = replace(hastened, signal=fill_gaps(hastened.signal))
    shape = beat_shape(filled.signal, filled.leads, detect_beats(filled), filled.sampling_rate)
    return shape if shape and shape.leads == INDEPENDENT_LEADS else None


def learn(groups: Iterable[Iterable[Recording]]) -> tuple[dict[str, NDArray[np.float32]], list[int]]:
    """Means and covariances by name, and how many examples each group gave."""
    shapes = [[{s: shape_of(r, speed) for s, speed in SPEEDS.items()} for r in group] for group in groups]
    right = [[found["right"] for found in group if found["right"]] for group in shapes]
    densities = {"waves": Density.fitted([np.array([s.waves.ravel() for s in group]) for group in right])}
    for speed in SPEEDS:
        times = [np.array([found[speed].times for found in group if found[speed]]) for group in shapes]
        densities[speed] = Density.fitted(times)
    tensors = {f"{name}.mean": density.mean for name, density in densities.items()}
    tensors |= {f"{name}.covariance": density.covariance for name, density in densities.items()}
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}, [len(g) for g in right]


def tails() -> dict[str, list[float]]:
    """Of each kind of evidence, the quantiles SHARES among virtual patients without the fault."""
    found = []
    for shape in map(shape_of, virtual_recordings(TAIL, TAIL_SEED)):
        if shape:
            limbs, speed = limb_evidence(shape), speed_evidence(shape)
            arms = limbs.pop(ARMS)
            chest = max(chest_evidence(shape).values())
            found.append([arms, max(limbs.values()), chest, speed["fast"], speed["slow"]])
    quantiles = np.quantile(np.array(found), SHARES, axis=0).T.round(1).tolist()
    return {
        "n": [len(found)],
        **dict(zip(("arms", "limbs", "chest", "fast", "slow"), quantiles, strict=True)),
    }


def main() -> None:
    tensors, counts = learn([virtual_recordings(VIRTUAL, SEED), code15_recordings()])
    target = Path(cardiofusion.signal.__file__).parent / FILE
    write_bytes(target, save(tensors, metadata={"virtual": str(counts[0]), "code15": str(counts[1])}))
    print(
        json.dumps(
            {
                "benchmark": "quality_reference",
                "seed": SEED,
                "virtual": counts[0],
                "code15": counts[1],
                "bytes": target.stat().st_size,
                "shares": SHARES,
                "tails": tails(),
            }
        )
    )


if __name__ == "__main__":
    main()
