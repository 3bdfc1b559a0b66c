"""A real server, a real Chromium, and what no page may do: complain, or ask another machine for anything."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

START_SECONDS = 60
PROGRAM = "import sys; from cardiofusion.cli import main; main(sys.argv[1:])"


@dataclass
class Server:
    """A running `cardiofusion serve`. folder: its data."""

    folder: Path
    process: subprocess.Popen[str]
    address: str
    token: str

    @property
    def launch(self) -> str:
        return f"{self.address}/open?token={self.token}"


def start_server(folder: Path, *options: str) -> Server:
    """A server on a free port, ready to answer."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM,
            "serve",
            "--data",
            str(folder),
            "--port",
            "0",
            "--no-browser",
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LANGUAGE": "en"},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("CardioFusion: http"), line + process.stdout.read()
    address, _, token = line.removeprefix("CardioFusion: ").strip().partition("/open?token=")
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    return Server(folder, process, address, token)


def stop_server(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    try:
        server.process.wait(30)
    finally:
        server.process.kill()
        assert server.process.stdout is not None
        server.process.stdout.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for a module's journeys, with the examples."""
    running = start_server(tmp_path_factory.mktemp("clinic"))
    yield running
    stop_server(running)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page of a browser that has the server's key. complaints: of the console, and requests elsewhere."""

    page: Page
    context: BrowserContext
    server: Server
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.server.address + path)
        return self.page


def watch(browser: Browser, server: Server, **options: object) -> Watched:
    """A new browser on the worklist; its complaints are gathered."""
    context = browser.new_context(**{"locale": "en-GB", **options})  # type: ignore[arg-type]
    page = context.new_page()
    watched = Watched(page, context, server)
    ours = (server.address, "data:", "blob:", "about:")

    def said(message: object) -> None:
        kind, text = message.type, message.text  # type: ignore[attr-defined]
        # A refusal that a journey asks for is no complaint; Chromium and htmx each have words for it.
        asked_for = "status of 422" in text or "Status Error Code 422" in text
        if kind in ("error", "warning") and not asked_for:
            watched.complaints.append(f"{kind}: {text}")

    context.on("console", said)
    context.on("weberror", lambda error: watched.complaints.append(str(error.error)))
    context.on(
        "request",
        lambda request: None if request.url.startswith(ours) else watched.complaints.append(request.url),
    )
    page.goto(server.launch)
    return watched


@pytest.fixture
def opened(chromium: Browser, server: Server) -> Iterator[Callable[..., Watched]]:
    """Browsers that signed in, with options of a Playwright context; at the end none may have complained."""
    all_of_them: list[Watched] = []

    def open_one(**options: object) -> Watched:
        all_of_them.append(watch(chromium, server, **options))
        return all_of_them[-1]

    yield open_one
    for one in all_of_them:
        one.context.close()
    assert [complaint for one in all_of_them for complaint in one.complaints] == []


@pytest.fixture
def watched(opened: Callable[..., Watched]) -> Watched:
    """A browser that signed in."""
    return opened()
