"""GE MUSE XML: the sample against a parser of its own, a tiny writer's files, and what is refused."""

from __future__ import annotations

import base64
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.readers import read_bytes, read_recording
from cardiofusion.readers.muse import MUSE
from cardiofusion.records import INDEPENDENT_LEADS, LEADS, Recording, RecordingError

SAMPLE = Path("formats/muse/IntroECG_MUSE_example.xml")
ADC = np.arange(8 * 40, dtype=np.int16).reshape(8, 40) * 7 - 900


def lead_xml(lead: str, samples: NDArray[np.int16], **changed: str) -> str:
    content = samples.astype("<i2").tobytes()
    fields = {
        "LeadSampleCountTotal": str(len(samples)), "LeadAmplitudeUnitsPerBit": "4.88",
        "LeadAmplitudeUnits": "MICROVOLTS", "LeadID": lead, "LeadSampleSize": "2", "LeadOff": "FALSE",
        "LeadDataCRC32": str(zlib.crc32(content)), "WaveFormData": base64.encodebytes(content).decode(),
    } | changed  # fmt: skip
    return "<LeadData>" + "".join(f"<{k}>{v}</{k}>" for k, v in fields.items() if v) + "</LeadData>"


def muse(
    leads: str | None = None,
    rate: str = "<SampleBase>500</SampleBase><SampleExponent>0</SampleExponent>",
    kind: str = "Rhythm",
    more: str = "",
    patient: str = "",
) -> bytes:
    body = leads or "".join(lead_xml(lead, row) for lead, row in zip(INDEPENDENT_LEADS, ADC, strict=True))
    wave = f"<Waveform><WaveformType>{kind}</WaveformType>{rate}{body}</Waveform>"
    head = '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd">'
    return f"{head}<RestingECG>{patient}{more}{wave}</RestingECG>".encode("latin-1")


