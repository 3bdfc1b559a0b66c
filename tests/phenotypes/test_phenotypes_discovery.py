"""Planted groups are found and survive; a cloud without groups has none that does."""

import builtins
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cardiofusion.phenotypes import Discovery, adjusted_rand_index, describe, discover, fit_assignment
from cardiofusion.phenotypes.pipeline import by_size, nearest_neighbours
from cardiofusion.records import DatasetError, ExtraMissingError, InputError


def blobs(rng: np.random.Generator, sizes: tuple[int, ...] = (90, 60, 40)) -> tuple[Any, Any]:
    truth = np.repeat(np.arange(len(sizes)), sizes)
    centres = 6.0 * np.eye(len(sizes), 12)
    return (centres[truth] + rng.normal(size=(len(truth), 12))).astype(np.float32), truth


@pytest.fixture(scope="module")
def planted() -> tuple[Any, Any, Discovery]:
    embedding, truth = blobs(np.random.default_rng(0))
    return embedding, truth, discover(embedding, seed=1, bootstraps=6)


def test_three_planted_groups_survive(planted: tuple[Any, Any, Discovery]) -> None:
    _, truth, found = planted
    assert found.survives.tolist() == [True, True, True]
    assert (found.jaccard > 0.9).all()
    assert found.p_value == pytest.approx(0.05)
    assert adjusted_rand_index(found.phenotypes, truth) > 0.95
    assert np.bincount(found.phenotypes[found.phenotypes >= 0]).tolist() == pytest.approx([90, 60, 40], abs=3)
    assert found.map.shape == (190, 2)
    assert "3 of 3 clusters survived" in found.words


def test_the_null_data_has_no_such_groups(planted: tuple[Any, Any, Discovery]) -> None:
    found = planted[2]
    assert found.validity > found.null_validity.max()
    assert found.ari.mean() > found.null_ari.max() + 0.2
    assert len(found.null_jaccard) == found.null_clusters.sum()


def test_a_single_cloud_has_no_phenotype() -> None:
    rng = np.random.default_rng(3)
    cloud = (rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12))).astype(np.float32)
    found = discover(cloud, seed=2, bootstraps=6)
    assert not found.survives.any()
    assert (found.phenotypes == -1).all()
    assert found.words.startswith("No phenotype survived")
    model = fit_assignment(cloud, found.phenotypes, found.stability, seed=0)
    assert len(model) == 0
    assert model.assign(cloud[0]) is None
    assert (model.assign_all(cloud) == -1).all()
    (age,) = describe(found.phenotypes, {"age": rng.normal(60, 10, 200)}, rng)
    assert np.isnan(age.strength)


def test_the_same_seed_gives_the_same_answer_and_progress_is_told() -> None:
    embedding, _ = blobs(np.random.default_rng(4), (40, 40))
    steps: list[tuple[int, int]] = []
    first = discover(
        embedding, seed=5, bootstraps=2, on_progress=lambda done, total: steps.append((done, total))
    )
    second = discover(embedding, seed=5, bootstraps=2)
    assert first.to_json() == second.to_json()
    assert np.array_equal(first.map, second.map)
    assert np.array_equal(first.labels, second.labels)
    assert steps == [(done, len(steps)) for done in range(1, len(steps) + 1)]
    assert not np.array_equal(first.map, discover(embedding, seed=6, bootstraps=2).map)


def test_the_evidence_holds_no_patient(planted: tuple[Any, Any, Discovery]) -> None:
    found = planted[2]
    evidence = found.to_json()
    assert evidence["patients"] == 190
    assert all(len(value) < 190 for value in evidence.values() if isinstance(value, list))
    assert not {"labels", "map"} & set(evidence)


def test_bootstraps_draw_whole_patients() -> None:
    from cardiofusion.phenotypes.discovery import _draw

    groups = np.repeat(np.arange(50), 3)
    drawn = _draw(groups, np.random.default_rng(0))
    assert len(set(groups[drawn])) * 3 == len(drawn)
    assert len(set(drawn)) == len(drawn)
    assert 20 < len(set(groups[drawn])) < 45


def test_unstable_clusters_are_left_out_and_the_rest_renumbered() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, -1])
    none = np.zeros(0)
    found = Discovery(
        labels, np.zeros((7, 2)), np.array([0.9, 0.4, 0.7]), np.array([0.8]), 0.5,
        np.zeros(19, np.int64), np.zeros(19), np.zeros(19), none, np.array([True, False, True]),
    )  # fmt: skip
    assert found.phenotypes.tolist() == [0, 0, 0, -1, -1, 1, -1]
    assert found.stability.tolist() == [0.9, 0.7]


def test_nearest_neighbours_are_exact() -> None:
    points = np.random.default_rng(2).normal(size=(80, 5))
    indices, distances = nearest_neighbours(points, 10)
    truth = cdist(points, points)
    assert distances == pytest.approx(np.sort(truth, axis=1)[:, :10], abs=1e-6)
    assert indices.tolist() == np.argsort(truth, axis=1)[:, :10].tolist()


def test_clusters_are_numbered_by_size() -> None:
    assert by_size(np.array([2, 0, 1, 1, 1, 0, -1])).tolist() == [2, 1, 0, 0, 0, 1, -1]
    assert by_size(np.array([-1, -1])).tolist() == [-1, -1]


@pytest.mark.parametrize(
    "embedding",
    [
        np.zeros((10, 4)),
        np.zeros(100),
        np.zeros((100, 1)),
        np.ones((100, 4)),
        np.arange(200.0).repeat(2).reshape(200, 2),
    ],
)
def test_an_embedding_that_will_not_do_is_refused(embedding: Any) -> None:
    with pytest.raises(DatasetError) as error:
        discover(embedding.astype(np.float32), seed=0)
    assert error.value.code == "phenotypes.embedding"


def test_numbers_that_are_not_finite_are_refused() -> None:
    embedding = blobs(np.random.default_rng(0))[0]
    embedding[3, 4] = np.nan
    with pytest.raises(InputError, match="not finite"):
        discover(embedding, seed=0)


def test_without_the_libraries_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name in ("umap", "hdbscan"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExtraMissingError, match=r"cardiofusion\[train\]"):
        discover(np.zeros((100, 4), np.float32), seed=0)
