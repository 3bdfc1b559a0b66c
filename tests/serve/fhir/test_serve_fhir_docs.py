"""docs/fhir.md names every address and every code, and its example runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cardiofusion.serve import cds, fhir
from cardiofusion.serve.fhir.terms import BLOOD_PRESSURE, CLINICAL, INTERVALS

DOCS = (Path(__file__).resolve().parents[3] / "docs" / "fhir.md").read_text("utf-8")


def test_every_code_is_documented():
    for clinical in CLINICAL:
        for code in clinical.codes:
            (line,) = (row for row in DOCS.splitlines() if row.startswith("|") and code in row)
            assert all(f"`{column}`" in line for column in clinical.columns)
    for code in (BLOOD_PRESSURE, *(loinc for loinc, _ in INTERVALS.values() if loinc)):
        assert code in DOCS


def test_every_route_is_documented():
    for router in (fhir.router, cds.router):
        for route in router.routes:
            path = re.sub(r"/\{.*?\}", "", route.path).replace("/feedback", "")
            assert path in DOCS or path.removeprefix("/fhir") in DOCS


def test_the_example_is_answered(server):
    (body,) = re.findall(r"--data '(.+?)'", DOCS, re.DOTALL)
    answer = server.post("$assess", json.loads(body))
    assert answer.status_code == 200
    assert answer.json()["resourceType"] == "Bundle"
