"""The shipped encoder: verified, the same in torch and in ONNX, and within its budget."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cardiofusion.records import BundleError
from cardiofusion.runtime import Encoder
from cardiofusion.signal import canonical
from cardiofusion.simulate import CAUSE_TARGETS, virtual_cohort
from cardiofusion.tmae import count_parameters, pretrained, read_tmae, shipped_encoder
from cardiofusion.tmae.weights import CARD, GRAPH, WEIGHTS, read_shipped


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("encoder")
    shipped = shipped_encoder()
    for name, content in shipped.contents.items():
        (place / name).write_bytes(content)
    (place / CARD).write_text(json.dumps(dict(shipped.card)))
    return place


def test_it_embeds_the_same_with_and_without_torch() -> None:
    ecgs = [canonical(source.read()) for source in virtual_cohort(6, 99).recordings]
    model = pretrained()
    signal = torch.from_numpy(np.stack([ecg.signal for ecg in ecgs]))
    present = torch.from_numpy(np.stack([ecg.present for ecg in ecgs]))
    with torch.no_grad():
        expected = model.embed(signal, present).numpy()
    found = Encoder(shipped_encoder()).embed(ecgs)
    assert found.shape == (6, model.config.n_embedding)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_asked_for_again_it_is_still_a_function() -> None:
    import cardiofusion.tmae

    assert all(isinstance(cardiofusion.tmae.pretrained(), torch.nn.Module) for _ in range(2))


def test_the_card_says_what_is_there() -> None:
    card, model = shipped_encoder().card, pretrained()
    assert card["parameters"]["encoder"] == count_parameters(model.encoder)
    assert sum(card["parameters"].values()) == count_parameters(model) < 500_000
    assert model.config.n_causes == len(CAUSE_TARGETS)
    assert {item["name"] for item in card["data"]} >= {"virtual patients"}
    assert card["usable_ecgs"] >= len(card["seen"]) > 0
    assert len(card["history"]) == card["setting"]["epochs"]


@pytest.mark.parametrize("name", [WEIGHTS, GRAPH])
def test_a_changed_byte_is_found(name: str, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "encoder"
    shutil.copytree(folder, place)
    content = bytearray((place / name).read_bytes())
    content[len(content) // 2] ^= 1
    (place / name).write_bytes(content)
    with pytest.raises(BundleError) as caught:
        read_shipped(place)
    assert caught.value.code == "encoder.damaged"


@pytest.mark.parametrize("card", ["", "[]", "{}", '{"sha256": {"../x": ""}}', '{"sha256": 3}'])
def test_a_card_that_is_none_is_refused(card: str, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "encoder"
    shutil.copytree(folder, place)
    (place / CARD).write_text(card)
    with pytest.raises(BundleError):
        read_shipped(place)


def test_a_file_that_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "encoder"
    shutil.copytree(folder, place)
    (place / GRAPH).unlink()
    with pytest.raises(BundleError):
        read_shipped(place)
    with pytest.raises(BundleError):
        shipped_encoder().bytes("manifest.json")


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 100])
def test_other_files_are_no_encoder(content: bytes) -> None:
    with pytest.raises(BundleError):
        read_tmae(content)


def test_an_embedding_is_the_same_to_the_last_bit_whoever_is_beside_it() -> None:
    ecgs = [canonical(source.read()) for source in virtual_cohort(21, 98).recordings]
    encoder = Encoder(shipped_encoder())
    alone = np.concatenate([encoder.embed([ecg]) for ecg in ecgs])
    assert np.array_equal(encoder.embed(ecgs), alone)
    assert np.array_equal(np.concatenate([encoder.embed(ecgs[:8]), encoder.embed(ecgs[8:])]), alone)
