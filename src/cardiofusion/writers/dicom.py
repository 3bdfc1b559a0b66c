"""DICOM waveform: one multiplex group, 1 uV a step, in 16 bits or, in the class made for them, 32.

The 12-lead and the general class want 200 to 1000 Hz; the general 32-bit class any rate. No date is made up:
where the time is not known, attributes that the standard wants filled are left out.
Source: DICOM PS3.3 A.34 (waveform objects), C.10.9 (waveform module); PS3.16 CID 3001, 3227-3229.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.dicom.waveform import FILTERS
from cardiofusion.readers.mdc import MEASURED, PARTITION, lead_number
from cardiofusion.records import LEADS, Recording
from cardiofusion.writers.writer import (
    Writer,
    cutoffs,
    digits_of,
    identity,
    local_time,
    microvolts,
    one_line,
    stored,
    unwritable,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# pydicom takes 0.3 s to import: it comes with the first file, not with this package.

TITLE = "DICOM"
TWELVE_LEAD, GENERAL, GENERAL_32 = (f"1.2.840.10008.5.1.4.1.1.9.1.{number}" for number in (1, 2, 4))
MIN_RATE, MAX_RATE = 200.0, 1000.0  # Hz, of the two classes of 16 bits
MAX_TWELVE_LEAD_SAMPLES = 16_384  # of a channel
MAX_CHANNELS = 24
MAX_TEXT = 64  # characters of an id or a name (LO)

_UNITS = {  # UCUM -> (code of CID 3229, meaning)
    "ms": ("ms", "millisecond"),
    "deg": ("deg", "degree"),
    "/min": ("{H.B.}/min", "heart beats per minute"),
}


def encode(recording: Recording) -> bytes:
    """The file, Explicit VR Little Endian. Raises RecordingError."""
    from pydicom import dcmwrite
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = _dataset(recording)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def _dataset(recording: Recording) -> Dataset:
    if len(recording.leads) > MAX_CHANNELS:
        raise unwritable(TITLE, f"{len(recording.leads)} leads")
    bits = 16 if MIN_RATE <= recording.sampling_rate <= MAX_RATE else 32
    samples = stored(microvolts(recording), TITLE, bits)
    dataset = _patient(recording)
    dataset.SOPClassUID = _class(recording, samples)
    _set_session(dataset, recording)
    _set_time(dataset, recording)
    dataset.WaveformSequence = [_group(recording, samples)]
    annotations = _annotations(recording)
    if annotations:
        dataset.WaveformAnnotationSequence = annotations
    return dataset


def _set_session(dataset: Dataset, recording: Recording) -> None:
    """Study, series and device. UIDs follow from the recording: converted again, it is the same instance."""
    for keyword, what in (
        ("SOPInstanceUID", "instance"),
        ("StudyInstanceUID", "study"),
        ("SeriesInstanceUID", "series"),
    ):
        setattr(dataset, keyword, f"2.25.{identity(recording, f'dicom {what}').int}")
    dataset.Modality = "ECG"
    dataset.SeriesNumber = dataset.InstanceNumber = "1"
    dataset.StudyID = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Manufacturer = ""
    dataset.AcquisitionContextSequence = []
    device = one_line(recording.notes.get("device", "")).replace("\\", "/")[:MAX_TEXT]
    if device:
        dataset.ManufacturerModelName = device


def _class(recording: Recording, samples: NDArray[np.integer]) -> str:
    if samples.itemsize > 2:
        return GENERAL_32
    twelve = set(recording.leads) == set(LEADS) and samples.shape[1] <= MAX_TWELVE_LEAD_SAMPLES
    return TWELVE_LEAD if twelve else GENERAL


def _patient(recording: Recording) -> Dataset:
    from pydicom.dataset import Dataset

    identifier = one_line(recording.patient_id or "")
    if len(identifier) > MAX_TEXT or "\\" in identifier:
        raise unwritable(TITLE, f"the patient's id, {identifier[:80]!r}")
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = dataset.PatientBirthDate = ""
    dataset.PatientID = identifier
    dataset.PatientSex = (recording.sex or "")[:1].upper()
    if recording.age is not None:
        dataset.PatientAge = _age(recording.age)
    return dataset


def _age(years: float) -> str:
    """Three digits and a unit: the finest that holds it, years where they are whole."""
    days, months = round(years * 365.25), round(years * 12)
    if years == int(years) or months > 999:
        return f"{int(years):03}Y"
    return f"{days:03}D" if days <= 999 else f"{months:03}M"


def _set_time(dataset: Dataset, recording: Recording) -> None:
    time = local_time(recording)
    if time is None:
        dataset.StudyDate = dataset.StudyTime = ""
        return
    text = digits_of(time)
    dataset.AcquisitionDateTime = text
    dataset.StudyDate = dataset.ContentDate = text[:8]
    dataset.StudyTime = dataset.ContentTime = text[8:]


def _group(recording: Recording, samples: NDArray[np.integer]) -> Dataset:
    from pydicom.dataset import Dataset
    from pydicom.valuerep import format_number_as_ds

    bits = 8 * samples.itemsize
    order = samples.dtype.newbyteorder("<")
    group = Dataset()
    group.MultiplexGroupLabel = "RHYTHM"
    group.MultiplexGroupTimeOffset = "0"
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = samples.shape
    group.SamplingFrequency = format_number_as_ds(recording.sampling_rate)
    group.ChannelDefinitionSequence = [_channel(recording, lead, bits) for lead in recording.leads]
    group.WaveformBitsAllocated = bits
    group.WaveformSampleInterpretation = "SS" if bits == 16 else "SL"
    if np.isnan(recording.signal).any():
        group.add_new("WaveformPaddingValue", "OW", np.array([np.iinfo(samples.dtype).min], order).tobytes())
    group.add_new("WaveformData", "OW", samples.T.astype(order).tobytes())
    return group


def _channel(recording: Recording, lead: str, bits: int) -> Dataset:
    from pydicom.dataset import Dataset

    number = lead_number(lead)
    channel = Dataset()
    channel.ChannelLabel = lead
    channel.ChannelSourceSequence = [
        _code(lead, "99CARDIOFUSION", f"Lead {lead}")
        if number is None
        else _code(f"{PARTITION}:{number}", "MDC", f"Lead {lead}")
    ]
    channel.ChannelSensitivity = channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelSensitivityUnitsSequence = [_code("uV", "UCUM", "microvolt")]
    channel.ChannelBaseline = channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = bits
    if not recording.calibrated:
        channel.ChannelStatus = "UNCALIBRATED"
    for key, hertz in cutoffs(recording).items():
        setattr(channel, FILTERS[key], hertz)
    return channel


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    from pydicom.dataset import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _annotations(recording: Recording) -> list[Dataset]:
    """What a device measured, and said, of the whole ECG: of channel 0, which stands for all."""
    from pydicom.dataset import Dataset
    from pydicom.valuerep import format_number_as_ds

    annotations = []
    for name, value in recording.measured.items():
        term = MEASURED[name]
        unit, words = _UNITS[term.unit]
        annotation = Dataset()
        annotation.ConceptNameCodeSequence = [_code(f"{PARTITION}:{term.number}", "MDC", term.meaning)]
        annotation.NumericValue = format_number_as_ds(value)
        annotation.MeasurementUnitsCodeSequence = [_code(unit, "UCUM", words)]
        annotations.append(annotation)
    statement = one_line(recording.notes.get("interpretation", ""))
    if statement:
        annotations.append(Dataset())
        annotations[-1].UnformattedTextValue = statement
    for annotation in annotations:
        annotation.ReferencedWaveformChannels = [1, 0]
        annotation.AnnotationGroupNumber = 1
    return annotations


DICOM = Writer(name="dicom", title=TITLE, suffix=".dcm", encode=encode)
