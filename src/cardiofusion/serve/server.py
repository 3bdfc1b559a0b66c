"""Open a clinic, serve it, close it."""

from __future__ import annotations

import logging
import signal
import socket
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType

import uvicorn

from cardiofusion.records import NOTICE, InputError
from cardiofusion.serve.app import create_app
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.examples import add_examples
from cardiofusion.serve.guard import (
    address,
    guarded,
    launch_address,
    remove_launch_files,
    server_config,
    write_launch_files,
)
from cardiofusion.serve.guard.launch import LAUNCH_FILE
from cardiofusion.serve.lock import FolderLock, running_address
from cardiofusion.serve.memory import keep_little
from cardiofusion.serve.settings import Settings

LOG = "server.log"
LOG_BYTES, LOG_FILES = 1 << 20, 3
STARTING_SECONDS = 10.0  # a second start waits so long for the first one to say where it is
BACKLOG = 128


def serve(settings: Settings, say: Callable[[str], None], browser: bool = True) -> None:
    """Serve until interrupted. say: prints a line. browser: open it on the worklist.

    Where the folder is served already, its browser is opened on that server and nothing else happens.
    Raises InputError where it is served and no browser is wanted, or the port is taken; StorageError,
    BundleError.
    """
    keep_little()
    try:
        taken = FolderLock.acquire(settings.data)
    except InputError as error:
        if error.code == "serve.running" and browser and _open_running(settings, say):
            return
        raise
    with _ending_well(), taken as lock:
        listening = _listen(settings)
        settings = replace(settings, port=listening.getsockname()[1])
        clinic = Clinic.open(settings)
        # Uploads too large for the memory are put aside on their way in: nowhere but in the data folder.
        tempfile.tempdir = str(clinic.store.originals.incoming)
        _log_to(settings.data)
        try:
            with _receiving(clinic, say):
                _begin(clinic, say, browser)
                lock.publish(address(settings))
                _run(clinic, listening)
        finally:
            clinic.close()
            remove_launch_files(settings)


def _log_to(folder: Path) -> None:
    """Access and failures, in the data folder; no patient is named in them (see guard/journal.py)."""
    handler = RotatingFileHandler(folder / LOG, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    (folder / LOG).chmod(0o600)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    log = logging.getLogger("cardiofusion")
    log.setLevel(logging.INFO)
    log.addHandler(handler)


def _open_running(settings: Settings, say: Callable[[str], None]) -> bool:
    """Open the browser on the server that has the folder; whether that server says where it is."""
    until = time.monotonic() + STARTING_SECONDS
    while (where := running_address(settings.data)) is None and time.monotonic() < until:
        time.sleep(0.1)
    if where is None:
        return False
    say(f"CardioFusion runs already: {where}")
    page = settings.data / LAUNCH_FILE
    _open(page.as_uri() if page.exists() else where)
    return True


def _open(page: str) -> None:
    with suppress(webbrowser.Error):
        webbrowser.open(page)


@contextmanager
def _ending_well() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, with exit code 0: else what is open stays so, and the key too.

    uvicorn has its own handlers while it serves, and afterwards raises the signal again for ours.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise SystemExit(0)


@contextmanager
def _receiving(clinic: Clinic, say: Callable[[str], None]) -> Iterator[None]:
    """A DICOM receiver beside the pages, where the settings ask for one."""
    if clinic.settings.dicom_port is None:
        yield
        return
    from cardiofusion.serve.dicom import Receiver

    receiver = Receiver(clinic)
    receiver.start()
    say(f"DICOM C-STORE: {clinic.settings.dicom_title} on port {receiver.port}")
    try:
        yield
    finally:
        receiver.close()


def _begin(clinic: Clinic, say: Callable[[str], None], browser: bool) -> None:
    settings = clinic.settings
    if settings.examples:
        for case in add_examples(clinic.store):
            clinic.desk.submit(case)
    opened = address(settings) if settings.shared else launch_address(settings, clinic.token)
    say(f"CardioFusion: {opened}")
    say(f"{NOTICE} Ctrl-C stops it.")
    # Other users of a machine can read a browser's command line: it is given a file that holds the address.
    page = opened if settings.shared else write_launch_files(settings, clinic.token).as_uri()
    if browser:
        _open(page)


def _run(clinic: Clinic, listening: socket.socket) -> None:
    app = guarded(create_app(clinic), clinic)
    uvicorn.Server(server_config(app, clinic.settings)).run(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    """The socket, open before anything else is: who comes early waits. Raises InputError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # TCP by its name: else asyncio leaves Nagle's algorithm on, and answers wait 40 ms for an ACK.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise InputError(
            "serve.port",
            f"cannot listen on {settings.host}:{settings.port}: {(error.strerror or str(error)).lower()}",
            "choose another one with --port; 0 takes any that is free",
        ) from error
    return listening
