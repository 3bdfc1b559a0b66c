"""ECG carts send here: a DICOM C-STORE receiver that puts ECGs on the worklist.

A file is answered with success once it is kept, as it came, and its case is committed; whether it can be
read shows on the worklist. DICOM itself knows no password: it listens where the settings say, this machine
only unless told otherwise, and `dicom_peers` names the application entities that may send. What was kept
already is not kept again, for carts repeat themselves.

Source: DICOM PS3.4 annex B (storage service class), PS3.7 annex C (status).
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    AmbulatoryECGWaveformStorage,
    General32bitECGWaveformStorage,
    GeneralECGWaveformStorage,
    TwelveLeadECGWaveformStorage,
    Verification,
)
from sqlalchemy import select

from cardiofusion.records import CardioFusionError, InputError
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.store import Case, CaseFile

log = logging.getLogger(__name__)

CLASSES = (
    TwelveLeadECGWaveformStorage,
    GeneralECGWaveformStorage,
    General32bitECGWaveformStorage,
    AmbulatoryECGWaveformStorage,
)
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000
MAX_ASSOCIATIONS = 8
MAX_PDU_BYTES = 1 << 16
IDLE_SECONDS = 30.0  # without a message an association ends
SENDER = "dicom"  # who the audit log says it was: the peer's title is no account


class Receiver:
    """Listens from `start` to `close`."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._received: dict[int, int] = {}  # bytes since the last file, by association
        self._counting = threading.Lock()
        self._server: Any = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Raises InputError where the port is taken."""
        settings = self._clinic.settings
        _silence()
        entity = AE(ae_title=settings.dicom_title)
        for sop_class in (Verification, *CLASSES):
            entity.add_supported_context(sop_class)
        entity.maximum_associations = MAX_ASSOCIATIONS
        entity.maximum_pdu_size = MAX_PDU_BYTES
        entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = IDLE_SECONDS
        entity.require_calling_aet = list(settings.dicom_peers)
        handlers: list[tuple[Any, Callable[[Any], Any]]] = [
            (evt.EVT_C_ECHO, lambda _: SUCCESS),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_DATA_RECV, self._count),
            (evt.EVT_CONN_CLOSE, self._forget),
        ]
        address = (settings.dicom_host, settings.dicom_port or 0)
        try:
            start: Any = entity.start_server
            self._server = start(address, block=False, evt_handlers=handlers)
        except OSError as error:
            raise InputError(
                "serve.dicom_port",
                f"cannot receive DICOM on {address[0]}:{address[1]}: {error.strerror or error}",
                "choose another port with --dicom-port",
            ) from error

    def close(self) -> None:
        """Stop listening; what was answered is kept."""
        if self._server is not None:
            self._server.shutdown()

    def _store(self, event: Any) -> int:
        """One file: kept, or a status that lets the sender try again."""
        self._forget(event)
        try:
            self._keep(f"{event.request.AffectedSOPInstanceUID}.dcm", event.encoded_dataset())
        except CardioFusionError as error:
            log.error("a DICOM file was not kept: %s", error.code)
            return OUT_OF_RESOURCES
        except Exception as error:  # noqa: BLE001 - the peer must hear that it failed, and no more
            log.error("a DICOM file was not kept: %s", type(error).__name__)
            return CANNOT_UNDERSTAND
        return SUCCESS

    def _keep(self, name: str, content: bytes) -> None:
        clinic = self._clinic
        if _kept(clinic, hashlib.sha256(content).hexdigest()):
            return
        case = clinic.store.accept({name: content}, source="dicom")
        clinic.audit.write(SENDER, "case.accept", case)
        clinic.desk.submit(case)

    def _count(self, event: Any) -> None:
        """End an association that sends more than a file may have."""
        key = id(event.assoc)
        with self._counting:
            self._received[key] = self._received.get(key, 0) + len(event.data)
            too_much = self._received[key] > self._clinic.settings.max_upload_bytes
        if too_much:
            log.error("a DICOM file over the limit: the association is ended")
            event.assoc.abort()

    def _forget(self, event: Any) -> None:
        with self._counting:
            self._received.pop(id(event.assoc), None)


def _kept(clinic: Clinic, sha256: str) -> bool:
    """Whether this very file came this way before."""
    known = select(CaseFile.id).join(Case).where(CaseFile.sha256 == sha256, Case.source == "dicom").limit(1)
    with clinic.store.look() as connection:
        return connection.scalar(known) is not None


def _silence() -> None:
    """pynetdicom's logs quote what it receives."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
