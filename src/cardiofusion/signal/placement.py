"""Whether electrodes were exchanged: which exchange, undone, makes this ECG a likelier one.

Every exchange of limb electrodes is a linear map of leads I and II (Einthoven), every exchange of chest
electrodes another order of V1 to V6. The evidence for one is the log likelihood ratio, under what beats
usually look like (reference.py), of the leads put right to the leads as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.signal.beat_shape import BeatShape
from cardiofusion.signal.reference import usual_beats

Float = NDArray[np.float64]

CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
FEWEST_CHEST_LEADS = 4
# Each cable on the place of the next -> what (I, II) were, from what they became. Left arm and leg exchanged
# change too little to be told.
LIMBS: Mapping[tuple[str, ...], tuple[tuple[float, float], tuple[float, float]]] = {
    ("right arm", "left arm"): ((-1.0, 0.0), (-1.0, 1.0)),
    ("right arm", "left leg"): ((1.0, -1.0), (0.0, -1.0)),
    ("right arm", "left arm", "left leg"): ((0.0, -1.0), (1.0, -1.0)),
    ("right arm", "left leg", "left arm"): ((-1.0, 1.0), (-1.0, 0.0)),
}
ARMS = ("right arm", "left arm")

Exchange = tuple[str, ...]


def limb_evidence(shape: BeatShape) -> dict[Exchange, float]:
    """Of each exchange in LIMBS, its log likelihood ratio; empty where the leads do not suffice."""
    if not _enough(shape) or not {"I", "II"} <= set(shape.leads):
        return {}
    limb = [shape.leads.index("I"), shape.leads.index("II")]
    righted = []
    for matrix in LIMBS.values():
        waves = shape.waves.copy()
        waves[limb] = np.array(matrix) @ waves[limb]
        righted.append(waves)
    return dict(zip(LIMBS, _gain(shape, righted), strict=True))


def chest_evidence(shape: BeatShape) -> dict[Exchange, float]:
    """The same of chest electrodes: a pair exchanged, all moved on, or all turned round.

    The exchange names, for each of the leads concerned in order, the electrode that its cable took.
    """
    if not _enough(shape):
        return {}
    exchanges = chest_exchanges(tuple(lead for lead in CHEST if lead in shape.leads))
    righted = [_righted(shape, *exchange) for exchange in exchanges]
    names = [took for _, took in exchanges]
    return dict(zip(names, _gain(shape, righted), strict=True))


def exchange_words(exchange: Exchange) -> str:
    """ "right arm and left leg" of limbs; of the chest what became of the electrodes."""
    if not set(exchange) <= set(CHEST):
        return f"{', '.join(exchange[:-1])} and {exchange[-1]}"
    if len(exchange) == 2:
        return f"{exchange[1]} and {exchange[0]} may be exchanged"
    if exchange == CHEST[::-1]:
        return "may be in reverse order"
    return f"may be moved on, V1 to the place of {exchange[0]}"


def chest_exchanges(leads: Exchange) -> list[tuple[Exchange, Exchange]]:
    """(leads, the electrodes they took): pairs, and of all six every shift and the reversal."""
    found: list[tuple[Exchange, Exchange]] = [(pair, pair[::-1]) for pair in combinations(leads, 2)]
    if leads == CHEST:
        found += [(CHEST, CHEST[k:] + CHEST[:k]) for k in range(1, len(CHEST))]
        found.append((CHEST, CHEST[::-1]))
    return found


def _righted(shape: BeatShape, leads: Sequence[str], took: Sequence[str]) -> Float:
    """Each electrode's waves back under its own name."""
    waves = shape.waves.copy()
    for lead, electrode in zip(leads, took, strict=True):
        waves[shape.leads.index(electrode)] = shape.waves[shape.leads.index(lead)]
    return waves


def _enough(shape: BeatShape) -> bool:
    return len(set(CHEST) & set(shape.leads)) >= FEWEST_CHEST_LEADS


def _gain(shape: BeatShape, righted: Sequence[Float]) -> list[float]:
    """How much likelier each of the righted ECGs is than the one recorded."""
    density = usual_beats(shape.leads)
    likelihood = density.log_density(np.stack([shape.waves, *righted]).reshape(len(righted) + 1, -1))
    return [float(gain) for gain in likelihood[1:] - likelihood[0]]
