"""The ten journeys of a clinic, each in a real Chromium against a real server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.data]
SHEET = re.compile(r"/cases/[0-9a-f]{32}$")
EXAMPLES = 8
PATIENTS = 200
expect.set_options(timeout=30_000)  # of a machine that has other things to do


@pytest.fixture(scope="module")
def ptbxl(data_dir: Path) -> Path:
    return data_dir / "ptb-xl" / "records500" / "00000"


def wfdb(folder: Path, record: str) -> list[Path]:
    return [folder / f"{record}.hea", folder / f"{record}.dat"]


def assess(page: Page, files: list[Path] = [], **row: str) -> None:  # noqa: B006
    """Fill the form of a new assessment and send it."""
    if files:
        page.set_input_files("#files", [str(file) for file in files])
    for name, value in row.items():
        field = page.locator(f"#{name}" if name == "patient_id" else f"#row-{name}")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.get_by_role("button", name="Assess", exact=True).click()


def test_first_start_shows_examples_of_every_kind_of_answer(watched):
    page = watched.page
    assert page.url == watched.server.address + "/"  # the key has left the address
    expect(page.get_by_text(f"{EXAMPLES} cases")).to_be_visible()
    expect(page.get_by_text("example: virtual patient").first).to_be_visible()
    until = time.monotonic() + 60
    while page.get_by_text("waiting", exact=True).count() > 1 and time.monotonic() < until:
        page.reload()
    expect(page.locator("#worklist")).to_contain_text("cannot rule out")
    expect(page.locator("#worklist")).to_contain_text("not a patient it knows")
    expect(page.locator("#worklist")).to_contain_text("unfit")
    page.get_by_role("link", name="EXAMPLE-1").click()
    expect(page.locator("#answer")).to_contain_text("of 100")
    expect(page.locator("main")).to_contain_text("Not an emergency alarm")


def test_an_ecg_and_a_row_lead_to_one_sheet(watched, ptbxl):
    page = watched.go("/new")
    assess(
        page, wfdb(ptbxl, "00001_hr"), age="56", sex="female", height="165", weight="140lb", patient_id="A 1"
    )
    expect(page).to_have_url(SHEET)
    expect(page.locator("#answer")).to_contain_text("from: ")
    expect(page.locator("#ecg svg").first).to_be_visible()
    expect(page.locator("#measured")).to_contain_text("QTc")
    expect(page.locator("h1")).to_contain_text("A 1")
    page.select_option("#outcome-target", label="ECG findings: myocardial infarction (MI)")
    page.select_option("#outcome-verdict", "absent")
    page.fill("#outcome-note", "catheter: <b>no</b> stenosis")
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("#outcome li").first).to_contain_text("catheter: <b>no</b> stenosis")
    monitor = watched.go("/monitor").locator("#coverage")
    expect(monitor).to_contain_text("Promised on average: at least 90 of 100")
    expect(monitor.get_by_role("row", name="Myocardial infarction")).to_contain_text(
        "1 of 1: too few to tell"
    )


def test_an_ecg_alone_is_answered_and_says_what_was_missing(watched, data_dir):
    page = watched.go("/new")
    assess(page, [data_dir / "formats" / "scp" / "Example.scp"])
    expect(page).to_have_url(SHEET)
    expect(page.locator("#missing")).to_be_visible()
    expect(page.locator("#ecg svg").first).to_be_visible()


def test_a_row_alone_is_answered_and_a_wrong_value_is_told_as_it_is_typed(watched):
    page = watched.go("/new")
    page.locator("#row-age").fill("161")
    expect(page.locator("#told-age")).to_contain_text("outside the plausible range")
    expect(page.locator("#row-age")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Assess", exact=True).click()
    expect(page.locator("#said")).to_contain_text("Age = 161 years is outside")
    assess(page, age="61", sex="male", systolic="150")
    expect(page).to_have_url(SHEET)
    expect(page.locator("#answer")).to_contain_text("death within 10 years")
    expect(page.locator("#ecg")).to_contain_text("No ECG was given")


def test_a_corrupt_file_is_refused_in_words_kept_and_deleted(watched, ptbxl, tmp_path):
    header, samples = wfdb(ptbxl, "00002_hr")
    shutil.copy(header, tmp_path)
    (tmp_path / samples.name).write_bytes(samples.read_bytes()[:-1000])
    page = watched.go("/new")
    assess(page, [tmp_path / header.name, tmp_path / samples.name])
    expect(page.locator("h1")).to_have_text("This could not be assessed")
    expect(page.locator("main")).to_contain_text("What to do")
    with page.expect_download() as download:
        page.get_by_role("link", name=samples.name).click()
    assert download.value.path().read_bytes() == (tmp_path / samples.name).read_bytes()
    address = page.url
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(watched.server.address + "/")
    assert watched.context.request.get(address).status == 404


def test_two_hundred_files_at_once_are_taken_in_watched_and_told_apart(watched, ptbxl, tmp_path):
    records = [wfdb(ptbxl, f"{number:05d}_hr") for number in range(1, PATIENTS // 2)]
    bad = tmp_path / "letter.txt"
    bad.write_text("Dear colleague, ...")
    files = [file for record in records for file in record] + [bad]
    page = watched.go("/new")
    assess(page, files)
    expect(page).to_have_url(re.compile(r"/batches/[0-9a-f]{32}$"), timeout=60_000)
    expect(page.locator("#progress")).to_contain_text(f"of {len(records) + 1} assessed")
    # Everything stays usable meanwhile.
    other = watched.context.new_page()
    other.goto(watched.server.address + "/")
    expect(other.get_by_role("heading", name="Worklist")).to_be_visible()
    # A case that waits shows its sheet by itself, and whole.
    other.goto(watched.server.address + "/?status=received")
    other.locator("#worklist tbody th a").last.click()
    expect(other.locator("#answer")).to_be_visible(timeout=300_000)
    expect(other.locator("#ecg [data-calipers]")).to_be_visible()
    other.close()
    expect(page.locator("#progress")).to_contain_text(re.compile(r"\D0 waiting"), timeout=300_000)
    expect(page.locator("#progress")).to_contain_text(
        f"{len(records)} of {len(records) + 1} assessed, 1 refused"
    )
    expect(page.locator("#progress tbody tr")).to_have_count(1)
    expect(page.locator("#progress tbody")).to_contain_text("letter.txt")


def open_example(watched, patient: str) -> Page:
    page = watched.go("/")
    page.fill("#text", patient)
    page.get_by_role("link", name=patient).first.click()
    expect(page).to_have_url(SHEET)
    expect(page.locator("#answer")).to_be_visible(
        timeout=30_000
    )  # the examples are assessed one after another
    return page


def test_a_sheet_prints_on_one_page(watched, tmp_path):
    page = open_example(watched, "EXAMPLE-1")
    printed = page.pdf(prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", printed))
    assert pages == 1
    (width, height) = map(float, re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", printed)[0])
    assert (round(width), round(height)) == (842, 595)  # A4 across, in points


def test_a_closed_answer_opens_for_a_clinician_and_the_audit_log_says_so(watched):
    page = open_example(watched, "EXAMPLE-7")
    expect(page.locator("#answer")).to_contain_text("has not learnt from such patients")
    assert not re.search(r"\d+ of 100", page.content())
    page.get_by_role("link", name="Show anyway").first.click()
    expect(page.locator("#answer")).to_contain_text("do not rely on it")
    expect(page.locator("#answer")).to_contain_text("of 100")
    program = [sys.executable, "-m", "cardiofusion", "audit", "show", "--data", str(watched.server.folder)]
    log = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert "case.gate" in log
    assert "EXAMPLE-7" not in log


def test_several_files_never_lose_a_number_that_was_typed(watched, ptbxl):
    page = watched.go("/new")
    assess(page, wfdb(ptbxl, "00001_hr") + wfdb(ptbxl, "00002_hr"), patient_id="A 7")
    expect(page.locator("#said")).to_contain_text("belong to one ECG")
    page = watched.go("/new")
    many = [file for number in range(1, 15) for file in wfdb(ptbxl, f"{number:05d}_hr")]
    assess(page, many, patient_id="A 7")
    expect(page.locator("#sent-words")).to_contain_text("belong to one ECG")


def test_calipers_measure_by_mouse_and_by_keyboard(watched):
    page = open_example(watched, "EXAMPLE-1")
    page.get_by_role("button", name="Calipers").click()
    reading = page.locator("[data-reading]")
    expect(reading).to_contain_text("ms")
    handle = page.get_by_role("slider").first
    handle.focus()
    before = reading.inner_text()
    page.keyboard.press("Shift+ArrowRight")
    expect(reading).not_to_have_text(before)
    first = float(re.search(r"ΔT (\d+) ms", before)[1])
    second = float(re.search(r"ΔT (\d+) ms", reading.inner_text())[1])
    assert second != first


def test_arabic_runs_from_right_to_left_and_says_that_nobody_reviewed_it(watched):
    page = watched.go("/")
    page.locator("select[name=language]").select_option("ar")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator(".unreviewed")).to_be_visible()
    assert re.search(r"[\u0600-\u06ff]", page.locator("h1").inner_text())
    open_example(watched, "EXAMPLE-1")
    expect(page.locator("#answer")).to_be_visible()
    assert page.locator("#ecg [data-paper]").get_attribute("dir") == "ltr"  # time runs as on every ECG
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def tab_to(page: Page, what: str, wanted: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(what).strip() == wanted:
            return
    raise AssertionError(f"nothing is {wanted} by {what}")


def test_everything_can_be_reached_by_keyboard_alone(watched):
    page = watched.go("/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    tab_to(page, "document.activeElement.id", "text")
    page.keyboard.type("EXAMPLE-1")
    expect(page.get_by_text("1 case", exact=True)).to_be_visible()
    tab_to(page, "document.activeElement.textContent", "EXAMPLE-1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(SHEET)
    seen = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate("(document.activeElement.name || document.activeElement.textContent || '').trim()")
        )
    assert {"layout", "speed", "gain", "Calipers", "target", "verdict", "Enter", "Delete"} <= seen
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
