"""CDS Hooks 2.0: a service for the hook patient-view, under /cds-services.

The client's FHIR server is never called, whatever address and token a request carries: no request leaves this
machine. What there is to say comes from the prefetched ECG, else from the cases that are kept here.
Source: HL7 CDS Hooks 2.0 (discovery, calling a service, feedback).
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from cardiofusion.records import InputError
from cardiofusion.runtime import System
from cardiofusion.serve.cards import assessment_card, refusal_card
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.fhir.incoming import is_ecg, question_about
from cardiofusion.serve.fhir.lookup import assessment_of, cases_of, patients_called
from cardiofusion.serve.fhir.outcome import body_of
from cardiofusion.serve.fhir.terms import ECG_STUDY, LOINC, Json
from cardiofusion.serve.fhir.wire import object_of, objects, parse_object, text_of
from cardiofusion.serve.guard import require

SERVICE = "cardiofusion-patient-view"
HOOK = "patient-view"
MAX_FEEDBACK = 100
PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "ecg": f"Observation?patient={{{{context.patientId}}}}&code={LOINC}|{ECG_STUDY}&_sort=-date&_count=1",
}
DISCOVERY: Json = {
    "services": [
        {
            "hook": HOOK,
            "id": SERVICE,
            "title": "CardioFusion",
            "description": "What the newest ECG says, as sets of labels that carry a guarantee."
            " For research use only; not a medical device; not an emergency alarm.",
            "prefetch": PREFETCH,
            "usageRequirements": "Prefetch the ECG, or keep it here before: this service never calls the "
            "client's FHIR server. Authorization: Bearer TOKEN of an account of this server.",
        }
    ]
}
HINT = "see CDS Hooks 2.0, calling a CDS service"
router = APIRouter(prefix="/cds-services", include_in_schema=False)
Service = Annotated[str, Path(max_length=100)]
CLINICIAN = [Depends(require("clinician", uploads=True))]


@router.get("", dependencies=[Depends(require("reader"))])
def discovery() -> JSONResponse:
    """The services that there are."""
    return JSONResponse(DISCOVERY)


@router.post("/{service}", dependencies=CLINICIAN)
async def call(request: Request, service: Service) -> JSONResponse:
    """Cards about a patient whose record is opened: one, or none where nothing is known."""
    _check_service(service)
    clinic: Clinic = request.app.state.clinic
    asked = parse_object(await body_of(request))
    names = _check_call(asked)
    prefetch = object_of(asked, "prefetch")
    patient, ecg = object_of(prefetch, "patient"), _newest_ecg(prefetch.get("ecg"))
    if ecg is not None:
        await run_in_threadpool(clinic.audit.write, request.state.actor.name, "cds.assess")
        return _cards(
            await asyncio.wrap_future(clinic.desk.run(lambda system: _judge(clinic, system, ecg, patient)))
        )
    names += [text_of(one, "value") for one in objects(patient, "identifier")]
    return _cards(await run_in_threadpool(_kept, request, names))


@router.post("/{service}/feedback", dependencies=CLINICIAN)
async def feedback(request: Request, service: Service) -> Response:
    """What became of cards: written into the audit log, by the cards' random ids."""
    _check_service(service)
    clinic: Clinic = request.app.state.clinic
    told = objects(parse_object(await body_of(request)), "feedback")
    if not told or len(told) > MAX_FEEDBACK:
        raise InputError("cds.feedback", "there is no feedback, or too much of it", HINT)
    said = [(_uuid(one, "card"), _choice(one, "outcome", ("accepted", "overridden"))) for one in told]
    for card, outcome in said:
        await run_in_threadpool(
            clinic.audit.write, request.state.actor.name, "cds.feedback", card.hex, outcome=outcome
        )
    return Response(status_code=200)


def _judge(clinic: Clinic, system: System, ecg: Json, patient: Json) -> Json:
    """The card of a prefetched ECG. Nothing is kept."""
    bundle = system.manifest.name
    try:
        question = question_about([ecg], patient, clinic.columns, date.today())
        examined = clinic.desk.examine({"observation.json": question.ecg or b""})
        row = question.about(examined.recording.patient_id)
        return assessment_card(system.assess_examined(examined, row, explain=False).assessment)
    except InputError as error:
        return refusal_card(error, bundle)


def _kept(request: Request, names: list[str]) -> Json | None:
    """The card of the newest case of a patient of this server, by number or id; None where there is none."""
    clinic: Clinic = request.app.state.clinic
    for patient in patients_called(clinic.store, names):
        for case in cases_of(clinic.store, patient.id):
            assessment = assessment_of(clinic.store.case(case.id))
            if assessment is not None:
                clinic.audit.write(request.state.actor.name, "case.view", case.id, through="cds")
                return assessment_card(assessment, f"{str(request.base_url).rstrip('/')}/cases/{case.id}")
    return None


def _cards(card: Json | None) -> JSONResponse:
    return JSONResponse({"cards": [] if card is None else [card]})


def _newest_ecg(prefetched: Any) -> Json | None:
    """Of a prefetched searchset, or one Observation, the newest ECG that was not withdrawn."""
    found = [object_of(entry, "resource") for entry in objects(prefetched, "entry")]
    if isinstance(prefetched, dict) and prefetched.get("resourceType") == "Observation":
        found = [prefetched]
    ecgs = [
        one
        for one in found
        if one.get("resourceType") == "Observation"
        and is_ecg(one)
        and text_of(one, "status") not in ("entered-in-error", "cancelled")
    ]
    return max(ecgs, key=lambda one: text_of(one, "effectiveDateTime"), default=None)


def _check_service(service: str) -> None:
    if service != SERVICE:
        raise InputError("serve.unknown", "there is no such service", "GET /cds-services lists them")


def _check_call(asked: Json) -> list[str]:
    """What the patient is called. Raises InputError "cds.request" for a call that is not as specified."""
    _choice(asked, "hook", (HOOK,))
    _uuid(asked, "hookInstance")
    context = object_of(asked, "context")
    patient = text_of(context, "patientId")
    if not patient or not text_of(context, "userId"):
        raise InputError("cds.request", "context needs userId and patientId", HINT)
    return [patient]


def _uuid(parent: Json, key: str) -> uuid.UUID:
    try:
        return uuid.UUID(text_of(parent, key))
    except ValueError as error:
        raise InputError("cds.request", f"{key} is no UUID", HINT) from error


def _choice(parent: Json, key: str, known: tuple[str, ...]) -> str:
    value = text_of(parent, key)
    if value not in known:
        raise InputError("cds.request", f"{key} is not {' or '.join(known)}", HINT)
    return value
