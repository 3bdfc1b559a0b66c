"""A patient of the shipped bundle, pages as the server renders them, a browser that opens them."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cardiofusion.records import LEADS, Assessment, Recording
from cardiofusion.runtime import System
from cardiofusion.serve.language import LANGUAGES, translator
from cardiofusion.serve.rendering import environment
from cardiofusion.serve.sheet import sheet_context
from cardiofusion.simulate import virtual_cohort

FULL_ROW = {"age": 61, "sex": "male", "height": 178, "weight": 92, "systolic": 162, "cholesterol": 232}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HOST = "http://clinic.test"


@pytest.fixture(scope="session")
def shipped() -> System:
    return System.load()


@pytest.fixture(scope="session")
def ecg() -> Recording:
    """A virtual patient's."""
    recording = virtual_cohort(3, 20_011).recordings[0].read()
    return dataclasses.replace(recording, patient_id="P-77", age=61.0, sex="male")


@pytest.fixture(scope="session")
def row() -> dict[str, Any]:
    return dict(FULL_ROW)


@pytest.fixture(scope="session")
def whole(shipped: System, ecg: Recording, row: dict[str, Any]) -> Assessment:
    """ECG and a full row, with an interval to every probability."""
    return _with_intervals(shipped.assess(ecg, row))


@pytest.fixture(scope="session")
def flat(ecg: Recording) -> Recording:
    """An ECG that cannot be read."""
    return dataclasses.replace(ecg, signal=np.zeros_like(ecg.signal))


@pytest.fixture(scope="session")
def sure_of_calibration() -> Callable[[Assessment], Assessment]:
    """Adds an interval to every probability, as a bundle gives that knows how well it is calibrated."""
    return _with_intervals


@pytest.fixture(scope="session")
def warned(whole: Assessment) -> Assessment:
    """With eight long warnings."""
    line = "electrode exchanged with its neighbour's: look at the electrodes, and record the ECG again before"
    lines = [f"{lead}: {line} you rely on any of its amplitudes or on what follows." for lead in LEADS[:8]]
    return dataclasses.replace(whole, warnings=tuple(lines))


def _with_intervals(assessment: Assessment) -> Assessment:
    tasks = {
        name: dataclasses.replace(
            answer, interval={k: (0.7 * p, min(1.0, 1.3 * p + 0.02)) for k, p in answer.probability.items()}
        )
        for name, answer in assessment.tasks.items()
    }
    return dataclasses.replace(assessment, tasks=tasks)


Rendered = Callable[..., str]


@pytest.fixture(scope="session")
def rendered() -> Rendered:
    """sheet.html of an assessment and its ECG, in a language and a theme."""

    def render(
        assessment: Assessment,
        recording: Recording | None,
        language: str = "en",
        theme: str = "light",
        **choice: Any,
    ) -> str:
        said = translator(language)
        shown = {
            "notice": "",
            "version": "0",
            "actor": None,
            "language": said,
            "languages": LANGUAGES,
            "theme": theme,
            "path": "/cases/1",
            "settings": SimpleNamespace(shared=False),
            **sheet_context(assessment, recording, say=said.say, **choice),
        }
        return environment(language).get_template("sheet.html").render(shown)

    return render


@pytest.fixture(scope="module")  # Playwright keeps an event loop in this thread: no longer than needed
def browser() -> Iterator[Any]:
    """Debian's Chromium through Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens HTML as the server would send it, under its policy; whatever the console says fails the test."""
    contexts, said = [], []

    def open_page(html: str, **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.route("**/*", lambda route: _answered(route, html))
        page.goto(f"{HOST}/cases/1")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not said


def _answered(route: Any, html: str) -> None:
    path = route.request.url.removeprefix(HOST).split("?")[0]
    if not route.request.url.startswith(f"{HOST}/"):
        route.abort()
    elif path.startswith("/static/"):
        kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[path.rsplit(".", 1)[-1]]
        content = files("cardiofusion.serve").joinpath(path.lstrip("/")).read_bytes()
        route.fulfill(body=content, content_type=kind)
    else:
        headers = {"Content-Security-Policy": POLICY, "Content-Type": "text/html; charset=utf-8"}
        route.fulfill(body=html, headers=headers)
