"""The ECG viewer in a browser: calipers by pointer and keyboard, zoom, the scale of the screen."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest

from cardiofusion.records import Assessment, Recording

pytestmark = pytest.mark.slow


@pytest.fixture
def page(opened: Callable[..., Any], rendered: Any, whole: Assessment, ecg: Recording) -> Any:
    return opened(rendered(whole, ecg, earlier=(whole, ecg)), viewport={"width": 1280, "height": 900})


def paper(page: Any) -> Any:
    return page.locator("#ecg .paper-box svg.ecg-paper")


def place(page: Any, x: float, y: float) -> tuple[float, float]:
    """A point of the drawing, in mm, on the screen."""
    paper(page).scroll_into_view_if_needed()
    box = paper(page).bounding_box()
    width, height = (float(n) for n in paper(page).get_attribute("viewBox").split()[2:])
    return box["x"] + x / width * box["width"], box["y"] + y / height * box["height"]


def reading(page: Any) -> tuple[float, float]:
    """ms and mV that are said."""
    said = page.locator("[data-reading]").inner_text()
    ms, mv = re.fullmatch(r"ΔT (\d+) ms(?: \(\d+ /min\))?, ΔV ([\d.]+) mV", said).groups()  # type: ignore[union-attr]
    return float(ms), float(mv)


def test_a_mouse_measures_the_calibration_pulse(page: Any) -> None:
    """Its sides are in the drawing: 0.2 s across, 1 mV up."""
    page.click("[data-calipers]")
    pulse = paper(page).locator(".calibration").first.get_attribute("d")
    left, base, before, up, across = (
        float(n)
        for n in re.match(r"M([\d.]+) ([\d.]+)h([\d.]+)v-([\d.]+)h([\d.]+)", pulse).groups()  # type: ignore[union-attr]
    )
    page.mouse.move(*place(page, left + before, base))
    page.mouse.down()
    page.mouse.move(*place(page, left + before + across, base - up), steps=5)
    page.mouse.up()
    ms, mv = reading(page)
    assert ms == pytest.approx(200, abs=10)  # a pixel is 10 ms at true scale
    assert mv == pytest.approx(1.0, abs=0.03)


def test_the_keyboard_alone_measures_exactly(page: Any) -> None:
    page.locator("[data-calipers]").focus()
    page.keyboard.press("Enter")
    assert page.locator("[data-calipers]").get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.dataset.name") == "1"
    ms, mv = reading(page)
    page.keyboard.press("Shift+ArrowLeft")  # 5 mm: 200 ms
    page.keyboard.press("ArrowLeft")  # a quarter: 10 ms
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.name") == "2"
    page.keyboard.press("Shift+ArrowUp")  # 5 mm: 0.5 mV
    assert reading(page) == (pytest.approx(ms + 210, abs=1), pytest.approx(mv + 0.5, abs=0.011))
    page.keyboard.press("Escape")
    assert page.locator(".caliper").count() == 0
    assert page.locator("[data-reading]").inner_text() == ""


def test_the_rate_is_said_with_the_time(page: Any) -> None:
    page.click("[data-calipers]")
    said = page.locator("[data-reading]").inner_text()
    ms, rate = (int(n) for n in re.match(r"ΔT (\d+) ms \((\d+) /min\)", said).groups())  # type: ignore[union-attr]
    assert rate == round(60000 / ms)
    assert page.locator(".caliper").first.get_attribute("aria-valuetext") == said
    assert page.locator("[data-reading]").get_attribute("aria-live") == "polite"


def test_a_finger_moves_a_grip(
    opened: Callable[..., Any], rendered: Any, whole: Assessment, ecg: Recording
) -> None:
    page = opened(
        rendered(whole, ecg), viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    page.tap("[data-calipers]")
    ms, _ = reading(page)
    moved = page.evaluate(
        """() => {
          const grip = document.querySelectorAll('.caliper')[1];
          const circle = grip.querySelector('.knob').getBoundingClientRect();
          const finger = { pointerId: 7, pointerType: 'touch', bubbles: true, isPrimary: true, button: 0 };
          const at = (x) => ({ ...finger, clientX: circle.x + circle.width / 2 + x,
                               clientY: circle.y + circle.height / 2 });
          grip.setPointerCapture = () => {};
          grip.dispatchEvent(new PointerEvent('pointerdown', at(0)));
          grip.dispatchEvent(new PointerEvent('pointermove', at(50)));
          grip.dispatchEvent(new PointerEvent('pointerup', at(50)));
          return 50 / document.querySelector('#ecg svg.ecg-paper').getBoundingClientRect().width;
        }"""
    )
    assert reading(page)[0] == pytest.approx(ms + moved * 270 / 25 * 1000, abs=15)


def test_uncalibrated_amplitudes_are_not_measured(
    opened: Callable[..., Any], rendered: Any, whole: Assessment, ecg: Recording
) -> None:
    page = opened(rendered(whole, dataclasses.replace(ecg, calibrated=False)))
    page.click("[data-calipers]")
    said = page.locator("[data-reading]").inner_text()
    assert "mV are not calibrated" in said
    assert "ΔV" not in said


def test_true_scale_is_a_css_millimetre_and_zoom_goes_by_key(page: Any) -> None:
    true = paper(page).bounding_box()["width"]
    assert true == pytest.approx(270 / 25.4 * 96, rel=0.001)
    page.locator("#ecg .paper-box").focus()
    page.keyboard.press("+")
    assert paper(page).bounding_box()["width"] == pytest.approx(1.25 * true, rel=0.001)
    assert "125 %" in page.locator("[data-zoom-shown]").inner_text()
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert paper(page).bounding_box()["width"] == pytest.approx(0.8 * true, rel=0.001)
    page.keyboard.press("0")
    assert paper(page).bounding_box()["width"] == pytest.approx(true, rel=0.001)
    page.click('[data-zoom="fit"]')
    box = page.locator("#ecg .paper-box")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") <= 1


def test_the_scale_of_a_screen_is_kept_for_the_next_sheet(page: Any) -> None:
    true = paper(page).bounding_box()["width"]
    page.click("[data-ruler] summary")
    slider = page.locator("[data-ruler-factor]")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    bar = page.locator("[data-ruler-bar]").bounding_box()["width"]
    assert bar == pytest.approx(85.6 / 25.4 * 96 * 1.05, rel=0.002)
    page.reload()
    assert paper(page).bounding_box()["width"] == pytest.approx(1.05 * true, rel=0.001)


def test_the_shading_is_off_until_it_is_asked_for(page: Any) -> None:
    shading = page.locator("#ecg .paper-box g.heat")
    assert shading.is_hidden()
    page.locator("#heat").focus()
    page.keyboard.press("Space")
    assert shading.is_visible()


def test_another_layout_is_a_plain_get_of_the_same_address(page: Any) -> None:
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator('input[name="layout"][value="12x1"]').check(force=True)
    page.wait_for_timeout(300)
    (url,) = [url for url in asked if "layout" in url]
    assert url.endswith("/cases/1?layout=12x1&speed=25&gain=10")
    page.wait_for_selector("#ecg[data-live]")  # what came back is live again
    page.click("[data-calipers]")
    assert page.locator(".caliper").count() == 2


def test_the_previous_ecg_follows_layout_and_zoom(
    opened: Callable[..., Any], rendered: Any, whole: Assessment, ecg: Recording
) -> None:
    """The answer of the server is the page in the other layout."""
    fast = rendered(whole, ecg, earlier=(whole, ecg), speed=50.0)
    page = opened(rendered(whole, ecg, earlier=(whole, ecg)))
    page.route("**/cases/1?*", lambda route: route.fulfill(body=fast, content_type="text/html"))
    page.locator('input[name="speed"][value="50"]').check(force=True)
    page.wait_for_selector('#earlier svg[data-speed="50"]')
    page.wait_for_selector("#ecg[data-live] svg[data-speed='50']")
    assert page.locator('#printed svg[data-speed="50"]').count() == 1
    page.click('[data-zoom="+"]')
    widths = [page.locator(f"{place} svg.ecg-paper").get_attribute("width") for place in ("#ecg", "#earlier")]
    assert widths == ["650mm", "650mm"]


def test_two_ecgs_stand_side_by_side_where_there_is_room(
    opened: Callable[..., Any], rendered: Any, whole: Assessment, ecg: Recording
) -> None:
    page = opened(rendered(whole, ecg, earlier=(whole, ecg)), viewport={"width": 2400, "height": 1200})
    this, previous = (page.locator(f"{place} .paper-box").bounding_box() for place in ("#ecg", "#earlier"))
    assert previous["x"] >= this["x"] + this["width"]
    page.set_viewport_size({"width": 1280, "height": 900})
    this, previous = (page.locator(f"{place} .paper-box").bounding_box() for place in ("#ecg", "#earlier"))
    assert previous["y"] >= this["y"] + this["height"]


def test_without_scripts_there_is_a_button(
    opened: Callable[..., Any], rendered: Any, whole: Assessment, ecg: Recording
) -> None:
    page = opened(rendered(whole, ecg), java_script_enabled=False)
    assert page.locator(".viewer-draw").is_visible()
    assert page.locator("[data-tools]").is_hidden()
    assert page.locator("[data-print]").is_hidden()


@pytest.mark.parametrize(("width", "language"), [(360, "en"), (360, "ar"), (1280, "ar")])
def test_the_page_never_scrolls_sideways(
    opened: Callable[..., Any], rendered: Any, whole: Assessment, ecg: Recording, width: int, language: str
) -> None:
    page = opened(
        rendered(whole, ecg, language=language, earlier=(whole, ecg)),
        viewport={"width": width, "height": 740},
    )
    for summary in page.locator("article.sheet summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    opened: Callable[..., Any], rendered: Any, whole: Assessment, ecg: Recording, theme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = opened(rendered(whole, ecg, theme=theme, earlier=(whole, ecg)), bypass_csp=True)
    for summary in page.locator("article.sheet summary").all():
        summary.click()
    page.click("[data-calipers]")
    found = axe.Axe().run(page).response["violations"]
    assert not [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", ["layout", "speed", "gain"])
def test_the_focus_stays_on_what_the_keyboard_chose_when_the_ecg_is_drawn_anew(page: Any, name: str) -> None:
    page.evaluate("document.querySelector('#ecg').dataset.old = 'yes'")
    page.locator(f"input[name={name}]:checked").focus()
    page.keyboard.press("ArrowRight")
    chosen = page.evaluate("document.activeElement.value")
    page.wait_for_selector("#ecg:not([data-old])")
    page.wait_for_function("!document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')")
    assert page.evaluate("[document.activeElement.name, document.activeElement.value]") == [name, chosen]
