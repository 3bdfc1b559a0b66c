"""ECG carts: DICOM C-STORE by dcmtk's storescu and by pynetdicom, and what must find no way in."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from cardiofusion.records import InputError
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.dicom import CLASSES, Receiver
from cardiofusion.serve.store import Case, Search

SECONDS = 60.0
Start = Callable[..., tuple[Clinic, int]]


@pytest.fixture
def receiving(open_clinic: Callable[..., Clinic]) -> Iterator[Start]:
    """Each call: a clinic that receives DICOM, and the port."""
    with ExitStack() as ending:

        def start(**changed: Any) -> tuple[Clinic, int]:
            clinic = open_clinic(**changed)
            receiver = Receiver(clinic)
            receiver.start()
            ending.callback(receiver.close)
            return clinic, receiver.port

        yield start


@pytest.fixture(scope="session")
def file(dicom: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DICOM ECG on the disk."""
    path = tmp_path_factory.mktemp("cart") / "ecg.dcm"
    (content,) = dicom.values()
    path.write_bytes(content)
    return path


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} (Debian: apt-get install dcmtk)")
    return found


def run(name: str, port: int, *words: object) -> int:
    command = [program(name), "-aec", "CARDIOFUSION", "127.0.0.1", str(port), *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=SECONDS, check=False).returncode


def sent(port: int, dataset: pydicom.Dataset, sop_class: Any = CLASSES[0], title: str = "CART") -> int | None:
    """The status that the receiver answers; None where it takes no association or ends it."""
    entity = AE(ae_title=title)
    association = entity.associate("127.0.0.1", port, contexts=[build_context(sop_class)])
    if not association.is_established:
        return None
    try:
        return getattr(association.send_c_store(dataset), "Status", None)
    except (ValueError, RuntimeError):  # ended under its hands
        return None
    finally:
        if association.is_established:
            association.release()


def cases_of(clinic: Clinic) -> list[Case]:
    return clinic.store.search(Search())[0]


def settled(clinic: Clinic) -> list[Case]:
    """The cases once none waits."""
    ends = time.monotonic() + SECONDS
    while clinic.store.waiting() and time.monotonic() < ends:
        time.sleep(0.05)
    return cases_of(clinic)


def test_dcmtk_is_answered_and_its_ecg_assessed_once(receiving: Start, file: Path) -> None:
    clinic, port = receiving()
    assert run("echoscu", port) == 0
    assert run("storescu", port, file) == 0
    assert run("storescu", port, file) == 0  # carts repeat themselves
    (case,) = settled(clinic)
    assert (case.status, case.source) == ("assessed", "dicom")
    assert case.patient is not None
    (line,) = clinic.audit.lines()
    assert (line.actor, line.action, line.subject) == ("dicom", "case.accept", case.id)


def test_pynetdicom_is_answered_and_what_it_sent_can_be_read(receiving: Start, file: Path) -> None:
    clinic, port = receiving()
    dataset = pydicom.dcmread(file)
    assert sent(port, dataset) == 0
    (case,) = settled(clinic)
    (content,) = clinic.store.files_of(case).values()
    kept = pydicom.dcmread(BytesIO(content))
    assert kept.SOPInstanceUID == dataset.SOPInstanceUID
    assert kept.WaveformSequence[0].WaveformData == dataset.WaveformSequence[0].WaveformData


def test_two_files_are_two_cases(receiving: Start, file: Path) -> None:
    clinic, port = receiving()
    for _ in range(2):
        dataset = pydicom.dcmread(file)
        dataset.SOPInstanceUID = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        assert sent(port, dataset) == 0
    assert len(settled(clinic)) == 2


def test_what_is_no_ecg_finds_no_way_in(receiving: Start, file: Path) -> None:
    clinic, port = receiving()
    assert sent(port, pydicom.dcmread(file), CTImageStorage) is None
    assert not cases_of(clinic)


def test_only_named_peers_may_send(receiving: Start, file: Path) -> None:
    clinic, port = receiving(dicom_peers=("CART",))
    assert sent(port, pydicom.dcmread(file), title="STRANGER") is None
    assert not cases_of(clinic)
    assert sent(port, pydicom.dcmread(file), title="CART") == 0
    assert len(cases_of(clinic)) == 1


def test_a_file_over_the_limit_is_ended_and_not_kept(receiving: Start, file: Path) -> None:
    clinic, port = receiving(max_upload_bytes=1 << 20)
    dataset = pydicom.dcmread(file)
    dataset.add_new(0x00091010, "OB", bytes(3 << 20))
    assert sent(port, dataset) is None
    assert not cases_of(clinic)
    small = pydicom.Dataset()
    small.SOPClassUID, small.SOPInstanceUID = CLASSES[0], generate_uid()
    small.file_meta = pydicom.dataset.FileMetaDataset()
    small.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    assert sent(port, small) == 0  # it still listens


def test_a_broken_ecg_is_kept_and_says_on_the_worklist_why(receiving: Start, file: Path) -> None:
    clinic, port = receiving()
    dataset = pydicom.dcmread(file)
    dataset.WaveformSequence[0].WaveformData = b"\x00\x01" * 7
    dataset.PatientName = "<script>alert(1)</script>"
    assert sent(port, dataset) == 0
    (case,) = settled(clinic)
    assert case.status == "refused"
    assert case.refusal is not None
    assert case.refusal["code"].startswith("recording.")


def test_a_disk_that_refuses_lets_the_cart_try_again(
    receiving: Start, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    clinic, port = receiving()
    with monkeypatch.context() as patched:
        patched.setattr("cardiofusion.serve.store.originals._write_through", full)
        assert sent(port, pydicom.dcmread(file)) == 0xA700
    assert not cases_of(clinic)
    assert sent(port, pydicom.dcmread(file)) == 0


def test_noise_on_the_port_does_no_harm(receiving: Start, file: Path) -> None:
    import socket

    _, port = receiving()
    for noise in (b"GET / HTTP/1.1\r\n\r\n", bytes(1000), b"\x01\x00\xff\xff\xff\xff" + bytes(500)):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(noise)
    entity = AE()
    association = entity.associate("127.0.0.1", port, contexts=[build_context(Verification)])
    assert association.is_established
    assert association.send_c_echo().Status == 0
    association.release()


def test_a_port_that_is_taken(receiving: Start) -> None:
    clinic, port = receiving()
    other = Receiver(replaced(clinic, port))
    with pytest.raises(InputError) as refused:
        other.start()
    assert refused.value.code == "serve.dicom_port"
    other.close()


def replaced(clinic: Clinic, port: int) -> Clinic:
    from dataclasses import replace

    return replace(clinic, settings=replace(clinic.settings, dicom_port=port))
