"""conformal.json: {task: {view: {target: {probability, sets, alarm}}}}."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiofusion.conformal import fields
from cardiofusion.conformal.alarm import ExchangeabilityAlarm
from cardiofusion.conformal.probability import ProbabilityCalibrator
from cardiofusion.conformal.sets import ConformalTarget


@dataclass(frozen=True)
class TargetCalibration:
    """All that stands between a target's logit and its set; `alarm` is None where nobody fitted one."""

    probability: ProbabilityCalibrator
    sets: ConformalTarget
    alarm: ExchangeabilityAlarm | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "probability": self.probability.to_json(),
            "sets": self.sets.to_json(),
            "alarm": None if self.alarm is None else self.alarm.to_json(),
        }

    @classmethod
    def from_json(cls, document: object, where: str = "target") -> TargetCalibration:
        """The inverse of `to_json`. Raises BundleError "bundle.conformal"."""
        found = fields.mapping(document, where, ("probability", "sets", "alarm"))
        alarm = found["alarm"]
        return cls(
            ProbabilityCalibrator.from_json(found["probability"], f"{where}/probability"),
            ConformalTarget.from_json(found["sets"], f"{where}/sets"),
            None if alarm is None else ExchangeabilityAlarm.from_json(alarm, f"{where}/alarm"),
        )


Calibrations = Mapping[str, Mapping[str, Mapping[str, TargetCalibration]]]
"""task -> view ("ecg", "row", "ecg+row") -> target -> TargetCalibration"""


def calibrations_to_json(calibrations: Calibrations) -> dict[str, Any]:
    """The document of conformal.json: plain dicts, lists, strings and finite numbers."""
    return {
        task: {
            view: {target: leaf.to_json() for target, leaf in targets.items()}
            for view, targets in views.items()
        }
        for task, views in calibrations.items()
    }


def calibrations_from_json(document: object) -> Calibrations:
    """The inverse of `calibrations_to_json`. Raises BundleError "bundle.conformal" on anything else."""
    return {
        task: {
            view: _targets(targets, f"{task}/{view}") for view, targets in fields.mapping(views, task).items()
        }
        for task, views in fields.mapping(document, "the document").items()
    }


def _targets(document: object, where: str) -> dict[str, TargetCalibration]:
    targets = {
        name: TargetCalibration.from_json(leaf, f"{where}/{name}")
        for name, leaf in fields.mapping(document, where).items()
    }
    for name, target in targets.items():
        if target.sets.name != name:
            raise fields.refusal(f"{where}/{name}", f"holds the sets of {target.sets.name!r}")
    return targets
