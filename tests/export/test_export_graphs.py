"""The graphs the clinic runs, in ONNX Runtime, against torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiofusion.cmaf import CMAF, CMAFConfig, ecg_tokens
from cardiofusion.export import (
    encoder_graph,
    fusion_graph,
    gradient,
    gradient_graph,
    graphs,
    slope,
    slope_graph,
)
from cardiofusion.tmae import TMAE, TMAEConfig
from cardiofusion.tmae.beats import spread
from cardiofusion.tmae.model import N_LEADS, Encoder

ENCODER = TMAEConfig(
    width=16,
    layers=1,
    heads=2,
    decoder_width=16,
    decoder_layers=1,
    stem_width=4,
    samples=100,
    patch=20,
    n_causes=3,
    findings=((0, 1), (2,)),
)
FUSION = CMAFConfig(
    ecg_width=ENCODER.width,
    n_times=ENCODER.n_patches,
    n_targets=3,
    n_findings=2,
    width=8,
    heads=2,
    blocks=1,
    dropout=0.2,
)
GRAPHS = ["encoder", "fusion", "slope", "gradient"]
EDGES = [[20.0, 40.0, 50.0, 90.0], [-0.5, 0.5, 1.5], [0.0, 1.0]]

pytestmark = pytest.mark.slow  # three exports take some twenty seconds


@dataclass(frozen=True)
class Exported:
    model: TMAE
    fusion: CMAF
    graphs: dict[str, bytes]

    @property
    def encoder(self) -> Encoder:
        return self.model.encoder

    def run(self, name: str, **feed: Tensor) -> list[NDArray[Any]]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(self.graphs[name], options, ["CPUExecutionProvider"])
        answer: list[NDArray[Any]] = session.run(None, {key: value.numpy() for key, value in feed.items()})
        return answer

    def explain(self, given: dict[str, Tensor], wanted: Tensor) -> list[NDArray[Any]]:
        """Logits, both attention maps, frames and gradient: all three graphs, one after another."""
        ecg = {name: given[name] for name in ("signal", "present")}
        rest = {name: given[name] for name in ("row", "has_ecg", "has_row")}
        tokens = torch.from_numpy(self.run("encoder", **ecg)[0])
        *answers, along = self.run("slope", tokens=tokens, **rest, target=wanted)
        return [*answers, *self.run("gradient", **ecg, slope=torch.from_numpy(along))]


@pytest.fixture(scope="module")
def exported() -> Exported:
    torch.manual_seed(0)
    model = TMAE(ENCODER).eval()
    fusion = CMAF(FUSION, EDGES).eval()
    fusion.spread_like(torch.randn(9, FUSION.n_embedding))
    for learnt in (fusion.lines.weight, fusion.lines.score):
        torch.nn.init.normal_(learnt, std=0.3)
    graphs = {
        "encoder": encoder_graph(model),
        "fusion": fusion_graph(fusion),
        "slope": slope_graph(fusion),
        "gradient": gradient_graph(model),
    }
    return Exported(model, fusion, graphs)


def patients(n: int, seed: int = 0) -> dict[str, Tensor]:
    """n patients: leads absent here and there, gaps in the rows, modalities absent in turn."""
    dice = torch.Generator().manual_seed(seed)
    present = torch.rand(n, N_LEADS, generator=dice) < 0.6
    present[:, 1] = True
    present[0] = True
    signal = 0.5 * torch.randn(n, N_LEADS, ENCODER.samples, generator=dice) * present[..., None]
    row = torch.stack([torch.linspace(25, 85, n), torch.arange(n) % 2.0, torch.linspace(0, 1, n)], dim=1)
    row[torch.rand(n, 3, generator=dice) < 0.25] = torch.nan
    kind = torch.arange(n) % 4
    return {"signal": signal, "present": present, "row": row, "has_ecg": kind != 1, "has_row": kind != 2}


def close(ours: NDArray[Any], reference: Tensor, tolerance: float = 1e-4) -> None:
    assert ours.shape == tuple(reference.shape)
    np.testing.assert_allclose(ours, reference.detach().numpy(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_the_encoder_equals_torch_for_any_batch_and_leads(exported: Exported, batch: int) -> None:
    given = patients(batch, seed=batch)
    tokens, embedding = exported.run("encoder", signal=given["signal"], present=given["present"])
    with torch.no_grad():
        grid = exported.encoder(given["signal"], given["present"])
        close(tokens, ecg_tokens(exported.model, grid, given["present"]))
        close(embedding, exported.model.embed(given["signal"], given["present"]))
    leads = np.abs(tokens[:, ENCODER.n_patches : -2]).sum(2)
    assert np.array_equal(leads > 0, given["present"].numpy())


def test_the_encoder_without_any_lead_says_nothing_of_the_signal(exported: Exported) -> None:
    given = patients(2)
    nothing = torch.zeros(2, N_LEADS, dtype=torch.bool)
    tokens, embedding = exported.run("encoder", signal=given["signal"], present=nothing)
    assert not tokens[:, :-2].any()
    assert np.isfinite(embedding).all()
    assert np.array_equal(embedding[0], embedding[1])


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_the_fusion_equals_torch_with_gaps_and_absent_modalities(exported: Exported, batch: int) -> None:
    given = patients(batch, seed=batch)
    tokens = torch.randn(
        batch, FUSION.n_ecg_tokens, FUSION.ecg_width, generator=torch.Generator().manual_seed(1)
    )
    for has_ecg, has_row in ((given["has_ecg"], given["has_row"]), (~given["has_ecg"], ~given["has_row"])):
        feed = {"tokens": tokens, "row": given["row"], "has_ecg": has_ecg, "has_row": has_row}
        (logits,) = exported.run("fusion", **feed)
        with torch.no_grad():
            close(logits, exported.fusion(*feed.values()).logits)


def test_a_row_of_gaps_alone_is_answered(exported: Exported) -> None:
    tokens = torch.zeros(1, FUSION.n_ecg_tokens, FUSION.ecg_width)
    feed = {
        "tokens": tokens,
        "row": torch.full((1, 3), torch.nan),
        "has_ecg": torch.tensor([False]),
        "has_row": torch.tensor([False]),
    }
    (logits,) = exported.run("fusion", **feed)
    with torch.no_grad():
        close(logits, exported.fusion(*feed.values()).logits)
    assert np.isfinite(logits).all()


def one(kind: str, seed: int) -> dict[str, Tensor]:
    """One patient of a kind for the graphs of explanations."""
    given = {name: value[-1:] for name, value in patients(3, seed).items()}
    given["has_ecg"] = torch.tensor([kind != "row only"])
    given["has_row"] = torch.tensor([kind != "ecg only"])
    if kind == "gaps":
        given["row"] = torch.full((1, 3), torch.nan)
    elif kind == "twelve leads":
        given["present"] = torch.ones(1, N_LEADS, dtype=torch.bool)
        given["signal"] = torch.randn(
            1, N_LEADS, ENCODER.samples, generator=torch.Generator().manual_seed(seed)
        )
    return given


KINDS = ["some leads", "twelve leads", "gaps", "ecg only", "row only"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", range(FUSION.n_targets))
def test_the_explanation_is_autograds(exported: Exported, kind: str, target: int) -> None:
    given = one(kind, seed=target)
    wanted = torch.eye(FUSION.n_targets)[target]
    logits, row_to_ecg, ecg_to_row, frames, at_stem, shares = exported.explain(given, wanted)

    beats = exported.encoder.beats(given["signal"], given["present"])
    stem = exported.encoder.frames(given["signal"], beats).detach().requires_grad_()
    grid = exported.encoder.attend(exported.encoder.tokens_from(stem, beats), given["present"])
    seen = exported.fusion(
        ecg_tokens(exported.model, grid, given["present"]), given["row"], given["has_ecg"], given["has_row"]
    )
    (along,) = torch.autograd.grad(seen.logits[0, target], stem)
    close(logits, seen.logits[0])
    close(row_to_ecg, seen.row_to_ecg[0].mean(0), 1e-5)
    close(ecg_to_row, seen.ecg_to_row[0].mean(0), 1e-5)
    in_time = [t[0].permute(0, 2, 1, 3).reshape(N_LEADS, ENCODER.stem_width, -1) for t in (stem, along)]
    close(frames, in_time[0], 1e-5)
    close(at_stem, in_time[1], 1e-5 * max(1e-6, float(along.abs().max())))
    window = ENCODER.n_frames // ENCODER.n_patches
    close(shares, spread(beats.weight, ENCODER.n_frames, window), 1e-5)
    assert frames.shape[2] == ENCODER.n_frames + window
    assert at_stem.any() == (kind != "row only")
    assert not at_stem[~given["present"][0].numpy()].any()


def test_the_explanation_answers_as_the_other_graphs_do(exported: Exported) -> None:
    for kind in KINDS:
        given = one(kind, seed=9)
        tokens, _ = exported.run("encoder", signal=given["signal"], present=given["present"])
        rest = {name: given[name] for name in ("row", "has_ecg", "has_row")}
        (logits,) = exported.run("fusion", tokens=torch.from_numpy(tokens), **rest)
        explained = exported.explain(given, torch.eye(FUSION.n_targets)[0])
        np.testing.assert_allclose(explained[0], logits[0], atol=1e-5)


def test_a_step_along_the_gradient_moves_the_logit_as_told(exported: Exported) -> None:
    """A finite difference knows nothing of autograd."""
    given = {
        name: value.double() if value.is_floating_point() else value for name, value in one("gaps", 4).items()
    }
    model = TMAE(ENCODER).eval().double()
    model.load_state_dict(exported.model.state_dict())
    encoder = model.encoder
    fusion = CMAF(FUSION, EDGES).eval().double()
    fusion.load_state_dict(exported.fusion.state_dict())
    signal, present, *rest = given.values()
    seen = ecg_tokens(model, encoder(signal, present), present).detach()
    *_, along = slope(fusion, seen, *rest, torch.eye(FUSION.n_targets, dtype=torch.float64)[1])
    _, told, _ = gradient(model, signal, present, along)
    beats = encoder.beats(signal, present)
    stem = encoder.frames(signal, beats).detach()
    direction = torch.randn(stem.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def logit(step: float) -> float:
        grid = encoder.attend(encoder.tokens_from(stem + step * direction, beats), given["present"])
        tokens = ecg_tokens(model, grid, given["present"])
        answer = fusion(tokens, given["row"], given["has_ecg"], given["has_row"])
        return float(answer.logits[0, 1].detach())

    found = (logit(1e-5) - logit(-1e-5)) / 2e-5
    expected = (told.detach() * direction[0].transpose(1, 2).flatten(2)).sum()
    assert found == pytest.approx(float(expected), rel=1e-5)


def test_a_model_in_training_mode_is_explained_as_it_answers(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tracing is what could go wrong; the slow second half, ONNX, is left out.
    traced: list[torch.nn.Module] = []
    monkeypatch.setattr(graphs, "_export", lambda module, *_, **__: traced.append(module) or b"")
    fusion = CMAF(FUSION, EDGES)
    fusion.load_state_dict(exported.fusion.state_dict())
    given = one("twelve leads", 0)
    tokens = torch.randn(1, FUSION.n_ecg_tokens, FUSION.ecg_width)
    inputs = [tokens, given["row"], given["has_ecg"], given["has_row"], torch.eye(FUSION.n_targets)[0]]
    slope_graph(fusion.train())
    for ours, reference in zip(traced[0](*inputs), slope(exported.fusion, *inputs), strict=True):
        close(ours.detach().numpy(), reference)


def test_exporting_leaves_the_models_as_they_were(exported: Exported) -> None:
    for module in (exported.encoder, exported.fusion):
        frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
        assert frozen == (
            {"lines.weight", "lines.bias", "lines.score"} if isinstance(module, CMAF) else set()
        )
        assert not module.training


@pytest.mark.parametrize("name", GRAPHS)
def test_the_weights_are_inside(exported: Exported, name: str) -> None:
    model = onnx.load_model_from_string(exported.graphs[name])
    onnx.checker.check_model(model)
    held = [
        t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL or t.external_data
    ]
    assert not held
    assert len(model.graph.initializer) > 5


@pytest.mark.parametrize("name", GRAPHS)
def test_no_path_of_the_training_machine_travels(exported: Exported, name: str) -> None:
    for word in (__file__, torch.__file__.rsplit("/", 1)[0], "Traceback", 'File "'):
        assert word.encode() not in exported.graphs[name], word


def test_names_of_inputs_and_outputs(exported: Exported) -> None:
    names = {}
    for graph, content in exported.graphs.items():
        model = onnx.load_model_from_string(content).graph
        names[graph] = ([i.name for i in model.input], [o.name for o in model.output])
    assert names == {
        "encoder": (["signal", "present"], ["tokens", "embedding"]),
        "fusion": (["tokens", "row", "has_ecg", "has_row"], ["logits"]),
        "slope": (
            ["tokens", "row", "has_ecg", "has_row", "target"],
            ["logits", "row_to_ecg", "ecg_to_row", "slope"],
        ),
        "gradient": (["signal", "present", "slope"], ["frames", "gradient", "spread"]),
    }