def code_of(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        MUSE.decode(content, "x.xml")
    assert caught.value.hint
    return caught.value.code


def test_the_sample_is_what_its_text_says(data_dir: Path) -> None:
    recording = read_recording(data_dir / SAMPLE)
    text = (data_dir / SAMPLE).read_text("latin-1").split("<WaveformType>Rhythm")[1]
    stored = dict(
        zip(re.findall(r"<LeadID>(\w+)<", text), re.findall(r"<WaveFormData>([^<]+)<", text), strict=True)
    )
    for lead, words in stored.items():
        wanted = np.frombuffer(base64.b64decode(words), "<i2") * 4.88 / 1000.0
        np.testing.assert_allclose(recording.signal[recording.leads.index(lead)], wanted, atol=1e-6)
    row = dict(zip(recording.leads, recording.signal, strict=True))
    np.testing.assert_allclose(row["I"] + row["III"], row["II"], atol=1e-5)
    np.testing.assert_allclose(row["aVR"] + row["aVL"] + row["aVF"], 0.0, atol=1e-5)
    assert (recording.leads, recording.sampling_rate, recording.signal.shape) == (LEADS, 500.0, (12, 5000))
    assert recording.measured == {
        "heart_rate": 56.0, "pr": 330.0, "qrs": 94.0, "qt": 434.0, "qtc": 418.0,
        "p_axis": 6.0, "qrs_axis": -22.0, "t_axis": 2.0,
    }  # fmt: skip
    assert (recording.age, recording.sex, recording.patient_id) == (50.0, "male", "FAKE12345")
    assert recording.notes["high-pass filter"] == "16"  # of no stated unit
    assert recording.unverified == ("header",)
    assert "MUSE" not in str(dict(recording.notes)).upper().replace("GE MUSE", "")  # the patient's name
    assert read_bytes((data_dir / SAMPLE).read_bytes(), "a/b.xml").record_id == "b"


def test_what_a_writer_writes_is_read() -> None:
    recording = MUSE.decode(muse(), "x.xml")
    kept = recording.signal[[recording.leads.index(lead) for lead in INDEPENDENT_LEADS]]
    np.testing.assert_allclose(kept, ADC * 0.00488, atol=1e-6)
    assert MUSE.recognises(muse()[:4096])
    assert not MUSE.recognises(b"<AnnotatedECG/>")
    assert not MUSE.recognises(b"RestingECG")


def test_rate_time_and_age() -> None:
    patient = (
        "<PatientDemographics><PatientAge>7</PatientAge><AgeUnits>MONTHS</AgeUnits><Gender>FEMALE</Gender>"
        "</PatientDemographics><TestDemographics><AcquisitionDate>09-30-2019</AcquisitionDate>"
        "<AcquisitionTime>13:05:59</AcquisitionTime></TestDemographics>"
    )
    rate = "<SampleBase>250</SampleBase><SampleExponent>0</SampleExponent>"
    recording = MUSE.decode(muse(rate=rate, patient=patient), "x.xml")
    assert (recording.sampling_rate, recording.age, recording.sex) == (250.0, None, "female")
    assert recording.time is not None
    assert recording.time.isoformat() == "2019-09-30T13:05:59"


def test_a_median_stays_apart() -> None:
    median = muse(kind="Median").split(b"<RestingECG>")[1].removesuffix(b"</RestingECG>").decode()
    recording = MUSE.decode(muse(more=median), "x.xml")
    assert recording.signal.shape == (12, 40)
    assert "median beats" in recording.notes
    assert code_of(muse(kind="Median")) == "recording.empty"


REFUSED = [
    ({"LeadAmplitudeUnits": "MILLIVOLTS"}, "recording.units"),
    ({"LeadAmplitudeUnits": ""}, "recording.units"),
    ({"LeadAmplitudeUnitsPerBit": "0"}, "recording.gain"),
    ({"LeadAmplitudeUnitsPerBit": "-4.88"}, "recording.gain"),
    ({"LeadAmplitudeUnitsPerBit": "nan"}, "recording.header"),
    ({"LeadSampleCountTotal": "41"}, "recording.truncated"),
    ({"LeadSampleCountTotal": "999999999999"}, "recording.truncated"),
    ({"LeadSampleSize": "4"}, "recording.header"),
    ({"LeadDataCRC32": "12"}, "recording.checksum"),
    ({"LeadID": "V9X"}, "recording.lead"),
    ({"LeadID": "II"}, "recording.lead"),
    ({"WaveFormData": "no base64!"}, "recording.header"),
    ({"LeadTimeOffset": "5"}, "recording.header"),
]


@pytest.mark.parametrize(("changed", "code"), REFUSED)
def test_a_wrong_lead_is_refused(changed: dict[str, str], code: str) -> None:
    leads = [
        lead_xml("I", ADC[0], **changed),
        *(lead_xml(n, r) for n, r in zip(INDEPENDENT_LEADS[1:], ADC[1:], strict=True)),
    ]
    assert code_of(muse("".join(leads))) == code


def test_wrong_files_are_refused() -> None:
    assert code_of(muse(rate="")) == "recording.header"
    for base, exponent in (("0", "0"), ("500", "400"), ("500", "-7"), ("500", "x"), ("-500", "0")):
        rate = f"<SampleBase>{base}</SampleBase><SampleExponent>{exponent}</SampleExponent>"
        assert code_of(muse(rate=rate)) == "recording.rate"
    assert code_of(muse(leads="<LeadData/>")) == "recording.lead"
    assert code_of(muse()[:-20]) == "recording.xml"
    bomb = b'<!DOCTYPE RestingECG [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><RestingECG>&b;</RestingECG>'
    outside = b'<!DOCTYPE RestingECG [<!ENTITY a SYSTEM "file:///etc/passwd">]><RestingECG>&a;</RestingECG>'
    for hostile in (bomb, outside):
        assert code_of(hostile) == "recording.xml"


def test_without_checksums_samples_are_unverified() -> None:
    leads = "".join(lead_xml(n, r, LeadDataCRC32="") for n, r in zip(INDEPENDENT_LEADS, ADC, strict=True))
    assert MUSE.decode(muse(leads), "x.xml").unverified == ("header", "samples")


@given(at=st.integers(0, 10**6), to=st.integers(0, 255), cut=st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_changed_file_is_refused_or_honest(at: int, to: int, cut: bool) -> None:
    """A byte of a lead's samples is never changed unseen: the checksum covers them."""
    content = bytearray(muse())
    at %= len(content)
    content[at] = to
    try:
        recording: Recording = MUSE.decode(bytes(content[:at] if cut else content), "x.xml")
    except RecordingError:
        return
    kept = recording.signal[
        [recording.leads.index(lead) for lead in INDEPENDENT_LEADS if lead in recording.leads]
    ]
    ratio = kept[np.abs(ADC[: len(kept)]) > 0] / ADC[: len(kept)][np.abs(ADC[: len(kept)]) > 0]
    assert np.ptp(ratio.reshape(-1)) < 0.01 or "4.88" not in bytes(content).decode("latin-1") or len(kept) < 8
