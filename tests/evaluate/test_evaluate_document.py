"""metrics.json is held to its schema."""

from __future__ import annotations

import copy
import json

import jsonschema
import numpy as np
import pytest

from cardiofusion.evaluate import evaluate_task, metrics_document, metrics_schema
from cardiofusion.records import Figure, Task

VALIDATOR = jsonschema.Draft202012Validator(metrics_schema())


def _document():
    rng = np.random.default_rng(0)
    y = (rng.random((40, 2)) < [0.5, 0.0]).astype(float)
    views = {view: rng.random((40, 2)) for view in ("ecg", "row", "ecg+row")}
    task = Task("diagnosis", ("MI", "HYP"), "multi_label")
    figures = evaluate_task(task, y, views, {}, np.arange(40).astype(str), "simulated", rng, 20)
    return metrics_document(figures, {"task": "diagnosis", "gain_over": None})


def test_the_schema_is_one_and_a_document_fits_it():
    jsonschema.Draft202012Validator.check_schema(metrics_schema())
    document = json.loads(json.dumps(_document(), allow_nan=False))
    VALIDATOR.validate(document)
    assert document["format"] == 1
    assert document["about"] == {"task": "diagnosis", "gain_over": None}
    assert document["figures"]["ecg/HYP/auc"] == {
        "value": None,
        "low": None,
        "high": None,
        "n": 40,
        "data": "simulated",
    }


def test_an_empty_document_fits():
    VALIDATOR.validate(metrics_document({}, {}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("about",), None),
        (("extra",), 1),
        (("figures", "k", "value"), None),
        (("figures", "k", "low"), "0.7"),
        (("figures", "k", "n"), -1),
        (("figures", "k", "n"), 2.5),
        (("figures", "k", "data"), ""),
        (("figures", "k", "p"), 0.05),
    ],
)
def test_the_schema_refuses_what_is_not_a_figure(path, value):
    document = metrics_document({"k": Figure(0.8, 0.7, 0.9, 10, "table")}, {})
    VALIDATOR.validate(document)
    broken = copy.deepcopy(document)
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not VALIDATOR.is_valid(broken)
