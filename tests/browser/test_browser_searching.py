"""What was searched for or typed stands in no address: not of a page, a part of one, or a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow
NUMBER = "W-109"
CASES = 60  # two pages


@pytest.fixture(scope="module")
def searched(server, chromium) -> None:
    """A clinic where so many cases have the number in theirs, and eight examples have not."""
    context = chromium.new_context(extra_http_headers={"Authorization": f"Bearer {server.token}"})
    for number in range(CASES):
        row = json.dumps({"age": 61, "patient_id": f"{NUMBER} {number:02d}"})
        assert context.request.post(f"{server.address}/api/v1/cases", multipart={"row": row}).status == 201
    context.close()


def addresses(page: Page) -> list[str]:
    """Every address that is asked for from now on, by the page or by what is in it; not its static parts."""
    asked: list[str] = []

    def note(address: str) -> None:
        if "/static/" not in address:
            asked.append(address)

    page.on("request", lambda request: note(request.url))
    page.on("framenavigated", lambda frame: note(frame.url))
    return asked


@pytest.mark.usefixtures("searched")
@pytest.mark.parametrize("scripts", [True, False], ids=["htmx", "plain"])
def test_a_search_its_pages_and_its_table_leave_no_trace_in_addresses(opened, scripts: bool) -> None:
    page = opened(java_script_enabled=scripts).page
    asked = addresses(page)
    page.get_by_label("Search").fill(NUMBER)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text(f"{CASES} cases")).to_be_visible()
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_text("Page 2 of 2")).to_be_visible()
    expect(page.locator("#worklist tbody tr")).to_have_count(CASES - 50)
    expect(page.locator("#worklist tbody th").first).to_contain_text(NUMBER)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    table = Path(download.value.path()).read_text()
    assert len(set(re.findall(rf"{NUMBER} \d\d", table))) == CASES
    assert "EXAMPLE" not in table
    page.get_by_role("button", name="Newer").click()
    expect(page.get_by_text("Page 1 of 2")).to_be_visible()
    page.get_by_label("Show").select_option("refused")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("0 cases")).to_be_visible()
    expect(page.get_by_label("Search")).to_have_value(NUMBER)
    assert len(asked) >= 5
    assert not [
        address for address in asked if re.search("109", address.partition("//")[2].partition("/")[2])
    ]


def test_a_value_that_is_checked_stands_in_no_address_and_goes_alone(watched) -> None:
    page = watched.go("/new")
    asked = addresses(page)
    bodies: list[str | None] = []
    page.on("requestfinished", lambda request: bodies.append(request.post_data))
    page.locator("#patient_id").fill(NUMBER)
    page.locator("#row-age").fill("161")
    expect(page.locator("#told-age")).to_contain_text("outside the plausible range")
    assert {address.removeprefix(watched.server.address) for address in asked} == {"/new/check"}
    assert set(bodies) - {None} == {"row.age=161"}
