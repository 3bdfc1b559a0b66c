"""NeuroKit2's delineation of LUDB, in an environment of its own: run by delineation.py with DATA OUT.json."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import neurokit2
import numpy as np
import wfdb

NAMES = {"P": "P", "QRS": "R", "T": "T"}
MATCH = 0.3  # seconds from a peak that hold its own onset and offset


def marks(signal: Any, rate: float) -> dict[str, list[list[float]]]:
    """Onset, peak and offset of every wave of one lead; NaN where it gives none."""
    clean = neurokit2.ecg_clean(signal, sampling_rate=rate)
    _, peaks = neurokit2.ecg_peaks(clean, sampling_rate=rate)
    _, waves = neurokit2.ecg_delineate(clean, peaks, sampling_rate=rate, method="dwt")
    waves["ECG_R_Peaks"] = peaks["ECG_R_Peaks"]
    return {
        wave: [
            [
                near(waves[f"ECG_{name}_Onsets"], peak, -MATCH * rate),
                float(peak),
                near(waves[f"ECG_{name}_Offsets"], peak, MATCH * rate),
            ]
            for peak in waves[f"ECG_{name}_Peaks"]
            if np.isfinite(peak)
        ]
        for wave, name in NAMES.items()
    }


def near(marked: Any, peak: float, reach: float) -> float:
    """The closest mark on that side of the peak, NaN where none is near."""
    there = [m for m in marked if np.isfinite(m) and 0.0 <= (m - peak) * np.sign(reach) <= abs(reach)]
    return float(min(there, key=lambda m: abs(m - peak), default=np.nan))


def main() -> None:
    data, target = Path(sys.argv[1]), Path(sys.argv[2])
    warnings.simplefilter("ignore")
    found = {}
    for record in range(1, 201):
        signal = wfdb.rdrecord(str(data / str(record))).p_signal
        leads = []
        for lead in range(signal.shape[1]):
            try:
                leads.append(marks(signal[:, lead], 500))
            except Exception:  # noqa: BLE001 - what it cannot read counts as missed
                leads.append({wave: [] for wave in NAMES})
        found[str(record)] = leads
        print(f"  NeuroKit2: {record} of 200", file=sys.stderr)
    target.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
