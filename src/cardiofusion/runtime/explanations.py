"""Why: Grad-CAM on the trace, SHAP waterfall of the row, attention between row and ECG, as plain JSON.

Only explanations that passed their tests in training are shown (the manifest says which); a refused one is
replaced by the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.explain import attention_map, cam_peaks, grad_cam, waterfall
from cardiofusion.records import LEADS, ClinicalSchema, TaskAnswer
from cardiofusion.runtime.models import AtStem, Encoded, Encoder, Sloped, TaskModels
from cardiofusion.signal import CANONICAL_SECONDS, CanonicalECG

Row = NDArray[np.float64]
Float = NDArray[np.float32]


@dataclass(frozen=True)
class SeenECG:
    """An ECG that was answered: its canonical form, what the encoder made of it, and the encoder."""

    ecg: CanonicalECG
    encoded: Encoded
    encoder: Encoder

    def at_stem(self, slope: Float) -> AtStem:
        return self.encoder.at_stem(self.ecg.signal, self.ecg.present, slope)


def explain_task(
    models: TaskModels,
    seen: SeenECG | None,
    row: Row | None,
    answer: TaskAnswer,
    schema: ClinicalSchema | None,
    verdicts: Mapping[str, Any],
) -> dict[str, Any]:
    """{"gradcam", "shap", "attention"}: each where its modality is there; about the likeliest target.

    verdicts: kind -> {"shown": bool, "why": str}, of the tests in training.
    """
    task = models.task
    target = int(np.argmax([answer.probability[name] for name in task.targets]))
    out: dict[str, Any] = {}
    if row is not None and schema is not None and models.boosters:
        out["shap"] = _shap(models, row, schema, target)
    if seen is not None and "ecg" in task.modalities:
        used = row if "row" in task.modalities else None
        sloped = models.slope(seen.encoded.tokens[0], used, target)
        refused = verdicts.get("gradcam", {"shown": True})
        out["gradcam"] = (
            _gradcam(seen.at_stem(sloped.slope), seen.ecg, task.targets[target])
            if refused["shown"]
            else {"target": task.targets[target], "refused": refused["why"]}
        )
        if used is not None and schema is not None:
            refused = verdicts.get("attention", {"shown": True})
            out["attention"] = (
                _attention(sloped, schema)
                if refused["shown"]
                else {"target": task.targets[target], "refused": refused["why"]}
            )
    return out


def _gradcam(stem: AtStem, ecg: CanonicalECG, target: str) -> dict[str, Any]:
    cam = grad_cam(stem.frames, stem.gradient, stem.spread) * ecg.present[:, None]
    return {
        "target": target,
        "leads": list(LEADS),
        "rate": cam.shape[1] / CANONICAL_SECONDS,
        "map": np.round(cam, 4).tolist(),
        "peaks": [peak.words for peak in cam_peaks(cam, LEADS, CANONICAL_SECONDS)],
    }


def _shap(models: TaskModels, row: Row, schema: ClinicalSchema, target: int) -> dict[str, Any]:
    """TreeSHAP of the booster: what the clinical row alone says."""
    *steps, base = models.boosters[target].contributions(row[None])[0]
    total = float(base + sum(steps))
    shown = schema.decode(row)
    columns = list(schema)
    fall = waterfall(
        [column.name for column in columns],
        [shown[column.name] for column in columns],
        [column.unit for column in columns],
        np.array(steps),
        float(base),
        total,
    )
    return {
        "target": models.task.targets[target],
        "base": fall.base,
        "total": fall.total,
        "unit": "log-odds" if models.task.horizon is None else "log-odds of the event in a stretch of time",
        "contributions": [
            {"feature": c.name, "value": c.value, "unit": c.unit, "contribution": c.contribution}
            for c in fall.contributions
        ],
    }


def _attention(seen: Sloped, schema: ClinicalSchema) -> dict[str, Any]:
    """Where in the ECG each clinical feature looked (weights are means over heads already)."""
    n_times = seen.row_to_ecg.shape[1] - len(LEADS)
    seconds = CANONICAL_SECONDS / n_times
    tokens = [f"{k * seconds:g}-{(k + 1) * seconds:g} s" for k in range(n_times)] + list(LEADS)
    weights = attention_map(seen.row_to_ecg[None], schema.names, tokens)
    return {
        "features": list(weights.features),
        "tokens": list(weights.tokens),
        "weights": np.round(weights.matrix, 5).tolist(),
        "top": list(weights.words()),
    }
