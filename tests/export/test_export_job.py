"""The export in a process of its own: the same graphs, its refusals, and its end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cardiofusion.cmaf import CMAF, CMAFConfig
from cardiofusion.export import Exporting, ExportJob, FusionWeights, encoder_graph, fusion_graph
from cardiofusion.records import ExportError
from cardiofusion.tmae import TMAE, TMAEConfig

SMALL = TMAEConfig(
    width=16, layers=1, heads=2, decoder_width=16, decoder_layers=1, stem_width=4, samples=100, patch=20
)
FUSION = CMAFConfig(ecg_width=16, n_times=5, n_targets=1, width=8, heads=2, blocks=1)
EDGES = [[-1.0, 0.0, 1.0], [0.0, 1.0]]


@pytest.fixture
def networks():
    torch.manual_seed(1)
    return TMAE(SMALL).eval(), CMAF(FUSION, EDGES).eval()


@pytest.fixture
def job(networks, tmp_path):
    model, fusion = networks
    save_file(model.state_dict(), tmp_path / "encoder.safetensors")
    save_file(fusion.state_dict(), tmp_path / "cmaf.safetensors")
    (tmp_path / "out").mkdir()
    weights = FusionWeights(str(tmp_path / "cmaf.safetensors"), FUSION, EDGES)
    return ExportJob(str(tmp_path / "encoder.safetensors"), SMALL, {"event": weights}, str(tmp_path / "out"))


def test_a_job_survives_its_way_as_json(job):
    assert ExportJob.from_json(job.to_json()) == job


def test_the_graphs_are_those_of_this_process(job, networks):
    model, fusion = networks
    steps = []
    with Exporting(job) as process:
        process.finish(lambda done, total: steps.append((done, total)))
    out = Path(job.out)
    assert sorted(path.name for path in out.iterdir()) == sorted(job.names)
    assert (out / "encoder.onnx").read_bytes() == encoder_graph(model)
    assert (out / "cmaf-event.onnx").read_bytes() == fusion_graph(fusion)
    assert steps[-1] == (4, 4)


def test_a_machine_without_the_exporter_hears_how_to_go_on(job, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['onnxscript'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Exporting(job) as process, pytest.raises(ExportError) as caught:
        process.finish(lambda *_: None)
    assert caught.value.code == "export.unavailable"
    assert "weights" in caught.value.hint


def test_a_process_that_dies_is_an_error_with_a_hint(job):
    Path(job.encoder).unlink()
    with Exporting(job) as process, pytest.raises(ExportError) as caught:
        process.finish(lambda *_: None)
    assert caught.value.code == "export.failed"
    assert caught.value.hint


def test_the_process_ends_with_the_block(job):
    with Exporting(job) as process:
        pass
    assert process._process.poll() is not None
    assert not (Path(job.out) / "encoder.onnx").exists()
