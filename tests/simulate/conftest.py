"""A ruler for virtual ECGs that knows no cause."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cardiofusion.records import LEADS
from cardiofusion.simulate import draw_causes, render, with_cause

Signal = NDArray[np.float32]


class Ruler:
    """Everyone with the same findings and numbers, rendered without noise at `rate` Hz, and measured."""

    rate = 250.0

    def causes(self, *findings: str, n: int = 32, seed: int = 3, **numbers: float) -> Signal:
        causes = draw_causes(n, np.random.default_rng(seed), findings=findings)
        for name, value in numbers.items():
            causes = with_cause(causes, name, value)
        return causes

    def render(self, causes: Signal, seed: int = 5) -> Signal:
        return render(causes, np.random.default_rng(seed), self.rate, noise=False)

    def ecgs(self, *findings: str, n: int = 32, **numbers: float) -> Signal:
        return self.render(self.causes(*findings, n=n, **numbers))

    def beats(self, ecg: Signal) -> NDArray[np.intp]:
        """QRS positions [beat] by the energy of the slope."""
        width = int(0.09 * self.rate)
        energy = np.convolve((np.diff(ecg, axis=1) ** 2).sum(axis=0), np.ones(width), "same")
        threshold, peaks = 0.12 * np.quantile(energy, 0.985), []
        for start in np.flatnonzero(np.diff((energy > threshold).astype(int)) == 1):
            peak = start + int(energy[start : start + int(0.2 * self.rate)].argmax())
            if not peaks or peak - peaks[-1] > 0.25 * self.rate:
                peaks.append(peak)
        return np.array(peaks, dtype=np.intp)

    def beat(self, ecg: Signal, before: float = 0.3, after: float = 0.5) -> Signal:
        """[12, sample] the median beat, its level 0 just before QRS."""
        a, b = int(before * self.rate), int(after * self.rate)
        whole = [p for p in self.beats(ecg) if a <= p < ecg.shape[1] - b]
        beat = np.median([ecg[:, p - a : p + b] for p in whole], axis=0)
        edge = a - int(0.09 * self.rate)
        return np.asarray(beat - beat[:, edge : edge + 2].mean(axis=1, keepdims=True))

    def levels(self, ecgs: Signal, lead: str, since: float, until: float) -> NDArray[np.float64]:
        """[n] mean of the median beat in `lead` between two times from R (s)."""
        span = slice(int((0.3 + since) * self.rate), int((0.3 + until) * self.rate))
        return np.array([self.beat(ecg)[LEADS.index(lead), span].mean() for ecg in ecgs])


@pytest.fixture(scope="session")
def ruler() -> Ruler:
    return Ruler()
