"""Placing new patients: NumPy only, honest about who is unlike all, and safe to load."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from scipy.spatial.distance import cdist
from sklearn.covariance import oas

from cardiofusion.phenotypes import UNLIKE_ALL, PhenotypeModel, fit_assignment
from cardiofusion.phenotypes.discriminant import mahalanobis, shrunk_covariance
from cardiofusion.phenotypes.projection import fit_projection
from cardiofusion.records import BundleError, DatasetError, InputError

SIZES = (300, 200, 100)


def groups(rng: np.random.Generator, sizes: tuple[int, ...] = SIZES) -> tuple[Any, Any]:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return (5.0 * np.eye(len(sizes), 8)[labels] + rng.normal(size=(len(labels), 8))).astype(
        np.float32
    ), labels


@pytest.fixture(scope="module")
def model() -> PhenotypeModel:
    embedding, labels = groups(np.random.default_rng(0))
    return fit_assignment(embedding, labels, np.array([0.9, 0.8, 0.5]), seed=0)


def test_new_patients_of_the_groups_are_placed_and_typical(model: PhenotypeModel) -> None:
    embedding, labels = groups(np.random.default_rng(1))
    assert (model.assign_all(embedding) == labels).mean() > 0.96
    typical = np.array([match.typicality for row in embedding if (match := model.assign(row))])
    # A new member is as far out as a held-out one: about uniform.
    assert np.quantile(typical, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.07)


def test_one_patient_and_many_get_the_same_answer(model: PhenotypeModel) -> None:
    embedding, _ = groups(np.random.default_rng(2), (10, 10, 10))
    embedding[::5] *= 3.0
    one_by_one = [match.index for row in embedding if (match := model.assign(row))]
    assert [-1 if index is None else index for index in one_by_one] == model.assign_all(embedding).tolist()


def test_the_match_says_everything(model: PhenotypeModel) -> None:
    match = model.assign(5.0 * np.eye(3, 8, dtype=np.float32)[2])
    assert match is not None
    assert (match.name, match.index, match.stable) == ("Phenotype 3", 2, False)
    assert match.typicality > 0.9
    assert sum(match.probabilities.values()) == pytest.approx(1.0)
    assert max(match.probabilities, key=lambda name: match.probabilities[name]) == "Phenotype 3"
    assert json.loads(json.dumps(match.to_json(), allow_nan=False))["name"] == "Phenotype 3"


def test_who_is_unlike_all_is_told(model: PhenotypeModel) -> None:
    match = model.assign(np.full(8, 9.0, np.float32))
    assert match is not None
    assert (match.name, match.index, match.stable, match.probabilities) == (UNLIKE_ALL, None, False, {})
    assert match.typicality < 0.01


def test_agreement_is_measured_on_held_out_members(model: PhenotypeModel) -> None:
    assert model.agreement.n == sum(SIZES)
    assert model.agreement.low < model.agreement.value <= model.agreement.high
    assert model.agreement.value > 0.98
    embedding, labels = groups(np.random.default_rng(0))
    shuffled = np.random.default_rng(1).permutation(labels)
    by_chance = fit_assignment(embedding, shuffled, np.ones(3), seed=0).agreement
    assert by_chance.value < 0.6  # the largest group's share is one half


def test_noise_patients_take_no_part(model: PhenotypeModel) -> None:
    embedding, labels = groups(np.random.default_rng(0))
    noisy = np.concatenate([embedding, embedding[:50] * -4.0])
    with_noise = fit_assignment(noisy, np.append(labels, np.full(50, -1)), model.stability, seed=0)
    assert with_noise.sizes.tolist() == list(SIZES)
    assert with_noise.assign_all(embedding).tolist() == pytest.approx(model.assign_all(embedding), abs=2)


def test_held_out_distances_are_not_too_short() -> None:
    # 30 dimensions, 40 members: distances to a centre they helped to place would be far too short.
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], 40)
    centres = 4.0 * np.eye(2, 30)
    fitted = fit_assignment(centres[labels] + rng.normal(size=(80, 30)), labels, np.ones(2), seed=0)
    fresh = np.repeat([0, 1], 500)
    placed = fitted.assign_all(centres[fresh] + rng.normal(size=(1000, 30)))
    assert (placed == -1).mean() < 0.08


def test_projection_and_covariance_match_their_oracles() -> None:
    rng = np.random.default_rng(6)
    embedding = rng.normal(size=(50, 8)) @ rng.normal(size=(8, 8))
    embedding[:, 3] = 7.0
    projection = fit_projection(embedding)
    points = projection.apply(embedding)
    standard = np.delete(
        (embedding - embedding.mean(0)) / np.where(embedding.std(0) > 1e-9, embedding.std(0), 1), 3, 1
    )
    assert cdist(points, points) == pytest.approx(cdist(standard, standard), abs=1e-5)
    assert np.cov(points.T, bias=True) == pytest.approx(np.diag(points.var(axis=0)), abs=1e-5)
    centred = points - points.mean(axis=0)
    assert shrunk_covariance(centred) == pytest.approx(oas(centred, assume_centered=True)[0])
    precision = np.linalg.inv(np.cov(points.T))
    assert mahalanobis(points, points[:3], precision) == pytest.approx(
        cdist(points, points[:3], "mahalanobis", VI=precision), abs=1e-7
    )


@given(st.integers(0, 4), st.integers(0, 2**31))
@settings(deadline=None, max_examples=10)
def test_a_model_survives_its_file(phenotypes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(100) % 5 - (5 - phenotypes)
    labels[labels < 0] = -1
    embedding = (rng.normal(size=(100, 6)) + labels[:, None]).astype(np.float32)
    fitted = fit_assignment(embedding, labels, rng.uniform(size=phenotypes), seed=0)
    again = PhenotypeModel.from_tensors(load(save(fitted.to_tensors())), fitted.metadata)
    assert all(tensor.flags.c_contiguous for tensor in fitted.to_tensors().values())
    assert again.names == fitted.names
    assert str(again.agreement) == str(fitted.agreement)
    for row in embedding[:10]:
        assert again.assign(row) == fitted.assign(row)


def test_the_file_holds_no_patient(model: PhenotypeModel) -> None:
    tensors = model.to_tensors()
    assert not any(length in SIZES or length == sum(SIZES) for t in tensors.values() for length in t.shape)


def replaced(name: str, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda tensors: {**tensors, name: change(tensors[name].copy())}


def spoilt(value: float) -> Callable[[Any], Any]:
    def spoil(tensor: Any) -> Any:
        tensor.flat[1] = value
        return tensor

    return spoil


@pytest.mark.parametrize(
    "damage",
    [
        lambda tensors: {name: tensors[name] for name in tensors if name != "scale"},
        lambda tensors: {**tensors, "patients": np.zeros(3)},
        replaced("mean", lambda t: t.astype(np.float32)),
        replaced("mean", lambda t: t[:-1]),
        replaced("sizes", lambda t: t.astype(np.float64)),
        replaced("centres", lambda t: t[:2]),
        replaced("centres", lambda t: t.ravel()),
        replaced("components", lambda t: t[:, :-1]),
        replaced("quantiles", lambda t: t[:, :50]),
        replaced("scale", spoilt(0.0)),
        replaced("centres", spoilt(np.nan)),
        replaced("precision", spoilt(9.0)),
        replaced("precision", lambda t: -t),
        replaced("quantiles", spoilt(99.0)),
        replaced("quantiles", spoilt(-1.0)),
        replaced("sizes", spoilt(0)),
        replaced("stability", spoilt(1.5)),
    ],
)
def test_a_damaged_file_is_refused(model: PhenotypeModel, damage: Callable[[Any], Any]) -> None:
    with pytest.raises(BundleError) as error:
        PhenotypeModel.from_tensors(damage(model.to_tensors()), model.metadata)
    assert error.value.code == "phenotypes.file"


AGREEMENT = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 600, "data": "x"}
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "[1]",
        "{",
        "[" * 100_000,
        json.dumps({"names": NAMES}),
        json.dumps({"names": NAMES[:2], "agreement": AGREEMENT}),
        json.dumps({"names": ["a", "b", "b"], "agreement": AGREEMENT}),
        json.dumps({"names": ["a", "b", 3], "agreement": AGREEMENT}),
        json.dumps({"names": ["a", "b", "c" * 101], "agreement": AGREEMENT}),
        json.dumps({"names": "abc", "agreement": AGREEMENT}),
        json.dumps({"names": NAMES, "agreement": AGREEMENT, "more": 1}),
        json.dumps({"names": NAMES, "agreement": {**AGREEMENT, "value": 2}}),
        json.dumps({"names": NAMES, "agreement": {**AGREEMENT, "value": float("nan")}}),
        json.dumps({"names": NAMES, "agreement": {**AGREEMENT, "n": True}}),
        json.dumps({"names": NAMES, "agreement": {**AGREEMENT, "low": "0.8"}}),
        json.dumps({"names": NAMES, "agreement": None}),
    ],
)
def test_damaged_metadata_is_refused(model: PhenotypeModel, metadata: str) -> None:
    with pytest.raises(BundleError):
        PhenotypeModel.from_tensors(model.to_tensors(), metadata)


def test_sound_metadata_is_read(model: PhenotypeModel) -> None:
    metadata = json.dumps({"names": NAMES, "agreement": AGREEMENT})
    renamed = PhenotypeModel.from_tensors(model.to_tensors(), metadata)
    assert renamed.names == ("a", "b", "c")
    assert dataclasses.asdict(renamed.agreement) == AGREEMENT


@pytest.mark.parametrize("embedding", [np.zeros(7), np.zeros((2, 3, 7)), np.array(1.0)])
def test_an_embedding_of_another_encoder_is_refused(model: PhenotypeModel, embedding: Any) -> None:
    with pytest.raises(InputError, match="8 features"):
        model.assign(embedding)


def test_an_embedding_that_is_not_finite_is_refused(model: PhenotypeModel) -> None:
    with pytest.raises(InputError, match="not finite"):
        model.assign(np.full(8, np.inf))


@pytest.mark.parametrize(
    ("labels", "stability"),
    [
        (np.zeros(99, np.int64), [1.0]),
        (np.zeros(100, np.int64), [1.0, 1.0]),
        (np.arange(100) // 95, [1.0, 1.0]),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: Any, stability: list[float]) -> None:
    with pytest.raises(DatasetError):
        fit_assignment(np.zeros((100, 4)), labels, np.array(stability), seed=0)


def test_assigning_imports_nothing_of_training(model: PhenotypeModel, tmp_path: Path) -> None:
    (tmp_path / "phenotypes.safetensors").write_bytes(save(model.to_tensors()))
    (tmp_path / "metadata.json").write_text(model.metadata)
    script = """
import sys, numpy as np
from pathlib import Path
from safetensors.numpy import load
from cardiofusion.phenotypes import PhenotypeModel, describe, discover, fit_assignment
folder = Path(sys.argv[1])
tensors = load((folder / "phenotypes.safetensors").read_bytes())
model = PhenotypeModel.from_tensors(tensors, (folder / "metadata.json").read_text())
print(model.assign(np.zeros(8, np.float32)).name)
heavy = {"umap", "numba", "hdbscan", "sklearn", "scipy", "torch", "pandas", "polars", "matplotlib"}
print(sorted(heavy & {name.split(".")[0] for name in sys.modules}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1] == "[]"
