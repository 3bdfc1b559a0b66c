"""The desk: who comes first, what a fault of ours costs, what the end of the process leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from cardiofusion.readers import read_files
from cardiofusion.records import Assessment, Recording, StorageError
from cardiofusion.runtime import System
from cardiofusion.serve.desk import Desk
from cardiofusion.serve.store import Store, unpack
from cardiofusion.serve.store.store import MAX_ATTEMPTS
from cardiofusion.writers import write_recording

ROW = {"age": 61, "sex": "male"}
SECONDS = 60


class Barrier:
    """Work that holds a desk's only thread until it is told to go on."""

    def __init__(self, desk: Desk) -> None:
        self.begun, self.free = threading.Event(), threading.Event()
        self.future = desk.run(self._wait)
        assert self.begun.wait(SECONDS)

    def _wait(self, _: System) -> None:
        self.begun.set()
        self.free.wait(SECONDS)


def store_of(desk: Desk) -> Store:
    return desk._store


def test_urgent_work_comes_before_the_rest_each_in_its_order(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk()
    barrier, order = Barrier(desk), []
    names = [("batch 1", False), ("batch 2", False), ("page 1", True), ("batch 3", False), ("page 2", True)]
    futures = [desk.run(lambda _, name=name: order.append(name), urgent) for name, urgent in names]
    assert desk.waiting == len(names)
    barrier.free.set()
    for future in futures:
        future.result(SECONDS)
    assert order == ["page 1", "page 2", "batch 1", "batch 2", "batch 3"]


def test_work_gives_what_it_returns_or_raises(new_desk: Callable[..., Desk], shipped: System) -> None:
    desk = new_desk()
    assert desk.run(lambda system: system).result(SECONDS) is shipped
    with pytest.raises(ZeroDivisionError):
        desk.run(lambda _: 1 / 0).result(SECONDS)
    assert desk.run(lambda _: "still there").result(SECONDS) == "still there"


def test_work_that_nobody_waits_for_any_more_is_not_done(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk()
    barrier, done = Barrier(desk), []
    given_up = desk.run(lambda _: done.append("given up"))
    assert given_up.cancel()
    barrier.free.set()
    desk.run(lambda _: None).result(SECONDS)
    assert not done


def test_a_fault_of_ours_refuses_the_case_and_logs_none_of_its_words(
    new_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> Assessment:
        raise RuntimeError("Mrs Example, born 1950")

    desk = new_desk()
    monkeypatch.setattr(System, "assess_examined", broken)
    case = store_of(desk).accept({}, ROW)
    desk.submit(case).result(SECONDS)
    kept = store_of(desk).case(case)
    assert kept.status == "refused"
    assert kept.refusal is not None
    assert kept.refusal["code"] == "internal"
    assert "Example" not in caplog.text + str(kept.refusal)
    assert "RuntimeError" in caplog.text
    monkeypatch.undo()
    store_of(desk).again(case)
    desk.submit(case).result(SECONDS)
    assert store_of(desk).case(case).status == "assessed"


def test_a_disk_that_refuses_the_answer_leaves_the_case_waiting(
    new_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("storage.refused", "the disk is full", "make room")

    desk = new_desk()
    case = store_of(desk).accept({}, ROW)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "save_answer", full)
        patched.setattr(Store, "save_refusal", full)
        desk.submit(case).result(SECONDS)
    assert store_of(desk).waiting() == [(case, "page")]


def test_a_case_begun_too_often_is_refused_unread(
    new_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = new_desk()
    case = store_of(desk).accept({}, ROW)
    for _ in range(MAX_ATTEMPTS):
        assert store_of(desk).begin_attempt(case)  # and then the server ended
    monkeypatch.setattr(System, "assess_examined", lambda *_: pytest.fail("it was assessed again"))
    desk.submit(case).result(SECONDS)
    refusal = store_of(desk).case(case).refusal
    assert refusal is not None
    assert refusal["code"] == "assess.crash"


def test_what_waits_at_the_end_is_taken_up_at_the_next_start(
    new_desk: Callable[..., Desk], dicom: dict[str, bytes]
) -> None:
    desk = new_desk()
    barrier = Barrier(desk)
    waiting = [store_of(desk).accept(dicom, source="batch"), store_of(desk).accept({}, ROW)]
    futures = [desk.submit(case) for case in waiting]
    ending = threading.Thread(target=desk.close)
    ending.start()
    barrier.free.set()
    ending.join(SECONDS)
    assert not ending.is_alive()
    assert barrier.future.done()
    assert not any(future.done() for future in futures)
    again = new_desk()
    assert again.take_up() == len(waiting)
    again.run(lambda _: None, urgent=False).result(SECONDS)
    assert {store_of(again).case(case).status for case in waiting} == {"assessed"}
    assert again.take_up() == 0


def test_an_answer_is_kept_with_what_the_worklist_shows(
    new_desk: Callable[..., Desk], dicom: dict[str, bytes]
) -> None:
    desk = new_desk()
    case = store_of(desk).accept(dicom, {"age": 18, "sex": "male"}, patient="HN-1")
    desk.submit(case).result(SECONDS)
    kept = store_of(desk).case(case)
    assert (kept.status, kept.attempts, kept.grade) == ("assessed", 1, "fair")
    assert kept.patient is not None
    assert kept.patient.identifier == "HN-1"
    assert kept.headline is not None
    assert kept.headline["findings"]
    assert kept.bundle_hash == desk.system.bundle.hash


def named_ecg(recording: Recording, folder: Path, patient: str | None = None) -> dict[str, bytes]:
    """The recording as a DICOM file of a woman of 44."""
    folder.mkdir()
    write_recording(replace(recording, patient_id=patient, age=44.0, sex="female"), folder / "ecg.dcm")
    return {"ecg.dcm": (folder / "ecg.dcm").read_bytes()}


def test_age_and_sex_are_the_ecgs_as_on_the_sheet(
    new_desk: Callable[..., Desk], recording: Recording, tmp_path: Path
) -> None:
    desk = new_desk()
    case = store_of(desk).accept(named_ecg(recording, tmp_path / "ecg"), {"age": 61, "sex": "male"})
    alone = store_of(desk).accept({}, {"age": 61, "sex": "male"})
    for one in (case, alone):
        desk.submit(one).result(SECONDS)
    kept, row_alone = store_of(desk).case(case), store_of(desk).case(alone)
    assert (kept.age, kept.sex) == (44, "female")
    assert kept.headline is not None
    assert kept.headline["cautions"] == ["wrong_patient"]
    assert (row_alone.age, row_alone.sex) == (61, "male")


def test_an_ecg_of_another_number_goes_under_that_number_and_is_nobodys_previous_ecg(
    new_desk: Callable[..., Desk], recording: Recording, tmp_path: Path
) -> None:
    desk = new_desk()
    store = store_of(desk)
    cases = []
    for year, patient, typed in ((2020, "P-100", "P-200"), (2024, "P-200", "P-200")):
        taken = replace(recording, time=datetime(year, 5, 4))
        ecg = named_ecg(taken, tmp_path / str(year), patient)
        cases.append(store.accept(ecg, {"patient_id": typed}, patient=typed))
        desk.submit(cases[-1]).result(SECONDS)
    wrong, right = (store.case(case) for case in cases)
    assert wrong.patient is not None
    assert right.patient is not None
    assert (wrong.patient.identifier, wrong.row) == ("P-100", {"patient_id": "P-200"})
    assert right.patient.identifier == "P-200"
    assert wrong.headline is not None
    assert "wrong_patient" in wrong.headline["cautions"]
    assert store.earlier(right) is None
    assert store.earlier(wrong) is None


def test_a_deleted_case_is_forgotten(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk()
    barrier = Barrier(desk)
    case = store_of(desk).accept({}, ROW)
    answer = desk.submit(case)
    store_of(desk).delete(case)
    barrier.free.set()
    assert answer.result(SECONDS) is None


def test_a_case_is_assessed_while_another_one_takes_its_time(
    new_desk: Callable[..., Desk], dicom: dict[str, bytes]
) -> None:
    desk = new_desk(threads=2)
    barrier = Barrier(desk)
    case = store_of(desk).accept(dicom)
    desk.submit(case).result(SECONDS)
    assert not barrier.future.done()
    barrier.free.set()
    assert store_of(desk).case(case).status == "assessed"


def test_many_cases_on_several_threads_are_each_answered_once(
    new_desk: Callable[..., Desk], dicom: dict[str, bytes]
) -> None:
    desk = new_desk(threads=3)
    rows = [{"age": 30 + 3 * k, "sex": ("male", "female")[k % 2]} for k in range(12)]
    cases = [store_of(desk).accept(dicom if k % 3 else {}, row) for k, row in enumerate(rows)]
    for future in [desk.submit(case) for case in [*cases, *cases]]:
        future.result(SECONDS)
    recording = read_files(dicom)
    for k, (case, row) in enumerate(zip(cases, rows, strict=True)):
        kept = store_of(desk).case(case)
        assert kept.status == "assessed"
        told = unpack(kept.assessment or b"")["tasks"]
        alone = desk.system.assess(recording if k % 3 else None, row).to_json()["tasks"]
        for task, answer in alone.items():
            assert told[task]["prediction_set"] == answer["prediction_set"]
            assert told[task]["probability"] == pytest.approx(answer["probability"], abs=1e-5)


def test_a_refusal_that_comes_late_does_not_speak_of_what_was_corrected(
    new_desk: Callable[..., Desk],
) -> None:
    store = store_of(new_desk())
    case = store.accept({}, ROW)
    assert store.begin_attempt(case)
    store.correct(case, {"age": 62}, "", "clinician")
    store.save_refusal(case, "recording.too_slow", "late", "late", ROW)
    assert store.case(case).status == "received"
    assert store.begin_attempt(case)


def test_a_refusal_that_comes_late_leaves_an_answer(new_desk: Callable[..., Desk]) -> None:
    desk = new_desk()
    case = store_of(desk).accept({}, ROW)
    desk.submit(case).result(SECONDS)
    store_of(desk).save_refusal(case, "recording.too_slow", "late", "late", ROW)
    kept = store_of(desk).case(case)
    assert (kept.status, kept.refusal) == ("assessed", None)
