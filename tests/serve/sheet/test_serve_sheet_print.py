"""The printed sheet, measured in the PDF that Chromium makes: one A4 landscape page, true to scale."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cardiofusion.readers import read_recording
from cardiofusion.records import Assessment, Recording
from cardiofusion.runtime import System

pytestmark = pytest.mark.slow
MM = 72 / 25.4  # points
ERROR = 0.005
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def poppler() -> None:
    if shutil.which("pdftocairo") is None or shutil.which("pdfinfo") is None:
        pytest.skip("no poppler on this machine: apt-get install poppler-utils")


def printed(page: Any, place: Path) -> Path:
    """The page as Chromium prints it; nothing but the ECG may be cut."""
    pdf = place / "sheet.pdf"
    pdf.write_bytes(page.pdf(prefer_css_page_size=True))
    page.emulate_media(media="print")
    for box in (".print-page", ".print-parts", ".print-answer", ".print-measured"):
        sizes = page.evaluate(
            "box => [...document.querySelectorAll(box)].map(e => [e.scrollHeight - e.clientHeight, "
            "e.scrollWidth - e.clientWidth])",
            box,
        )
        assert all(high <= 1 and wide <= 1 for high, wide in sizes), f"{box} is cut by {sizes} px"
    return pdf


def one_landscape_page(pdf: Path) -> None:
    told = subprocess.run(["pdfinfo", pdf], capture_output=True, text=True, check=True).stdout
    assert re.search(r"^Pages: +1$", told, re.MULTILINE), told
    width, height = (float(x) for x in re.search(r"Page size: +([\d.]+) x ([\d.]+)", told).groups())  # type: ignore[union-attr]
    assert width == pytest.approx(297 * MM, abs=1)
    assert height == pytest.approx(210 * MM, abs=1)


def strokes(pdf: Path) -> list[tuple[float, list[tuple[float, float]]]]:
    """(stroke width as drawn, points on paper in mm) of every path that pdftocairo finds."""
    svg = pdf.with_suffix(".svg")
    subprocess.run(["pdftocairo", "-svg", pdf, svg], check=True)
    found = []
    for path in ElementTree.parse(svg).iter(f"{SVG}path"):
        turned = re.match(r"matrix\(([^)]*)\)", path.get("transform", ""))
        width = re.search(r"stroke-width:([\d.]+)", path.get("style", ""))
        if turned and width:
            a, _, _, d, e, f = (float(x) for x in turned[1].split(","))
            numbers = [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", path.get("d", ""))]
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            points = [((a * x + e) / MM, (d * y + f) / MM) for x, y in pairs]
            found.append((float(width[1]), points))
    return found


def test_the_grid_and_the_pulse_are_true_on_paper(
    opened: Callable[..., Any],
    rendered: Any,
    whole: Assessment,
    ecg: Recording,
    tmp_path: Path,
    poppler: None,
) -> None:
    drawn = strokes(printed(opened(rendered(whole, ecg)), tmp_path))
    (grid,) = [points for width, points in drawn if width == 0.18]
    lines_of_grid = list(zip(grid[::2], grid[1::2], strict=True))
    across = sorted({round(x, 3) for (x, _), (x2, _) in lines_of_grid if abs(x - x2) < 0.01})
    down = sorted({round(y, 3) for (_, y), (_, y2) in lines_of_grid if abs(y - y2) < 0.01})
    assert len(across) == 55  # 0 to 270 mm
    assert len(down) >= 21
    for lines in (across, down):
        assert lines[-1] - lines[0] == pytest.approx(5 * (len(lines) - 1), rel=ERROR)
        assert all(after - before == pytest.approx(5, rel=ERROR) for before, after in pairwise(lines))
    pulses = [points for width, points in drawn if width == 0.3 and len(points) == 6]
    assert len(pulses) == 4
    for pulse in pulses:
        assert pulse[1][1] - pulse[2][1] == pytest.approx(10, rel=ERROR)
        assert pulse[3][0] - pulse[2][0] == pytest.approx(5, rel=ERROR)


CASES = (
    "full row", "earlier", "unfit", "row only", "many warnings", "two people", "12x1", "6x2", "50 mm/s",
    "Arabic",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_one_page_and_nothing_is_cut(
    case: str,
    opened: Callable[..., Any],
    rendered: Any,
    whole: Assessment,
    ecg: Recording,
    flat: Recording,
    row: dict[str, Any],
    warned: Assessment,
    sure_of_calibration: Any,
    shipped: System,
    tmp_path: Path,
    poppler: None,
) -> None:
    female = dataclasses.replace(ecg, sex="female", age=30.0)
    html = {
        "full row": lambda: rendered(whole, ecg),
        "earlier": lambda: rendered(whole, ecg, earlier=(whole, ecg)),
        "unfit": lambda: rendered(shipped.assess(flat, row), flat),
        "row only": lambda: rendered(sure_of_calibration(shipped.assess(None, row)), None),
        "many warnings": lambda: rendered(warned, ecg, earlier=(whole, ecg)),
        "two people": lambda: rendered(shipped.assess(female, row), female),
        "12x1": lambda: rendered(whole, ecg, layout="12x1"),
        "6x2": lambda: rendered(whole, ecg, layout="6x2", gain=20.0),
        "50 mm/s": lambda: rendered(whole, ecg, speed=50.0),
        "Arabic": lambda: rendered(whole, ecg, language="ar"),
    }[case]()
    one_landscape_page(printed(opened(html), tmp_path))


@pytest.mark.data
def test_a_real_ecg_with_a_full_row_is_one_true_page(
    opened: Callable[..., Any],
    rendered: Any,
    shipped: System,
    row: dict[str, Any],
    sure_of_calibration: Any,
    data_dir: Path,
    tmp_path: Path,
    poppler: None,
) -> None:
    recording = read_recording(data_dir / "ptb-xl" / "records500" / "00000" / "00008_hr.hea")
    assessment = sure_of_calibration(shipped.assess(recording, row))
    pdf = printed(opened(rendered(assessment, recording)), tmp_path)
    one_landscape_page(pdf)
    (grid,) = [points for width, points in strokes(pdf) if width == 0.18]
    assert max(x for x, _ in grid) - min(x for x, _ in grid) == pytest.approx(270, rel=ERROR)


def test_the_printed_page_is_light_in_a_dark_theme(
    opened: Callable[..., Any], rendered: Any, whole: Assessment, ecg: Recording
) -> None:
    page = opened(rendered(whole, ecg, theme="dark"), color_scheme="dark")
    assert page.locator("#printed").is_hidden()
    page.emulate_media(media="print")
    assert page.locator("#printed").is_visible()
    assert page.locator("article.sheet").is_hidden()
    colours = page.evaluate("() => [getComputedStyle(document.body).backgroundColor, "
                            "getComputedStyle(document.querySelector('#printed')).color]")  # fmt: skip
    assert colours == ["rgb(255, 255, 255)", "rgb(17, 17, 17)"]
