"""Why the model said so: Grad-CAM, SHAP and attention from what the runtime returns, and tests of them.

NumPy only.
"""

from cardiofusion.explain.attention import AttentionMap, attention_map
from cardiofusion.explain.faithfulness import (
    Faithfulness,
    deletion_insertion,
    passes,
    pooled,
    randomisation_similarity,
)
from cardiofusion.explain.gradcam import Peak, cam_peaks, directions, grad_cam, upsample_map
from cardiofusion.explain.planted import PlantedWindow, planted_cause_hit
from cardiofusion.explain.waterfall import Contribution, Waterfall, waterfall

__all__ = [
    "AttentionMap",
    "Contribution",
    "Faithfulness",
    "Peak",
    "PlantedWindow",
    "Waterfall",
    "attention_map",
    "cam_peaks",
    "deletion_insertion",
    "directions",
    "grad_cam",
    "passes",
    "planted_cause_hit",
    "pooled",
    "randomisation_similarity",
    "upsample_map",
    "waterfall",
]
