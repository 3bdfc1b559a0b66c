"""Does an explanation tell the truth? Two tests that need no opinion, and the rule that decides on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.explain.arrays import Float, checked
from cardiofusion.explain.gradcam import upsample_map
from cardiofusion.metrics import t_interval, wilson_interval
from cardiofusion.records import Figure, InputError

MIN_BETTER_THAN_RANDOM = 0.5  # the interval's lower end must lie above
MAX_RANDOMISATION_SIMILARITY = 0.5  # of the trained model's map to the random model's

Score = Callable[[NDArray[np.float32]], NDArray[np.floating]]


@dataclass(frozen=True)
class Faithfulness:
    """Areas under the score's curve while the ECG is deleted, and inserted, in the order of a map.

    deletion: low is good, the score falls at once; insertion: high is good. random_deletion,
    random_insertion: means over random maps. better_than_random: share of the random maps that the map beats
    (insertion minus deletion), with Wilson's interval.
    """

    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float
    better_than_random: Figure

    def to_json(self) -> dict[str, Any]:
        return {
            "deletion": self.deletion,
            "insertion": self.insertion,
            "random_deletion": self.random_deletion,
            "random_insertion": self.random_insertion,
            "better_than_random": self.better_than_random.to_json(),
        }


def deletion_insertion(
    score: Score,
    signal: NDArray[np.float32],
    cam: NDArray[np.floating],
    rng: np.random.Generator,
    steps: int = 10,
    repeats: int = 20,
) -> Faithfulness:
    """Deletion and insertion (Petsiuk et al., BMVC 2018) of an ECG by a map, against random maps.

    score: [b, lead, sample] -> [b]. signal: [lead, sample] in the model's canonical form, where zero is the
    absence of signal, so that is what a deleted sample becomes. cam: [lead, frame]. A random map is the same
    map with its leads exchanged and each turned in time by a random amount: as large, with segments as long,
    elsewhere. A map in one piece everywhere cannot be told from random: it beats none.
    """
    heights = upsample_map(cam, signal.shape[1])
    if heights.shape != signal.shape:
        raise InputError(
            "explain.shape",
            f"the map has {len(heights)} leads, the ECG {len(signal)}",
            "explain the same ECG",
        )
    own = _areas(score, signal, heights, steps)
    random = np.array([_areas(score, signal, _elsewhere(heights, rng), steps) for _ in range(repeats)])
    gains, own_gain = random[:, 1] - random[:, 0], own[1] - own[0]
    share = float((own_gain > gains).mean())
    return Faithfulness(
        deletion=own[0],
        insertion=own[1],
        random_deletion=float(random[:, 0].mean()),
        random_insertion=float(random[:, 1].mean()),
        better_than_random=Figure(share, *wilson_interval(share, repeats), repeats, "random maps of one ECG"),
    )


def pooled(results: Sequence[Faithfulness], data: str) -> Figure:
    """Mean share of random maps beaten over several ECGs, with Student's interval (the ECG is the unit)."""
    shares = np.array([result.better_than_random.value for result in results])
    if not len(shares):
        return Figure(float("nan"), float("nan"), float("nan"), 0, data)
    low, high = t_interval(shares)
    return Figure(float(shares.mean()), max(low, 0.0), min(high, 1.0), len(shares), data)


def randomisation_similarity(cam_trained: NDArray[np.floating], cam_random: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of the trained model's map and a randomly weighted one's, same ECG.

    Adebayo et al., NeurIPS 2018: a map that survives the loss of all that was learnt shows the ECG, not the
    model. A constant map ranks nothing: 0 against another, 1 where both are constant.
    """
    trained = checked("the trained model's map", cam_trained, ("lead", "frame"))
    random = checked("the random model's map", cam_random, ("lead", "frame"))
    if trained.shape != random.shape:
        raise InputError(
            "explain.shape", f"maps of {trained.shape} and {random.shape}", "compare maps of the same ECG"
        )
    first, second = _ranks(trained.ravel()), _ranks(random.ravel())
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    if scale == 0:
        return float(not first.any() and not second.any())
    return float(first @ second / scale)


def passes(better_than_random: Figure, similarity: float) -> bool:
    """Whether an explanation may be shown: it beats random maps, and it depends on what the model learnt.

    better_than_random: of one ECG, or `pooled`. similarity: (mean) `randomisation_similarity`. A number that
    could not be measured (NaN) does not pass.
    """
    return better_than_random.low > MIN_BETTER_THAN_RANDOM and similarity < MAX_RANDOMISATION_SIMILARITY


def _areas(score: Score, signal: NDArray[np.float32], heights: Float, steps: int) -> tuple[float, float]:
    """Areas under the deletion and the insertion curve, each over 0 to 1 of the samples."""
    rank = np.argsort(np.argsort(-heights, axis=None, kind="stable")).reshape(heights.shape)
    limits = np.linspace(0, signal.size, steps + 1).round()
    marked = rank[None] < limits[:, None, None]
    batch = np.concatenate([np.where(marked, 0.0, signal), np.where(marked, signal, 0.0)]).astype(np.float32)
    curve = np.asarray(score(batch), dtype=np.float64)
    if curve.shape != (len(batch),):
        raise InputError("explain.score", f"scores of shape {curve.shape} for {len(batch)} ECGs", "one each")
    deletion, insertion = curve.reshape(2, steps + 1)
    return float(np.trapezoid(deletion) / steps), float(np.trapezoid(insertion) / steps)


def _elsewhere(heights: Float, rng: np.random.Generator) -> Float:
    shifts = rng.integers(0, heights.shape[1], len(heights))
    leads = rng.permutation(len(heights))
    return np.stack([np.roll(heights[lead], shift) for lead, shift in zip(leads, shifts, strict=True)])


def _ranks(values: Float) -> Float:
    """Ranks from 1, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2.0)[inverse]
