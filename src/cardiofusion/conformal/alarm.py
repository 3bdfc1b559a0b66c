"""Has the stream of new patients stopped looking like the calibration patients?

A conformal test martingale (Vovk et al. 2021, "Retrain or not retrain", the Simple Jumper): a gambler
starts with 1 and bets that the next score will rank unusually high, or unusually low, among the calibration
scores and those seen so far. While patients are exchangeable the bets are fair, and by Ville's inequality
the capital ever reaches 1 / level with probability at most `level`, however long one watches. It needs no
outcomes. A changed prevalence raises it too, though class-conditional sets stay valid under that.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.conformal import fields
from cardiofusion.records import CalibrationError

REFERENCE_LIMIT = 1000  # scores a bundle carries; a random subset of exchangeable scores is exchangeable
SCORE_LIMIT = 1e9
EVIDENCE_LIMIT = 1e12
BETS = (-1.0, 0.0, 1.0)
JUMP = 0.01  # how readily the gambler changes her mind


@dataclass(frozen=True)
class AlarmReading:
    """The highest capital the gambler reached over n new patients (at most 1e12), and whether that alarms."""

    evidence: float
    raised: bool
    n: int


@dataclass(frozen=True)
class ExchangeabilityAlarm:
    """Calibration scores to compare with, in rising order, and the chance of a false alarm, ever."""

    reference: tuple[float, ...]
    level: float = 0.01

    @classmethod
    def fit(cls, scores: NDArray[Any], rng: np.random.Generator, level: float = 0.01) -> ExchangeabilityAlarm:
        """From the scores of calibration patients [n] (a probability, say), one row a patient.

        At most REFERENCE_LIMIT are kept, drawn at random. Raises CalibrationError "conformal.alarm".
        """
        if not len(scores) or not 0.0 < level < 1.0:
            raise CalibrationError(
                "conformal.alarm",
                f"no exchangeability alarm of level {level} from {len(scores)} scores",
                "give the scores of the calibration patients and a level between 0 and 1",
            )
        values = _finite(scores)
        kept = rng.permutation(values)[:REFERENCE_LIMIT]
        return cls(tuple(map(float, np.sort(kept))), level)

    def watch(self, scores: NDArray[Any], rng: np.random.Generator) -> AlarmReading:
        """Watch new scores [n] in the order in which they came. Ties are broken at random.

        The promise holds for one long stream: give all new scores so far, not one batch after another.
        Raises CalibrationError "conformal.alarm".
        """
        ranks = _randomised_ranks(self.reference, _finite(scores), rng)
        evidence = min(math.exp(min(max_log_capital(ranks), 700.0)), EVIDENCE_LIMIT)
        return AlarmReading(evidence, evidence >= 1.0 / self.level, len(scores))

    def to_json(self) -> dict[str, Any]:
        return {"reference": list(self.reference), "level": self.level}

    @classmethod
    def from_json(cls, document: object, where: str = "alarm") -> ExchangeabilityAlarm:
        """The inverse of `to_json`. Raises BundleError "bundle.conformal"."""
        found = fields.mapping(document, where, ("reference", "level"))
        scores = fields.sequence(found["reference"], f"{where}/reference", REFERENCE_LIMIT)
        reference = tuple(fields.number(s, f"{where}/reference", -SCORE_LIMIT, SCORE_LIMIT) for s in scores)
        if list(reference) != sorted(reference):
            raise fields.refusal(f"{where}/reference", "is not in rising order")
        return cls(reference, fields.share(found["level"], f"{where}/level"))


def max_log_capital(p_values: Iterable[float]) -> float:
    """The highest log capital of the Simple Jumper over p-values that are uniform under exchangeability."""
    log_capital = highest = 0.0
    stakes = [1.0 / len(BETS)] * len(BETS)  # shares of the capital on each bet, so that nothing overflows
    for p in p_values:
        mixed = [(1.0 - JUMP) * stake + JUMP / len(BETS) for stake in stakes]
        won = [stake * (1.0 + bet * (p - 0.5)) for stake, bet in zip(mixed, BETS, strict=True)]
        growth = sum(won)
        stakes = [part / growth for part in won]
        log_capital += math.log(growth)
        highest = max(highest, log_capital)
    return highest


def _randomised_ranks(
    reference: tuple[float, ...], scores: NDArray[np.float64], rng: np.random.Generator
) -> Iterable[float]:
    """The place of each score among all before it and itself, in [0, 1]: independent and uniform."""
    seen = list(reference)
    for score, chance in zip(map(float, scores), rng.random(len(scores)), strict=True):
        below, up_to = bisect_left(seen, score), bisect_right(seen, score)
        yield (below + chance * (up_to - below + 1)) / (len(seen) + 1)
        insort(seen, score)


def _finite(scores: NDArray[Any]) -> NDArray[np.float64]:
    values = np.asarray(scores, np.float64)
    if not (np.abs(values) <= SCORE_LIMIT).all():
        raise CalibrationError(
            "conformal.alarm", "a score is not a finite number", "look at the model that gave it"
        )
    return values
