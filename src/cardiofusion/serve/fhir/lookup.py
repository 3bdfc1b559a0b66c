"""Patients and cases of the store as a FHIR client asks for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from sqlalchemy import select

from cardiofusion.records import Assessment, CardioFusionError, Recording, assessment_from_json
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.fhir.bundles import BundleKind, Listed, case_bundle, listed
from cardiofusion.serve.fhir.outcome import FhirError
from cardiofusion.serve.fhir.patient import patient_of, patient_resource
from cardiofusion.serve.fhir.terms import Json
from cardiofusion.serve.store import PAGE, Case, Patient, Search, Store, unpack

_CASE = re.compile(r"[0-9a-f]{32}")


def case_export(clinic: Clinic, case_id: str, kind: BundleKind = "collection") -> Json:
    """A stored case whole, with its ECG: a Bundle to keep, or ("transaction") to post to another server.

    Raises InputError "serve.unknown".
    """
    case = clinic.store.case(case_id)
    return case_bundle(case, assessment_of(case), ecg_of(clinic, case)(), kind)


def find(clinic: Clinic, kind: str, identifier: str) -> tuple[Case, Json]:
    """The resource with this id, and its case. Raises FhirError "fhir.unknown"."""
    case_id, _, part = identifier.partition(".")
    if not part or not _CASE.fullmatch(case_id):
        raise unknown(kind)
    for one in resources_of(clinic, case := known_case(clinic, case_id, kind)):
        if (one.kind, one.id) == (kind, identifier):
            return case, one.make()
    raise unknown(kind)


def known_case(clinic: Clinic, case_id: str, kind: str) -> Case:
    """A case by its id. Raises FhirError "fhir.unknown"."""
    try:
        return clinic.store.case(case_id)
    except CardioFusionError as error:
        if error.code == "serve.unknown":
            raise unknown(kind) from error
        raise


def find_patient(clinic: Clinic, patient_id: str) -> Json:
    """A Patient by id, also one known by nothing but a case. Raises FhirError "fhir.unknown"."""
    newest = next(cases_of(clinic.store, patient_id), None)
    if newest is None:
        raise unknown("Patient")
    return patient_of(newest)


def patients_called(store: Store, names: Iterable[str]) -> list[Patient]:
    """Patients with one of these numbers, or ids of ours; in the order of the names."""
    wanted = [name for name in dict.fromkeys(names) if name and "\0" not in name]
    with store.begin() as connection:
        found = connection.scalars(
            select(Patient).where(Patient.identifier.in_(wanted) | Patient.id.in_(wanted))
        )
        patients = list(found)
    rank = {name: i for i, name in reversed([*enumerate(wanted)])}
    return sorted(patients, key=lambda one: rank.get(one.identifier, rank.get(one.id, 0)))


def patient_page(store: Store, patient: Patient) -> Json:
    """A Patient, with the sex that the newest case states."""
    newest = next(cases_of(store, patient.id), None)
    return patient_resource(patient.id, patient.identifier, None if newest is None else newest.sex)


def cases_of(store: Store, patient_id: str) -> Iterator[Case]:
    """A patient's cases, the newest ECG first, without what the system answered."""
    if not _CASE.fullmatch(patient_id):
        return
    cases, total = store.search(Search(patient=patient_id))
    for page in range(2, -(-total // PAGE) + 1):
        cases += store.search(Search(patient=patient_id, page=page))[0]
    yield from sorted(cases or _nameless(store, patient_id), key=_when, reverse=True)


def _when(case: Case) -> datetime:
    """When the ECG was taken; when it was kept, where no ECG says so."""
    return (case.recorded or case.created).replace(tzinfo=None)


def _nameless(store: Store, case_id: str) -> list[Case]:
    """The case by which a patient without a number is called."""
    with store.begin() as connection:
        case = connection.get(Case, case_id)
    return [store.case(case_id)] if case is not None and case.patient_id is None else []


def resources_of(clinic: Clinic, case: Case) -> Iterator[Listed]:
    """RiskAssessments and Observations of a case that was read with its assessment."""
    return listed(case, assessment_of(case), ecg_of(clinic, case))


def assessment_of(case: Case) -> Assessment | None:
    """What the system answered; None where it has not."""
    return None if case.assessment is None else assessment_from_json(unpack(case.assessment))


def ecg_of(clinic: Clinic, case: Case) -> Callable[[], Recording | None]:
    """Reads the ECG of a case when called; None where it has none or it cannot be read any more."""

    def read() -> Recording | None:
        try:
            return clinic.desk.read(clinic.store.files_of(case)) if case.files else None
        except CardioFusionError:
            return None

    return read


def unknown(kind: str) -> FhirError:
    """Nothing is there under this id."""
    return FhirError("fhir.unknown", f"there is no such {kind}", "it may have been deleted")
