"""Who a case is about: Patient, and the references to it."""

from __future__ import annotations

from cardiofusion.serve.fhir.terms import Json, without_gaps
from cardiofusion.serve.store.tables import Case

# A patient known by nothing but one case has that case's id: a reference must lead somewhere.


def patient_of(case: Case) -> Json:
    """The Patient of a case: the number that file or form states, and sex. A birth date is never made up."""
    identifier = None if case.patient is None else case.patient.identifier
    return patient_resource(subject_id(case), identifier, case.sex)


def patient_resource(patient_id: str, identifier: str | None, sex: str | None) -> Json:
    """A Patient. identifier: as the ECG or the form says it; sex: "female", "male" or None."""
    return without_gaps(
        {
            "resourceType": "Patient",
            "id": patient_id,
            "identifier": [{"value": identifier}] if identifier else [],
            "gender": sex or "unknown",
        }
    )


def subject_id(case: Case) -> str:
    """The FHIR id of the Patient of a case."""
    return case.patient_id or (case.id if case.patient is None else case.patient.id)


def subject(case: Case) -> Json:
    """A Reference to the Patient of a case."""
    return {"reference": f"Patient/{subject_id(case)}", "type": "Patient"}
