"""Waterfall, attention map, curves, scatter, axes: well-formed, to scale, told apart without colour."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.records import Assessment
from cardiofusion.report.axis import Scale, ticks
from cardiofusion.report.curves import reliability_curve, training_curve
from cardiofusion.report.heatmap import attention_map
from cardiofusion.report.palette import COLOURS, DASHES, SHAPES
from cardiofusion.report.scatter import MAX_POINTS, phenotype_map
from cardiofusion.report.waterfall import MAX_BARS, waterfall

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def words(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in parse(svg).iter(f"{SVG}text")]


def shap_of(steps: list[float], base: float = -1.0) -> dict[str, Any]:
    contributions = [
        {"feature": f"f{i}", "value": 1.0, "unit": "mg/dl", "contribution": step}
        for i, step in enumerate(steps)
    ]
    return {
        "target": "MI",
        "base": base,
        "total": base + sum(steps),
        "unit": "log-odds",
        "contributions": contributions,
    }


def bars(svg: str) -> list[tuple[float, float]]:
    rects = [rect for rect in parse(svg).iter(f"{SVG}rect") if rect.get("class") == "step"]
    return [(float(rect.get("x", "nan")), float(rect.get("width", "nan"))) for rect in rects]


def test_waterfall_bars_are_to_scale_and_each_begins_where_the_last_ended() -> None:
    (up, up_width), (down, down_width) = bars(waterfall(shap_of([1.0, -0.5])))
    assert down_width == pytest.approx(up_width / 2, rel=1e-3)
    assert down + down_width == pytest.approx(up + up_width, rel=1e-3)


def test_waterfall_says_value_unit_and_signed_contribution(assessment: Assessment) -> None:
    said = words(waterfall(assessment.explanations["superclass"]["shap"]))
    assert "systolic pressure = 162\u00a0mmHg" in said
    assert "glucose = missing" in said
    assert "+0.82" in said
    assert "−0.27" in said
    assert any("log-odds" in text for text in said)


def test_waterfall_sums_up_the_small_ones() -> None:
    svg = waterfall(shap_of([0.1 + i / 100 for i in range(25)]))
    assert len(bars(svg)) == MAX_BARS + 1
    assert f"{25 - MAX_BARS} other features" in words(svg)


def test_waterfall_does_not_hide_what_does_not_add_up() -> None:
    honest, wrong = shap_of([0.5]), shap_of([0.5]) | {"total": 2.0}
    assert "not explained by any feature" not in words(waterfall(honest))
    assert "not explained by any feature" in words(waterfall(wrong))


@given(st.lists(st.floats(-3, 3), max_size=30), st.floats(-3, 3))
def test_any_waterfall_is_well_formed(steps: list[float], base: float) -> None:
    drawn = bars(waterfall(shap_of(steps, base)))
    assert len(drawn) == min(len(steps), MAX_BARS + 1)
    assert all(x > 260 and x + width < 760 for x, width in drawn)


def test_attention_is_as_dark_as_it_is_strong() -> None:
    weights = [[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]
    attention = {"features": ["age", "sex"], "tokens": ["0.0-0.5 s", "V1", "V2"], "weights": weights}
    cells = [
        rect
        for rect in parse(attention_map(attention)).iter(f"{SVG}rect")
        if rect.find(f"{SVG}title") is not None
    ]
    shades = [float(cell.get("fill-opacity", "nan")) for cell in cells]
    assert shades == pytest.approx(np.ravel(weights) / 0.8, abs=1e-3)
    left = [float(cell.get("x", "nan")) for cell in cells[:3]]
    assert left[1] - left[0] > left[2] - left[1]  # a gap between times and leads


def test_attention_names_every_row_and_column(assessment: Assessment) -> None:
    attention = assessment.explanations["superclass"]["attention"]
    said = words(attention_map(attention))
    assert set(attention["features"]) | set(attention["tokens"]) <= set(said)


def test_training_curve_draws_every_line_and_skips_gaps() -> None:
    svg = training_curve({"train": [1.0, 0.5, float("nan"), 0.2], "validation": [1.2], "<b>": []})
    curves = [path for path in parse(svg).iter(f"{SVG}path") if path.get("class") == "curve"]
    assert {"train", "validation", "<b>"} <= set(words(svg))
    assert curves[0].get("d", "").count("L") == 2
    assert "nan" not in svg


def test_perfect_calibration_lies_on_the_diagonal() -> None:
    bins = [0.1, 0.5, 0.9]
    svg = reliability_curve({"MI": {"predicted": bins, "observed": bins, "n": [5, 5, 5]}})
    (curve, _legend) = [path for path in parse(svg).iter(f"{SVG}path") if path.get("class") == "curve"]
    points = np.array(re.findall(r"[\d.]+", curve.get("d", "")), dtype=float).reshape(-1, 2)
    dashed = next(path for path in parse(svg).iter(f"{SVG}path") if path.get("stroke-dasharray") == "4 4")
    x0, y0, x1, y1 = (float(n) for n in re.findall(r"[\d.]+", dashed.get("d", "")))
    on_line = y0 + (points[:, 0] - x0) / (x1 - x0) * (y1 - y0)
    np.testing.assert_allclose(points[:, 1], on_line, atol=0.2)


def test_phenotypes_differ_in_colour_and_shape_and_large_maps_stay_small() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 4, 50_000)
    svg = phenotype_map(rng.normal(size=(50_000, 2)).tolist(), labels.tolist(), {0: "steep <ST>"})
    paths = list(parse(svg).iter(f"{SVG}path"))[:5]
    assert len({path.get("fill") for path in paths}) == 5
    assert sum(path.get("d", "").count("M") for path in paths) <= MAX_POINTS
    assert len(svg) < 400_000
    assert any("steep <ST>" in text for text in words(svg))
    assert any("every 17th" in text for text in words(svg))


def test_a_map_of_one_point_is_drawn() -> None:
    assert "nan" not in phenotype_map([[1.0, 2.0]], [0], {})


def test_no_two_kinds_look_alike() -> None:
    for looks in (COLOURS, DASHES, SHAPES):
        assert len(set(looks)) == len(COLOURS)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_inside_and_evenly_spaced(low: float, span: float) -> None:
    high = low + span
    found = ticks(low, high)
    room = 1e-6 * max(abs(low), abs(high), span)
    assert 1 <= len(found) <= 12
    assert all(low - room <= tick <= high + room for tick in found)
    steps = [after - before for before, after in pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-3, abs=room) for step in steps)


def test_a_scale_without_span_stays_at_its_start() -> None:
    assert Scale(1.0, 1.0, 10.0, 20.0)(1.0) == 10.0


def _luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_drawings_meet_wcag_aa(theme: int) -> None:
    style = files("cardiofusion.report").joinpath("style.css").read_text("utf-8")
    colour = dict(
        re.findall(r"--([\w-]+):\s*(#\w{6})", re.findall(r":root \{(.*?)\}", style, re.DOTALL)[theme])
    )
    for text, ground in (
        ("ink", "page"),
        ("muted", "page"),
        ("ink", "panel"),
        ("link", "page"),
        ("loud-ink", "loud"),
    ):
        assert _contrast(colour[text], colour[ground]) >= 4.5
    for text in ("up", "down"):  # they colour words too
        assert _contrast(colour[text], colour["page"]) >= 4.5
    for drawing in ("heat", "loud-edge"):
        assert _contrast(colour[drawing], colour["page"]) >= 3.0
    assert min(_contrast(line, colour["page"]) for line in COLOURS) >= 3.0
