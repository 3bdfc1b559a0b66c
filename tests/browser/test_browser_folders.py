"""Whole folders of ECGs, dropped and chosen: walked to their ends, none mixed up, none lost in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cardiofusion.simulate import virtual_cohort
from cardiofusion.writers import write_recording

pytestmark = pytest.mark.slow
BATCH = re.compile(r"/batches/[0-9a-f]{32}$")
NEW = re.compile(r"/new$")
MANY = 2500
expect.set_options(timeout=30_000)  # of a machine that has other things to do


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rooms with an ECG each, under the same name; a letter; what systems leave behind."""
    folder = tmp_path_factory.mktemp("ecgs") / "ward"
    for room, one in zip(
        ("room 1", "room 2"), virtual_cohort(2, 5, sampling_rate=500.0).recordings, strict=True
    ):
        (folder / room).mkdir(parents=True)
        write_recording(one.read(), folder / room / "ecg.hea")
    (folder / "letter.txt").write_text("Dear colleague, ...")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "room 1" / "Thumbs.db").write_bytes(b"\0")
    return folder


@pytest.fixture(scope="module")
def one_ecg(ward: Path) -> Path:
    return ward / "room 1"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More files than a browser tells at once, in one folder."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(MANY):
        (folder / f"{number}.txt").touch()
    return folder


def drop(page: Page, *places: Path, on: str = "[data-drop]") -> None:
    """Drop files and folders of the disk as a file manager does."""
    page.locator(on).scroll_into_view_if_needed()
    box = page.locator(on).bounding_box()
    assert box is not None
    where = {"x": box["x"] + 20, "y": box["y"] + 10}
    data = {"items": [], "files": [str(place) for place in places], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **where, "data": data})


def test_a_dropped_folder_is_walked_and_equal_names_in_two_folders_are_two_ecgs(watched, ward) -> None:
    page = watched.go("/new")
    drop(page, ward)
    told = ["ward/letter.txt", *(f"ward/room {n}/ecg.{end}" for n in (1, 2) for end in ("dat", "hea"))]
    expect(page.locator("#chosen li")).to_have_text(told)
    page.get_by_role("button", name="Assess", exact=True).click()
    expect(page).to_have_url(BATCH)
    expect(page.locator("#progress")).to_contain_text("2 of 3 assessed, 1 refused, 0 waiting")
    expect(page.locator("#progress tbody")).to_contain_text("letter.txt")


def test_what_is_dropped_beside_the_zone_leaves_the_page_as_it_is(watched, ward) -> None:
    page = watched.go("/new")
    page.evaluate("window.addEventListener('dragover', (event) => { window.kept = event.defaultPrevented; })")
    drop(page, ward / "letter.txt", on="h1")
    assert page.evaluate("window.kept")  # else the browser opens the file in place of the page
    expect(page).to_have_url(NEW)
    expect(page.locator("#chosen li")).to_have_count(0)


def test_a_chosen_folder_of_one_ecg_leads_to_one_sheet(watched, one_ecg) -> None:
    page = watched.go("/new")
    page.set_input_files("#folder", str(one_ecg))
    expect(page.locator("#chosen li")).to_have_text(["room 1/ecg.dat", "room 1/ecg.hea"])
    page.get_by_role("button", name="Assess", exact=True).click()
    expect(page).to_have_url(re.compile(r"/cases/[0-9a-f]{32}$"))
    expect(page.locator("h1")).to_contain_text("virtual-00001")


def test_files_and_folders_dropped_together_keep_their_order(watched, ward, one_ecg) -> None:
    page = watched.go("/new")
    drop(page, one_ecg / "ecg.hea", ward / "room 2", ward / "letter.txt")
    told = ["ecg.hea", "room 2/ecg.dat", "room 2/ecg.hea", "letter.txt"]
    expect(page.locator("#chosen li")).to_have_text(told)
    drop(page, one_ecg / "ecg.hea")
    expect(page.locator("#chosen li")).to_have_text(["ecg.hea"])


def test_a_folder_of_thousands_is_counted_while_the_page_goes_on(watched, archive) -> None:
    page = watched.go("/new")
    page.evaluate(
        """() => {
          window.counts = new Set();
          const told = document.querySelector("#sent-words");
          const look = () => { window.counts.add(told.textContent); requestAnimationFrame(look); };
          requestAnimationFrame(look);
        }"""
    )
    drop(page, archive)
    expect(page.locator("#chosen")).to_contain_text(f"… {MANY} files")
    expect(page.locator("#chosen li").first).to_have_text(f"{archive.name}/0.txt")
    expect(page.locator("#chosen li").nth(2)).to_have_text(f"{archive.name}/2.txt")
    painted = page.evaluate("[...window.counts].filter((text) => /[1-9] files so far/.test(text)).length")
    assert painted > 1  # the page was drawn meanwhile: it was not frozen
    expect(page.get_by_role("button", name="Assess", exact=True)).to_be_enabled()


def test_an_empty_folder_is_said_to_be_empty(watched, tmp_path) -> None:
    page = watched.go("/new")
    drop(page, tmp_path)
    expect(page.locator("#sent-words")).to_have_text("There is no file in this folder.")


def test_what_cannot_be_read_is_counted(watched, tmp_path) -> None:
    """A file that goes away, as on a stick that is pulled out, just when it was dropped."""
    (tmp_path / "here").mkdir()
    for name in ("here/ecg.txt", "gone.txt"):
        (tmp_path / name).write_text("x")
    page = watched.go("/new")
    page.evaluate("addEventListener('drop', () => alert('now'), true)")

    def pull(dialog) -> None:
        (tmp_path / "gone.txt").unlink()
        dialog.accept()

    page.on("dialog", pull)
    drop(page, tmp_path / "here", tmp_path / "gone.txt")
    expect(page.locator("#chosen li")).to_have_text(["here/ecg.txt"])
    expect(page.locator("#sent-words")).to_contain_text("1 files or folders could not be read")


def test_a_folder_dropped_on_a_batch_is_added_to_it(watched, ward) -> None:
    page = watched.go("/new")
    drop(page, ward)
    page.get_by_role("button", name="Assess", exact=True).click()
    expect(page).to_have_url(BATCH)
    address = page.url
    drop(page, ward / "room 2")
    expect(page.locator("#chosen li")).to_have_count(2)
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#progress")).to_contain_text("3 of 4 assessed, 1 refused, 0 waiting")
    assert page.url == address


def test_without_javascript_a_chosen_folder_goes_as_it_is(opened, ward) -> None:
    page = opened(java_script_enabled=False).go("/new")
    page.set_input_files("#folder", str(ward))
    page.get_by_role("button", name="Assess", exact=True).click()
    expect(page).to_have_url(BATCH)
