"""The HTTP API does what its OpenAPI says: Schemathesis asks what nobody thought of."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from cardiofusion.records import Recording, assessment_schema
from cardiofusion.writers import write_recording

SLOW = os.environ.get("CARDIOFUSION_SLOW") == "1"
EXAMPLES = 300 if SLOW else 8  # of each operation, of what fits its description and of what does not
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
    ignored_auth,
]
PLACE = "/api/v1/openapi.json"


OPERATIONS = (
    "POST /api/v1/assess",
    "POST /api/v1/embed",
    "POST /api/v1/inspect",
    "GET /api/v1/cases",
    "POST /api/v1/cases",
    "GET /api/v1/cases/{case_id}",
    "DELETE /api/v1/cases/{case_id}",
    "POST /api/v1/jobs",
    "GET /api/v1/jobs/{job}",
    "GET /api/v1/jobs/{job}/cases",
    "POST /api/v1/jobs/{job}/files",
)


@pytest.fixture(scope="session")
def headers(api: Any) -> dict[str, str]:
    return {**api.headers, "Host": f"127.0.0.1:{api.clinic.settings.port}"}


@pytest.fixture(scope="session")
def operations(
    api: Any, headers: dict[str, str], recording: Recording, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Every operation of the description, by method and path; of a clinic that has a dated ECG."""
    place = tmp_path_factory.mktemp("dated") / "dated.dcm"
    write_recording(replace(recording, time=datetime(2024, 5, 4, 13, 30), patient_id="D-1"), place)
    assert api.post("/api/v1/cases", {place.name: place.read_bytes()}).json()["recorded"]
    described = schemathesis.openapi.from_asgi(PLACE, api.guarded, headers=headers)
    return {found.ok().label: found.ok() for found in described.get_all_operations()}


def test_every_operation_is_asked(operations: dict[str, Any]) -> None:
    assert {name for name in operations if name.split()[1].startswith("/api/")} == set(OPERATIONS)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_as_described(
    operations: dict[str, Any], headers: dict[str, str], name: str, mode: GenerationMode
) -> None:
    # A row is free text to OpenAPI: only what an address asks must be refused wherever it does not fit.
    checks = [*CHECKS, negative_data_rejection] if name.startswith("GET") else CHECKS

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=not SLOW, suppress_health_check=list(HealthCheck)
    )
    @given(case=operations[name].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=checks)

    ask()


def test_the_assessment_is_described_by_its_own_schema(api: Any, dicom: dict[str, bytes]) -> None:
    """References lead somewhere inside of the description as well."""
    document = api.get(PLACE).json()
    content = document["paths"]["/api/v1/assess"]["post"]["responses"]["200"]["content"]
    within = {**content["application/json"]["schema"], "components": document["components"]}
    answer = api.post("/api/v1/assess", dicom).json()
    Draft202012Validator(within).validate(answer)
    del answer["tasks"]
    assert not Draft202012Validator(within).is_valid(answer)
    assert Draft202012Validator(assessment_schema()).is_valid(answer) is False
