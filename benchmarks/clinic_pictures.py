"""README's pictures of the clinic application: a real server on an empty folder, in a real Chromium.

python benchmarks/clinic_pictures.py     (needs chromium)
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
WIDTH, SHEET_HEIGHT = 1180, 1330
PATIENT_SECONDS = 180


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        command = [
            sys.executable,
            "-m",
            "cardiofusion",
            "serve",
            "--data",
            folder,
            "--port",
            "0",
            "--no-browser",
        ]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        launch = server.stdout.readline().removeprefix("CardioFusion: ").strip()
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            taken = pictures(browser, launch)
        finally:
            browser.close()
            server.terminate()
            server.wait(30)
    print(json.dumps({"pictures": taken}))


def pictures(browser: Browser, launch: str) -> list[str]:
    """Worklist and a sheet, when every example is assessed."""
    page = browser.new_page(viewport={"width": WIDTH, "height": SHEET_HEIGHT})
    page.goto(launch)
    until = time.monotonic() + PATIENT_SECONDS
    while page.locator(".badge", has_text="waiting").count() and time.monotonic() < until:
        time.sleep(0.5)
        page.reload()
    page.screenshot(path=PICTURES / "worklist.png", full_page=True)
    page.get_by_role("link", name="EXAMPLE-1").click()
    page.wait_for_selector("#answer")
    page.screenshot(path=PICTURES / "clinic.png")
    return ["worklist.png", "clinic.png"]


if __name__ == "__main__":
    main()
