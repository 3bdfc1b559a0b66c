"""The manifest follows its JSON Schema, and our few words of JSON Schema follow the standard."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cardiofusion.bundle import (
    Manifest,
    manifest_schema,
    schema_from_json,
    schema_to_json,
    task_from_json,
    task_to_json,
    task_views,
)
from cardiofusion.bundle.json_schema import KNOWN_WORDS, problem
from cardiofusion.records import BundleError, ClinicalSchema, Column, Task

ORACLE = Draft202012Validator(manifest_schema())
RELAXED = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

words = st.text(min_size=1, max_size=12)
names = st.text("abcdefghijklmnopqrstuvwxyzABC019_-", min_size=1, max_size=12).filter(
    lambda s: s[0] not in "_-"
)
limits = st.floats(-1e6, 1e6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6) | words,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(words, children, max_size=3),
    max_leaves=6,
)


@st.composite
def columns(draw: st.DrawFn) -> Column:
    name, description, missing = draw(names), draw(st.text(max_size=20)), draw(st.booleans())
    if draw(st.booleans()):
        categories = tuple(draw(st.lists(words, min_size=2, max_size=4, unique=True)))
        codes = draw(st.dictionaries(words, st.sampled_from(categories), max_size=3))
        ordered = draw(st.booleans())
        return Column(
            name, "category", categories=categories, codes=codes, ordered=ordered,
            may_be_missing=missing, description=description,
        )  # fmt: skip
    low, high = sorted((draw(limits), draw(limits)))
    return Column(
        name, unit=draw(st.sampled_from(["", "kg", "mmHg"])),
        low=draw(st.sampled_from([low, -math.inf])), high=draw(st.sampled_from([high, math.inf])),
        may_be_missing=missing, description=description,
    )  # fmt: skip


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    kind = draw(st.sampled_from(["binary", "multi_label"]))
    size = {"min_size": 2, "max_size": 2} if kind == "binary" else {"min_size": 1, "max_size": 5}
    labels = tuple(draw(st.lists(words, unique=True, **size)))
    modalities = draw(st.sampled_from([("ecg",), ("row",), ("ecg", "row"), ("row", "ecg")]))
    alignment = draw(st.sampled_from(["matched", "covariate", "latent"]))
    return Task(draw(names), labels, kind, modalities, alignment, draw(st.text(max_size=30)))


def through_json(document: Any) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


@RELAXED
@given(
    manifest_tasks=st.lists(tasks(), max_size=3, unique_by=lambda t: t.name),
    schema_columns=st.lists(columns(), max_size=4, unique_by=lambda c: c.name),
    parameters=st.dictionaries(words.filter(lambda w: w != "total"), st.integers(0, 10**9), max_size=3),
)
def test_a_manifest_survives_json(
    manifest: Manifest, manifest_tasks: list[Task], schema_columns: list[Column], parameters: dict[str, int]
) -> None:
    fields = {name: getattr(manifest, name) for name in manifest.__dataclass_fields__}
    fields |= {"tasks": tuple(manifest_tasks), "schema": ClinicalSchema(tuple(schema_columns))}
    one = Manifest(**{**fields, "parameters": parameters})
    document = through_json(one.to_json())
    ORACLE.validate(document)
    assert Manifest.from_json(document) == one
    assert document["parameters"]["total"] == sum(parameters.values())


@RELAXED
@given(task=tasks())
def test_a_task_survives_json(task: Task) -> None:
    assert task_from_json(through_json(task_to_json(task))) == task


@RELAXED
@given(schema=st.lists(columns(), max_size=4, unique_by=lambda c: c.name))
def test_a_schema_survives_json(schema: list[Column]) -> None:
    clinical = ClinicalSchema(tuple(schema))
    assert schema_from_json(through_json(schema_to_json(clinical))) == clinical


def paths(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, child in items:
        yield from paths(child, (*at, key))


@settings(RELAXED, max_examples=400)
@given(data=st.data())
def test_we_judge_a_damaged_manifest_as_jsonschema_does(manifest: Manifest, data: st.DataObject) -> None:
    document = through_json(manifest.to_json())
    document["files"] = {"a.txt": {"sha256": "0" * 64, "bytes": 1}}
    *parents, key = data.draw(st.sampled_from(list(paths(document))[1:]))
    place = document
    for step in parents:
        place = place[step]
    action = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "remove":
        del place[key]
    elif action == "add" and isinstance(place, dict):
        place[data.draw(words)] = data.draw(json_values)
    else:
        place[key] = data.draw(json_values | st.just(copy.deepcopy(place)))
    assert (problem(document, manifest_schema()) is None) == ORACLE.is_valid(document)
    if not ORACLE.is_valid(document):
        with pytest.raises(BundleError) as caught:
            Manifest.from_json(document)
        assert caught.value.code == "bundle.manifest"


def test_the_schema_is_a_schema_and_uses_only_words_we_know() -> None:
    Draft202012Validator.check_schema(manifest_schema())

    def check(schema: Any) -> None:
        assert set(schema) <= KNOWN_WORDS
        for container in ("properties", "$defs"):
            for child in schema.get(container, {}).values():
                check(child)
        for single in ("items", "propertyNames", "additionalProperties"):
            if isinstance(schema.get(single), dict):
                check(schema[single])

    check(manifest_schema())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parameters", {"encoder": 5, "total": 6}),
        ("tasks", [task_to_json(Task("a", ("x", "y"), "binary"))] * 2),
        ("tasks", [{**task_to_json(Task("a", ("x", "y"), "binary")), "labels": ["x", "y", "z"]}]),
        ("tasks", [{**task_to_json(Task("a", ("x", "y"), "binary")), "views": ["row"]}]),
        ("schema", {"columns": schema_to_json(ClinicalSchema((Column("a"),)))["columns"] * 2}),
        ("schema", schema_to_json(ClinicalSchema((Column("a", low=2, high=1),)))),
        ("schema", schema_to_json(ClinicalSchema((Column("a", "category", categories=("x",)),)))),
        (
            "schema",
            schema_to_json(
                ClinicalSchema((Column("a", "category", categories=("x", "y"), codes={"1": "z"}),))
            ),
        ),
        ("seed", 10**400),
        ("population", {"age": [1, 10**400]}),
    ],
)
def test_what_is_well_formed_can_still_make_no_sense(manifest: Manifest, field: str, value: Any) -> None:
    with pytest.raises(BundleError) as caught:
        Manifest.from_json({**manifest.to_json(), field: value})
    assert caught.value.code == "bundle.manifest"


def test_a_bundle_without_ecg_or_without_row(manifest: Manifest) -> None:
    document = {**manifest.to_json(), "schema": None, "canonical": None}
    read = Manifest.from_json(document)
    assert read.schema is None
    assert read.canonical is None
    assert read.to_json() == document


def test_views_and_lookup(manifest: Manifest) -> None:
    assert task_views(manifest.task("event")) == ("ecg", "row", "ecg+row")
    assert task_views(manifest.task("findings")) == ("ecg",)
    assert manifest.total_parameters == 300
    with pytest.raises(BundleError, match="evnt"):
        manifest.task("evnt")
