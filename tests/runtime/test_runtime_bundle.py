"""A bundle as the study wrote it: documents that keep their schemas, a size that keeps its budget."""

from __future__ import annotations

import json
import re
import shutil
import time

import jsonschema
import numpy as np
import pytest

from cardiofusion.bundle import manifest_schema
from cardiofusion.evaluate import metrics_schema
from cardiofusion.records import BundleError, assessment_schema
from cardiofusion.runtime import System
from cardiofusion.runtime.inspection import describe, describe_text

BUDGET = 600_000


@pytest.mark.parametrize("schema", [manifest_schema, metrics_schema, assessment_schema])
def test_the_schemas_are_schemas(schema):
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_manifest_keeps_its_schema(tiny_bundle):
    jsonschema.validate(json.loads((tiny_bundle / "manifest.json").read_text("utf-8")), manifest_schema())


def test_the_metrics_keep_their_schema_and_hold_what_was_asked_for(tiny_bundle):
    document = json.loads((tiny_bundle / "metrics.json").read_text("utf-8"))
    jsonschema.validate(document, metrics_schema())
    for task in ("event", "findings", "survival"):
        for view in ("ecg", "row", "ecg+row"):
            assert f"{task}/{view}/macro/auc" in document["figures"]
        assert f"{task}/gain/macro/auc" in document["figures"]
    assert {name for name in document["figures"] if name.startswith("tmae/masked_r2/")} == {
        f"tmae/masked_r2/{name}" for name in ("tmae", "linear_interpolation", "mean_beat", "other_leads")
    }


def test_parameters_of_all_networks_are_counted_and_keep_the_budget(tiny_bundle):
    parameters = json.loads((tiny_bundle / "manifest.json").read_text("utf-8"))["parameters"]
    total = parameters.pop("total")
    assert {"tmae_encoder", "tmae_decoder", "cmaf-event", "cmaf-findings", "cmaf-survival"} <= set(parameters)
    assert total == sum(parameters.values()) < BUDGET


def test_the_counts_are_those_of_the_weights_in_the_bundle(tiny_system):
    parameters = tiny_system.manifest.parameters
    encoder = tiny_system.bundle.tensors("encoder.safetensors")
    counted = sum(array.size for name, array in encoder.items() if name.startswith("encoder."))
    assert parameters["tmae_encoder"] <= counted  # fixed position codes are no parameters
    assert counted - parameters["tmae_encoder"] < 0.02 * counted


def test_groups_of_the_split_are_disjoint_and_complete(tiny_system):
    assert set(tiny_system.manifest.split) == {"train", "stop", "probability", "conformal", "test"}
    assert sum(tiny_system.manifest.split.values()) == 640


def test_no_patient_travels_in_the_bundle(tiny_bundle):
    for path in tiny_bundle.iterdir():
        assert b"virtual-0" not in path.read_bytes(), path.name


def test_it_loads_in_a_second(tiny_bundle):
    started = time.process_time()
    System.load(tiny_bundle)
    assert time.process_time() - started < 1.0


def test_one_changed_byte_is_refused(tiny_bundle, tmp_path):
    for name in ("encoder.onnx", "conformal.json", "manifest.json", "booster-event-0.lgb.txt"):
        copy = tmp_path / name
        shutil.copytree(tiny_bundle, copy)
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
        with pytest.raises(BundleError) as caught:
            System.load(copy)
        assert caught.value.code == "bundle.changed"
        assert name in caught.value.message


def test_another_hash_than_the_expected_is_refused(tiny_bundle, tiny_system):
    assert System.load(tiny_bundle, tiny_system.bundle.hash).bundle.hash == tiny_system.bundle.hash
    with pytest.raises(BundleError) as caught:
        System.load(tiny_bundle, "0" * 64)
    assert caught.value.code == "bundle.unexpected"


def test_inspection_of_a_bundle_and_of_an_ecg(tiny_bundle, tiny_system, virtual_patient):
    bundle = describe(tiny_bundle)
    assert bundle["what"] == "bundle"
    assert bundle["hash"] == tiny_system.bundle.hash
    assert bundle["parameters"]["total"] < BUDGET
    assert "total" in describe_text(bundle)
    ecg = describe(virtual_patient.header)
    assert ecg["what"] == "ecg"
    assert ecg["unit"] == "mV"
    assert ecg["sampling_rate"] == 100.0
    assert len(ecg["leads"]) == 12
    assert ecg["patient_id"] == virtual_patient.recording.patient_id
    json.dumps([bundle, ecg], allow_nan=False)


def test_words_about_an_ecg_hold_no_more_digits_than_were_measured(virtual_patient):
    ecg = describe(virtual_patient.header)
    assert ecg["rhythm"]["mean_change"] not in (0.0, round(ecg["rhythm"]["mean_change"], 3))
    words = describe_text({name: ecg[name] for name in ("intervals", "amplitudes", "voltages", "rhythm")})
    assert f"mean_change: {round(ecg['rhythm']['mean_change'], 3):g}" in words
    assert not re.search(r"\d\.\d{4}", words)
    for value in (-0.001, 0.001):
        assert "V1: t +0.00 mV" in describe_text({"amplitudes": {"V1": {"t": {"value": value}}}})


def test_what_quality_says_reaches_what_is_measured(tiny_system, recording, changed):
    signal = recording.signal.copy()
    v5 = recording.leads.index("V5")
    signal[v5] = np.clip(signal[v5], -0.2, 0.4 * signal[v5].max())
    found = tiny_system.assess(changed(signal=signal), explain=False)
    assert "saturated" in {finding.code for finding in found.quality.findings}
    assert "V5" not in found.measurements.from_leads
    assert "V6" in found.measurements.from_leads
