"""FHIR over HTTP, under /fhir. No request leaves this machine, whatever a resource refers to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Path, Request
from starlette.concurrency import run_in_threadpool

from cardiofusion.records import InputError, Recording
from cardiofusion.runtime import System
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.desk import answered
from cardiofusion.serve.fhir.bundles import Listed, case_bundle
from cardiofusion.serve.fhir.capability import OFFERED, assess_operation, capability_statement
from cardiofusion.serve.fhir.incoming import Question, ecg_bytes, is_ecg, read_question
from cardiofusion.serve.fhir.lookup import (
    assessment_of,
    cases_of,
    find,
    find_patient,
    patient_page,
    patients_called,
    resources_of,
    unknown,
)
from cardiofusion.serve.fhir.observations import ecg_id, ecg_observation
from cardiofusion.serve.fhir.outcome import FhirError, FhirResponse, FhirRoute, body_of, outcome
from cardiofusion.serve.fhir.searching import Asked, asked, page_of, token, wrong
from cardiofusion.serve.fhir.terms import Json
from cardiofusion.serve.fhir.wire import HINT, object_of, parse_resource, text_of
from cardiofusion.serve.guard import require
from cardiofusion.serve.store import Case, Patient
from cardiofusion.serve.store.tables import CaseFile, new_id, now

PREFIX = "/fhir"
ECG_FILE = "observation.json"  # the name under which a posted ECG is kept
router = APIRouter(
    prefix=PREFIX, route_class=FhirRoute, default_response_class=FhirResponse, include_in_schema=False
)
READER = [Depends(require("reader"))]
CLINICIAN = [Depends(require("clinician", uploads=True))]
Id = Annotated[str, Path(max_length=200)]


@router.get("/metadata", dependencies=READER)
def metadata(request: Request) -> FhirResponse:
    """What this server can do."""
    return FhirResponse(capability_statement(_base(request)))


@router.get("/OperationDefinition/{identifier}", dependencies=READER)
def operation(request: Request, identifier: Id) -> FhirResponse:
    """What $assess takes and gives."""
    if identifier != "assess":
        raise unknown("OperationDefinition")
    return FhirResponse(assess_operation(_base(request)))


@router.get("/Patient/{identifier}", dependencies=READER)
def patient(request: Request, identifier: Id) -> FhirResponse:
    """A patient by the id on this server."""
    clinic: Clinic = request.app.state.clinic
    found = find_patient(clinic, identifier)
    _seen(request, identifier)
    return FhirResponse(found)


@router.get("/Patient", dependencies=READER)
def patients(request: Request) -> FhirResponse:
    """Patients by their number, or by the id on this server."""
    store = request.app.state.clinic.store
    search = asked(request, OFFERED["Patient"].searches)
    named = search.of("identifier", "_id")
    if not named:
        raise wrong("a search for patients needs identifier or _id", "identifier=NUMBER")
    by_id = not search.of("identifier")
    # Our identifiers have no system: who asks for one of a system asks for somebody else.
    wanted = {code for system, code in token(named) if not system}
    called = [
        one for one in patients_called(store, wanted) if (one.id if by_id else one.identifier) in wanted
    ]
    found = ((f"Patient/{one.id}", _patient_maker(request, one)) for one in called)
    return FhirResponse(page_of(request, search, found, _base(request)))


@router.get("/RiskAssessment/{identifier}", dependencies=READER)
@router.get("/Observation/{identifier}", dependencies=READER)
def resource(request: Request, identifier: Id) -> FhirResponse:
    """One resource of a case."""
    clinic: Clinic = request.app.state.clinic
    kind = request.url.path.split("/")[-2]
    case, found = find(clinic, kind, identifier)
    _seen(request, case.id)
    return FhirResponse(found)


@router.get("/RiskAssessment", dependencies=READER)
@router.get("/Observation", dependencies=READER)
def resources(request: Request) -> FhirResponse:
    """RiskAssessments, or Observations, of one patient, the newest case first."""
    kind = request.url.path.rpartition("/")[2]
    search = asked(request, OFFERED[kind].searches)
    of = search.of("patient", "subject").rpartition("/")[2]
    if not of:
        raise wrong(f"a search for {kind} needs a patient", "patient=ID; Patient?identifier= finds it")
    found = ((f"{one.kind}/{one.id}", one.make) for one in _matching(request, search, kind, of))
    bundle = page_of(request, search, found, _base(request))
    if "entry" in bundle:
        _seen(request, of)
    return FhirResponse(bundle)


@router.post("/Observation", dependencies=CLINICIAN, status_code=201)
async def create(request: Request) -> FhirResponse:
    """Keep an ECG; it stands on the worklist, and the desk assesses it."""
    if "if-none-exist" in request.headers:
        raise FhirError("fhir.search", "conditional create is not offered", "search first, then create")
    return await run_in_threadpool(_create, request, await body_of(request))


@router.post("/$assess", dependencies=CLINICIAN)
async def assess(request: Request) -> FhirResponse:
    """Assess an ECG, clinical values, or both; nothing is kept unless asked for."""
    clinic: Clinic = request.app.state.clinic
    question = await run_in_threadpool(_question, clinic, await body_of(request))
    bundle = await (_assess_and_keep(request, question) if question.keep else _assess_only(clinic, question))
    if question.unused:
        words = f"not used, for neither the bundle nor a score asks for it: {', '.join(question.unused)}"
        told = outcome("informational", words, severity="information")
        bundle["entry"].append({"fullUrl": uuid4().urn, "resource": told})
    return FhirResponse(bundle)


@router.api_route("/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], dependencies=READER)
def nothing(request: Request) -> FhirResponse:
    """Whatever else a client may ask for."""
    raise FhirError("fhir.unsupported" if request.method != "GET" else "fhir.unknown",
        f"{request.method} is not offered there", "GET /fhir/metadata lists all that is",
    )  # fmt: skip


def _create(request: Request, body: bytes) -> FhirResponse:
    """In a thread: an ECG of a megabyte a lead is not parsed in passing."""
    clinic: Clinic = request.app.state.clinic
    document = parse_resource(body)
    if document["resourceType"] != "Observation" or not is_ecg(document):
        raise InputError("fhir.ecg", "the body is no Observation with SampledData", HINT)
    question = Question(ecg=ecg_bytes(document, body), identifiers=_subject_of(clinic, document))
    case, recording = _keep(request, question)
    clinic.desk.submit(case.id)
    location = f"{_base(request)}/Observation/{ecg_id(case)}"
    return FhirResponse(ecg_observation(case, recording), 201, {"Location": location})


def _question(clinic: Clinic, body: bytes) -> Question:
    question = read_question(parse_resource(body), clinic.columns, date.today())
    if question.ecg is None and not question.row:
        raise InputError("input.nothing", "there is neither an ECG nor a clinical value", HINT)
    return question


async def _assess_only(clinic: Clinic, question: Question) -> Json:
    def work(system: System) -> Json:
        """As if it were kept, under random ids of this answer alone."""
        examined = None if question.ecg is None else clinic.desk.examine({ECG_FILE: question.ecg})
        recording = None if examined is None else examined.recording
        row = question.about(None if recording is None else recording.patient_id)
        assessed = system.assess_examined(examined, row, explain=False)
        stated = answered(assessed, recording, row)
        case = Case(id=new_id(), created=now(), status="assessed", source="fhir", row=row, sex=stated.sex)
        case.recorded, case.grade = stated.recorded, stated.grade
        case.files = [CaseFile(position=0, name=ECG_FILE, sha256="", size=0)] if recording else []
        number = question.number or stated.patient
        case.patient = Patient(id=new_id(), identifier=number) if number else None
        return case_bundle(case, assessed.assessment)

    return await asyncio.wrap_future(clinic.desk.run(work))


async def _assess_and_keep(request: Request, question: Question) -> Json:
    clinic: Clinic = request.app.state.clinic
    case, _ = await run_in_threadpool(_keep, request, question)
    await asyncio.wrap_future(clinic.desk.submit(case.id, urgent=True))

    def look() -> Json:
        kept = clinic.store.case(case.id)
        return case_bundle(kept, assessment_of(kept), base=_base(request))

    return await run_in_threadpool(look)


def _keep(request: Request, question: Question) -> tuple[Case, Recording | None]:
    """Take a case in. Its ECG is read first: what cannot be read is refused, not kept."""
    clinic: Clinic = request.app.state.clinic
    files = {} if question.ecg is None else {ECG_FILE: question.ecg}
    recording = clinic.desk.read(files) if files else None
    named = None if recording is None else recording.patient_id
    number = question.number or named
    kept = clinic.store.accept(files, question.about(named), source="fhir", patient=number)
    clinic.audit.write(request.state.actor.name, "case.accept", kept, through="fhir")
    return clinic.store.case(kept), recording


def _subject_of(clinic: Clinic, observation: Json) -> list[str]:
    """The names of the patient of this server to whom an Observation refers; none of others."""
    reference = text_of(object_of(observation, "subject"), "reference")
    kind, _, identifier = reference.rpartition("/")
    if kind.rpartition("/")[2] != "Patient":
        return []
    return [
        name
        for one in patients_called(clinic.store, [identifier])
        if one.id == identifier
        for name in (one.identifier, one.id)
    ]


def _matching(request: Request, search: Asked, kind: str, patient_id: str) -> Iterator[Listed]:
    clinic: Clinic = request.app.state.clinic
    codes = token(search.of("code")) if search.of("code") else None
    for case in cases_of(clinic.store, patient_id):
        try:
            whole = clinic.store.case(case.id)
        except InputError:  # deleted meanwhile
            continue
        for one in resources_of(clinic, whole):
            if one.kind == kind and (codes is None or one.is_any_of(codes)):
                yield one


def _patient_maker(request: Request, found: Patient) -> Callable[[], Json]:
    def make() -> Json:
        _seen(request, found.id)
        return patient_page(request.app.state.clinic.store, found)

    return make


def _seen(request: Request, subject: str) -> None:
    request.app.state.clinic.audit.write(request.state.actor.name, "case.view", subject, through="fhir")


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{PREFIX}"
