"""Machines without torch._dynamo or onnxscript: training runs, and the export says how to go on."""

from __future__ import annotations

import functools
import subprocess
import sys

import pytest

# Run in a process of its own: the block must stand before torch is first imported.
TRAIN_THEN_EXPORT = """
import sys
sys.modules[{blocked!r}] = None

import numpy as np
import torch
from cardiofusion.cmaf import CMAFConfig, FusionData, FusionOptions, fusion_logits, train_fusion
from cardiofusion.export import encoder_graph, fusion_graph, gradient_graph, slope_graph
from cardiofusion.records import ExportError
from cardiofusion.tmae import PretrainingOptions, TMAEConfig, Unlabelled, WithCauses, pretrain
from cardiofusion.cmaf import ecg_tokens

torch.set_num_threads(1)
rng = np.random.default_rng(0)
signal = rng.normal(0, 0.5, (8, 12, 100)).astype(np.float32)
real = Unlabelled(signal, np.ones((8, 12), dtype=bool))
virtual = WithCauses(signal, signal[:, :2, 0], np.ones((8, 2), dtype=bool), np.zeros(2, dtype=bool))
config = TMAEConfig(width=16, layers=1, heads=2, decoder_width=16, decoder_layers=1, stem_width=4,
                    samples=100, patch=20, n_causes=2)
model, history = pretrain(real, virtual, config, PretrainingOptions(epochs=2, batch=4), seed=0)
assert len(history) == 2

with torch.no_grad():
    grid = model.encoder(torch.from_numpy(signal), torch.ones(8, 12, dtype=torch.bool))
    tokens = ecg_tokens(model, grid, torch.ones(8, 12, dtype=torch.bool)).numpy()
data = FusionData(tokens, np.arange(8), signal[:, 0, :2], np.ones(8, dtype=bool),
                  np.arange(8, dtype=np.float32)[:, None] % 2)
rows = np.arange(8)
fusion = train_fusion(data, rows, rows, CMAFConfig(16, 5, 1, width=8, heads=2, blocks=1),
                      [[-1.0, 0.0, 1.0]] * 2, FusionOptions(epochs=2, batch=4), seed=0)
assert np.isfinite(fusion_logits(fusion, data, rows, "ecg+row")).all()

print("trained")
exports = {{"encoder": lambda: encoder_graph(model), "fusion": lambda: fusion_graph(fusion),
            "gradient": lambda: gradient_graph(model),
            "slope": lambda: slope_graph(fusion)}}
for name, export in exports.items():
    try:
        export()
        print(name, "exported")
    except ExportError as error:
        named = {blocked!r} in error.message and "weights" in error.hint
        print(name, error.code if named else "unnamed")
    except Exception as error:
        print(name, type(error).__name__)
print("frozen" if not all(p.requires_grad for p in model.encoder.parameters()) else "free")
"""


BLOCKED = ("torch._dynamo", "onnxscript")


@functools.cache
def spoken(blocked: str) -> list[str]:
    """What a process without that module says, line by line."""
    script = TRAIN_THEN_EXPORT.format(blocked=blocked)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout.splitlines()


@pytest.mark.parametrize("blocked", BLOCKED)
def test_training_runs_and_a_refused_export_leaves_the_models_trainable(blocked: str) -> None:
    said = spoken(blocked)
    assert said[0] == "trained"
    assert said[-1] == "free"


@pytest.mark.parametrize(
    ("blocked", "graph"),
    [
        ("torch._dynamo", "encoder"),
        ("torch._dynamo", "fusion"),
        ("torch._dynamo", "gradient"),
        ("torch._dynamo", "slope"),
        ("onnxscript", "encoder"),
        ("onnxscript", "fusion"),
        ("onnxscript", "gradient"),
        ("onnxscript", "slope"),
    ],
)
def test_the_export_is_refused_with_a_hint(blocked: str, graph: str) -> None:
    assert f"{graph} export.unavailable" in spoken(blocked)


def test_the_room_is_light_until_a_name_is_used() -> None:
    script = "import sys, cardiofusion.export as room; assert 'torch' not in sys.modules; room.fusion_graph"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
