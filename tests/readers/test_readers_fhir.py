"""FHIR Observations made by hand: what is read, what is left out, and what is refused with a code."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from cardiofusion.readers import read_bytes
from cardiofusion.records import Recording, RecordingError

MDC = "urn:iso:std:iso:11073:10101"
UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
MUTANTS = 600


def sampled(data: str = "1 -2 3.5", unit: str = "uV", **fields: Any) -> dict[str, Any]:
    origin = {"value": 0, "unit": unit, "system": UCUM, "code": unit}
    return {"origin": origin, "period": 4, "factor": 1, "dimensions": 1, "data": data} | fields


def lead(code: str = "131329", display: str = "MDC_ECG_ELEC_POTL_I", **fields: Any) -> dict[str, Any]:
    coding = {"system": MDC, "code": code, "display": display}
    return {"code": {"coding": [coding]}, "valueSampledData": sampled(**fields)}


def observation(*components: dict[str, Any], **fields: Any) -> dict[str, Any]:
    document = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "11524-6"}]},
        "component": list(components) or [lead()],
    }
    return document | fields


def read(document: Any) -> Recording:
    return read_bytes(json.dumps(document).encode(), "ecg.json")


def code_of(document: Any) -> str:
    with pytest.raises(RecordingError) as caught:
        read(document)
    assert caught.value.hint
    return caught.value.code


def test_samples_are_origin_plus_factor_times_number() -> None:
    parts = [
        lead(),
        lead("131330", "MDC_ECG_ELEC_POTL_II", unit="mV", factor=0.5, data="2 E\n-.5"),
        lead("131331", "MDC_ECG_ELEC_POTL_V1", origin={"value": 1000, "code": "uV"}, data="L U 7"),
    ]
    recording = read(observation(*parts))
    assert recording.sampling_rate == 250.0
    found = dict(zip(recording.leads, recording.signal, strict=True))
    np.testing.assert_allclose(found["I"], [0.001, -0.002, 0.0035])
    np.testing.assert_allclose(found["II"], [1.0, np.nan, -0.25])
    np.testing.assert_allclose(found["V1"], [np.nan, np.nan, 1.007])
    assert recording.leads[:6] == ("I", "II", "III", "aVR", "aVL", "aVF")  # Einthoven's law gives the rest
    assert recording.unverified == ("header", "samples")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ({"coding": [{"system": MDC, "code": "131389"}]}, "III"),
        ({"coding": [{"system": "urn:oid:2.16.840.1.113883.6.24", "code": "131073"}]}, "I"),  # MDC_ECG_LEAD_I
        ({"text": "Lead MLII"}, "MLII"),
        ({"coding": [{"system": "http://clinic.example", "code": "131330"}], "text": "aVR"}, "aVR"),
        (
            {"coding": [{"system": MDC, "code": "131336", "display": "MDC_ECG_ELEC_POTL_V6"}], "text": "V6"},
            "V6",
        ),
    ],
)
def test_a_lead_by_code_or_by_words(code: dict[str, Any], name: str) -> None:
    part = {"code": code, "valueSampledData": sampled()}
    assert read(observation(part)).leads == (name,)


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": MDC, "code": "131329", "display": "MDC_ECG_ELEC_POTL_II"}]},
        {"coding": [{"system": MDC, "code": "131329"}], "text": "V1"},
        {
            "coding": [{"system": MDC, "code": "131338"}]
        },  # of the nomenclature, but no lead we have a name for
        {"coding": [{"system": MDC, "code": "131338"}], "text": "V1"},
        {"text": "elbow"},
        {},
    ],
)
def test_volts_of_no_one_lead_are_refused(code: dict[str, Any]) -> None:
    assert code_of(observation({"code": code, "valueSampledData": sampled()})) == "recording.lead"


def test_what_is_no_ecg_is_left_out_and_noted() -> None:
    breathing = {"code": {"text": "Respiration"}, "valueSampledData": sampled(unit="Ohm", period=40)}
    recording = read(observation(lead(), breathing))
    assert recording.leads == ("I",)
    assert recording.notes["skipped"] == "Respiration"


def test_an_observation_of_one_lead_without_components() -> None:
    single = observation() | {"component": [], "valueSampledData": sampled()}
    single["code"]["coding"].append({"system": MDC, "code": "131329"})
    assert read(single).leads == ("I",)


def test_patient_time_and_measurements() -> None:
    values = [("147842", 71, "/min"), ("146944", 0.16, "s"), ("146948", 388, "ms"), ("147204", -31, "deg")]
    parts = [
        {"code": {"coding": [{"system": MDC, "code": code}]}, "valueQuantity": {"value": value, "code": unit}}
        for code, value, unit in [*values, ("147232", 380, "mm[Hg]")]
    ]
    patient = {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1960-05-31"}
    document = observation(
        lead(),
        *parts,
        contained=[patient | {"identifier": [{"value": " 17 "}]}],
        subject={"reference": "#p"},
        effectivePeriod={"start": "2024-05-30T16:32:18.5+02:00"},
        device={"display": "ELI 350"},
        note=[{"text": "sinus rhythm"}, {"text": "normal ECG"}],
    )
    recording = read(document)
    assert (recording.patient_id, recording.sex, recording.age) == ("17", "male", 63.0)
    assert recording.time == datetime(2024, 5, 30, 16, 32, 18, 500_000)
    assert recording.measured == {"heart_rate": 71.0, "pr": 160.0, "qtc": 388.0, "qrs_axis": -31.0}
    assert recording.notes["interpretation"] == "sinus rhythm; normal ECG"
    assert recording.notes["device"] == "ELI 350"


@pytest.mark.parametrize(
    ("subject", "identity"),
    [
        ({"identifier": {"value": "A-1"}}, "A-1"),
        ({"identifier": {"value": " AB \t 12\n"}}, "AB 12"),
        ({"reference": "Patient/42"}, "42"),
        ({"reference": "https://fhir.example/r4/Patient/42"}, "42"),
        ({"reference": "Group/42"}, None),
        ({"reference": "#nobody"}, None),
        ("Patient/42", None),
    ],
)
def test_whose_it_is(subject: Any, identity: str | None) -> None:
    assert read(observation(subject=subject)).patient_id == identity


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2024-05-30T16:32:18-00:00", datetime(2024, 5, 30, 16, 32, 18)),
        ("2024-05-30T16:32:18Z", datetime(2024, 5, 30, 16, 32, 18)),
        ("2024-05-30", None),
        ("2024-13-30T00:00:00Z", None),
        (20240530, None),
    ],
)
def test_when_it_was(time: Any, expected: datetime | None) -> None:
    assert read(observation(effectiveDateTime=time)).time == expected


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"origin": {"value": 2048}}, "recording.units"),  # HL7's own example says no unit
        ({"unit": "mmol/L"}, "recording.lead"),
        ({"origin": {"code": "uV"}}, "recording.gain"),
        ({"factor": 0}, "recording.gain"),
        ({"factor": 1e9}, "recording.gain"),
        ({"factor": "1"}, "recording.gain"),
        ({"factor": True}, "recording.gain"),
        ({"period": 0}, "recording.rate"),
        ({"period": -4}, "recording.rate"),
        ({"period": 1e-9}, "recording.rate"),
        ({"period": None}, "recording.rate"),
        ({"dimensions": 2}, "recording.header"),
        ({"data": ""}, "recording.header"),
        ({"data": "1 2 x"}, "recording.header"),
        ({"data": "1e5 2"}, "recording.header"),
        ({"data": "1 2E 3"}, "recording.header"),
        ({"data": "nan 1"}, "recording.header"),
        ({"data": "--1"}, "recording.header"),
        ({"data": "E E E"}, "recording.empty"),
        ({"data": "99999999999 1"}, "recording.units"),
    ],
)
def test_what_gives_no_millivolts_is_refused(fields: dict[str, Any], code: str) -> None:
    expected = "recording.units" if code == "recording.lead" else code
    assert code_of(observation(lead(**fields))) == expected


def test_leads_that_do_not_fit_together_are_refused() -> None:
    second = ("131330", "MDC_ECG_ELEC_POTL_II")
    assert code_of(observation(lead(), lead())) == "recording.lead"
    assert code_of(observation(lead(), lead(*second, period=2))) == "recording.rate"
    assert code_of(observation(lead(), lead(*second, data="1 2"))) == "recording.truncated"


def test_what_is_no_ecg_at_all() -> None:
    assert code_of(observation(status="entered-in-error")) == "recording.status"
    assert code_of(observation(component=[])) == "recording.empty"
    assert code_of({"resourceType": "Patient", "name": '"resourceType": "Observation" MDC_ECG'}) == (
        "recording.format"
    )
    assert code_of([observation()]) == "recording.format"
    pressure = {"resourceType": "Observation", "code": {"text": "Blood pressure"}, "status": "final"}
    assert code_of(pressure) == "recording.format"


@pytest.mark.parametrize(
    "spoilt", [b"[" * 100_000, b"}", b'"a": NaN}', b'"a": ' + b"9" * 5000 + b"}", b"\xff"]
)
def test_broken_json_is_one_of_our_errors(spoilt: bytes) -> None:
    content = b'{"resourceType": "Observation", "x": "MDC_ECG", ' + spoilt
    with pytest.raises(RecordingError) as caught:
        read_bytes(content, "ecg.json")
    assert caught.value.code == "recording.json"


def test_values_of_other_types_anywhere_never_crash() -> None:
    """Every value of a document, in turn, becomes something else."""
    whole = observation(
        lead(),
        contained=[{"resourceType": "Patient", "id": "p", "identifier": [{"value": "1"}]}],
        subject={"reference": "#p"},
        effectiveDateTime="2024-05-30T16:32:18Z",
        note=[{"text": "normal"}],
    )

    def places(node: Any, path: tuple[Any, ...] = ()) -> Any:
        yield path
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            yield from places(value, (*path, key))

    outcomes = set()
    for path in list(places(whole))[1:]:
        for other in (None, True, -1, 1e300, "x", [], {}, [[]], [None], {"a": {}}):
            document = deepcopy(whole)
            node = document
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = other
            try:
                read(document)
                outcomes.add("read")
            except RecordingError as error:
                outcomes.add(error.code)
    assert {"read", "recording.format", "recording.gain", "recording.rate"} <= outcomes


def test_changed_bytes_never_crash() -> None:
    content = json.dumps(observation(lead(), subject={"reference": "Patient/42"})).encode()
    rng = np.random.default_rng(3)
    for _ in range(MUTANTS):
        mutant = bytearray(content)
        for position in rng.integers(0, len(mutant), size=int(rng.integers(1, 5))):
            mutant[position] = int(rng.integers(0, 256))
        try:
            recording = read_bytes(bytes(mutant), "ecg.json")
        except RecordingError:
            continue
        assert recording.signal.shape[1] <= 4
