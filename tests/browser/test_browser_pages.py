"""Every page, light, dark and on a phone: accessible by axe-core's rules, and as wide as its screen."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from cardiofusion.serve.language import LANGUAGES

pytestmark = pytest.mark.slow
PAGES = ("/", "/new", "/bundle", "/monitor", "/settings", "/about")
SCREENS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}, "has_touch": True},
}
SERIOUS = ("serious", "critical")


def faults(page) -> list[str]:
    """axe-core's serious findings: rule and where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']}" for one in found if one["impact"] in SERIOUS for node in one["nodes"]
    ]


def sheets(watched) -> list[str]:
    """Addresses of the examples, each of which shows another kind of answer."""
    watched.go("/")
    links = watched.page.locator("#worklist tbody th a")
    for _ in range(60):
        if not watched.page.get_by_text("waiting", exact=True).count() > 1:
            break
        watched.page.reload()
    return [links.nth(i).get_attribute("href") for i in range(links.count())]


@pytest.mark.parametrize("screen", SCREENS)
def test_no_page_has_a_serious_fault_of_accessibility_or_overflows_its_screen(opened, screen):
    watched = opened(**SCREENS[screen])
    for path in (*PAGES, *sheets(watched)):
        page = watched.go(path)
        expect(page.locator("h1").first).to_be_visible()
        assert faults(page) == [], path
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px wider than its screen"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_accessible_and_fits_a_phone(opened, language):
    watched = opened(**SCREENS["phone"], locale=language)
    for path in ("/", "/new", sheets(watched)[0]):
        page = watched.go(path)
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert faults(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


def test_pages_work_without_javascript(opened):
    watched = opened(java_script_enabled=False)
    page = watched.go("/new")
    page.locator("#row-age").fill("61")
    page.locator("#row-sex").select_option("male")
    page.get_by_role("button", name="Assess", exact=True).click()
    expect(page.locator("#answer")).to_contain_text("of 100")
    page.locator("select[name=language]").select_option("fr")
    page.locator(".languages button").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
