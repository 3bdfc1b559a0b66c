"""All resources of one case, and Bundles of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cardiofusion.records import Assessment, Recording
from cardiofusion.serve.fhir.observations import codes_of, ecg_id, ecg_observation, observations
from cardiofusion.serve.fhir.patient import patient_of
from cardiofusion.serve.fhir.risk import risk_assessments
from cardiofusion.serve.fhir.terms import ECG_STUDY, LOINC, Json
from cardiofusion.serve.store.tables import Case

BundleKind = Literal["collection", "transaction"]
# Names under which resources know each other within a Bundle; the ids on a server are the server's.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:cardiofusion:fhir")


@dataclass(frozen=True)
class Listed:
    """A resource of a case that is made when somebody wants it: an ECG has a megabyte of samples.

    codes: (system, code) of what an Observation is.
    """

    kind: str
    id: str
    make: Callable[[], Json]
    codes: frozenset[tuple[str, str]] = frozenset()

    def is_any_of(self, wanted: Iterable[tuple[str | None, str]]) -> bool:
        """Whether it is one of these (system, code); a system of None is any."""
        return any(
            code == of and (system is None or system == by)
            for system, code in wanted
            for by, of in self.codes
        )


def listed(
    case: Case, assessment: Assessment | None, read: Callable[[], Recording | None]
) -> Iterator[Listed]:
    """Every RiskAssessment and Observation of a case, in the order in which they are read.

    read: gives the case's ECG, None where it cannot; called for the ECG alone.
    """
    for risk in risk_assessments(case, assessment):
        yield _ready(risk)
    if assessment is not None:
        for observation in observations(case, assessment):
            yield _ready(observation)
    if case.files or case.grade is not None:
        yield Listed(
            "Observation",
            ecg_id(case),
            lambda: ecg_observation(case, read()),
            frozenset({(LOINC, ECG_STUDY)}),
        )


def case_bundle(
    case: Case,
    assessment: Assessment | None,
    recording: Recording | None = None,
    kind: BundleKind = "collection",
    base: str | None = None,
) -> Json:
    """One case whole: Patient, RiskAssessments, Observations, the ECG where it is given.

    kind: "transaction" is ready to be posted to another server, which gives ids of its own. base: the
    address of the server that keeps the case, by which its resources are then called.
    """
    found = [patient_of(case)]
    for one in listed(case, assessment, lambda: recording):
        if recording is not None or one.id != ecg_id(case):
            found.append(one.make())
    if base is not None:
        entries = [{"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one} for one in found]
        return {"resourceType": "Bundle", "type": kind, "entry": entries}
    if recording is None:
        _forget(found, f"Observation/{ecg_id(case)}")
    return _bundle(kind, found)


def searchset(
    entries: Iterable[tuple[str, Json]], links: Mapping[str, str], total: int | None = None
) -> Json:
    """A Bundle of what a search found. entries: (address, resource). links: relation -> address."""
    found = [{"fullUrl": url, "resource": resource, "search": {"mode": "match"}} for url, resource in entries]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    bundle["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    return {**bundle, "entry": found} if found else bundle


def _ready(resource: Json) -> Listed:
    codes = codes_of(resource) if resource["resourceType"] == "Observation" else ()
    return Listed(resource["resourceType"], resource["id"], lambda: resource, frozenset(codes))


def _bundle(kind: BundleKind, resources: list[Json]) -> Json:
    names = {f"{r['resourceType']}/{r['id']}": _urn(r) for r in resources}
    entries = []
    for resource in resources:
        entry: Json = {"fullUrl": _urn(resource), "resource": _renamed(resource, names)}
        if kind == "transaction":
            entry["resource"].pop("id")
            entry["request"] = {"method": "POST", "url": resource["resourceType"]}
        entries.append(entry)
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def _urn(resource: Json) -> str:
    return uuid.uuid5(NAMESPACE, f"{resource['resourceType']}/{resource['id']}").urn


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A copy in which references within the Bundle go by its names."""
    if isinstance(value, list):
        return [_renamed(entry, names) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: names.get(entry, entry)
        if key == "reference" and isinstance(entry, str)
        else _renamed(entry, names)
        for key, entry in value.items()
    }


def _forget(resources: list[Json], reference: str) -> None:
    """References to what is not in the Bundle become words."""
    for resource in resources:
        for key in ("basis", "derivedFrom"):
            if key in resource:
                resource[key] = [
                    {"display": "ECG of this case"} if one.get("reference") == reference else one
                    for one in resource[key]
                ]
