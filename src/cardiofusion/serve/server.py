"""Open a clinic, serve it, close it."""

from __future__ import annotations

import logging
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from cardiofusion.records import InputError
from cardiofusion.serve.app import create_app
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.examples import add_examples
from cardiofusion.serve.guard import PatientProtocol, guarded
from cardiofusion.serve.lock import FolderLock
from cardiofusion.serve.settings import Settings

MAX_CONNECTIONS = 200
KEEP_ALIVE_SECONDS = 15
GOODBYE_SECONDS = 10


def serve(settings: Settings, say: Callable[[str], None], browser: bool = True) -> None:
    """Serve until interrupted. say: prints a line. browser: open it on the worklist.

    Raises InputError where the folder is served already or the port is taken, StorageError, BundleError.
    """
    with FolderLock.acquire(settings.data) as lock:
        listening = _listen(settings)
        port = listening.getsockname()[1]
        clinic = Clinic.open(settings)
        try:
            address = f"{'https' if settings.secure else 'http'}://{_shown(settings.host)}:{port}"
            lock.publish(f"{address}/open?token={clinic.token}" if not settings.shared else address)
            _begin(clinic, say, address, browser)
            _run(clinic, listening)
        finally:
            clinic.close()


def _begin(clinic: Clinic, say: Callable[[str], None], address: str, browser: bool) -> None:
    if clinic.settings.examples:
        for case in add_examples(clinic.store):
            clinic.desk.submit(case)
    shared = clinic.settings.shared
    opened = address if shared else f"{address}/open?token={clinic.token}"
    say(f"CardioFusion: {opened}")
    say("For research use only. Not a medical device. Not an emergency alarm. Ctrl-C stops it.")
    if browser:
        with suppress(webbrowser.Error):
            webbrowser.open(opened)


def _run(clinic: Clinic, listening: socket.socket) -> None:
    settings = clinic.settings
    config = uvicorn.Config(
        guarded(create_app(clinic), clinic),
        http=PatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    """The socket, bound before anything is opened. Raises InputError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise InputError(
            "serve.port",
            f"cannot listen on {settings.host}:{settings.port}: {(error.strerror or str(error)).lower()}",
            "choose another one with --port; 0 takes any that is free",
        ) from error
    return listening


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
