"""Open a clinic, serve it, close it."""

from __future__ import annotations

import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
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
from cardiofusion.serve.lock import FolderLock
from cardiofusion.serve.settings import Settings


def serve(settings: Settings, say: Callable[[str], None], browser: bool = True) -> None:
    """Serve until interrupted. say: prints a line. browser: open it on the worklist.

    Raises InputError where the folder is served already or the port is taken, StorageError, BundleError.
    """
    with _ending_well(), FolderLock.acquire(settings.data) as lock:
        listening = _listen(settings)
        settings = replace(settings, port=listening.getsockname()[1])
        clinic = Clinic.open(settings)
        try:
            lock.publish(address(settings))
            with _receiving(clinic, say):
                _begin(clinic, say, browser)
                _run(clinic, listening)
        finally:
            clinic.close()
            remove_launch_files(settings)


@contextmanager
def _ending_well() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, with exit code 0: else all would stay open, and the key valid.

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
        with suppress(webbrowser.Error):
            webbrowser.open(page)


def _run(clinic: Clinic, listening: socket.socket) -> None:
    app = guarded(create_app(clinic), clinic)
    uvicorn.Server(server_config(app, clinic.settings)).run(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    """The socket, listening before anything is opened. Raises InputError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen()  # a browser that comes before everything is loaded waits in place of being refused
    except OSError as error:
        listening.close()
        raise InputError(
            "serve.port",
            f"cannot listen on {settings.host}:{settings.port}: {(error.strerror or str(error)).lower()}",
            "choose another one with --port; 0 takes any that is free",
        ) from error
    return listening
