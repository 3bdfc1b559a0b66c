"""ISO/IEEE 11073-10101 (MDC): leads and measurements, as DICOM, HL7 aECG and FHIR name them.

A term's code is its partition (2: vital signs) times 65536 and a number. Of a lead the number stands alone
where the lead is meant, and added to ELECTRIC_POTENTIAL where its voltage is.
"""

from __future__ import annotations

from dataclasses import dataclass

PARTITION = 2
ELECTRIC_POTENTIAL = 256  # MDC_ECG_ELEC_POTL
FHIR_SYSTEM = "urn:iso:std:iso:11073:10101"
OID = "2.16.840.1.113883.6.24"

# SCP-ECG shares these numbers. 10, 15, 65 (-aVR), 68-72 are leads that we have no name for.
NUMBERED = {
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 9: "V7", 11: "V3R", 12: "V4R",
    13: "V5R", 14: "V6R", 16: "X", 17: "Y", 18: "Z", 19: "CC5", 20: "CM5", 61: "III", 62: "aVR", 63: "aVL",
    64: "aVF", 66: "V8", 67: "V9",
}  # fmt: skip
MDC_ONLY = {107: "CM2", 109: "CM4", 131: "ES", 132: "AS", 133: "AI"}


@dataclass(frozen=True)
class Term:
    """A measurement. number: in the partition. name: of the nomenclature. meaning: words. unit: of UCUM."""

    number: int
    name: str
    meaning: str
    unit: str


MEASURED = {  # by the names of records.MEASUREMENTS
    "heart_rate": Term(16770, "MDC_ECG_HEART_RATE", "Heart rate", "/min"),
    "pr": Term(15872, "MDC_ECG_TIME_PD_PR", "PR interval", "ms"),
    "p_duration": Term(16184, "MDC_ECG_TIME_PD_P", "P duration", "ms"),
    "qrs": Term(16156, "MDC_ECG_TIME_PD_QRS", "QRS duration", "ms"),
    "qt": Term(16160, "MDC_ECG_TIME_PD_QT", "QT interval", "ms"),
    "qtc": Term(15876, "MDC_ECG_TIME_PD_QTC", "QTc interval", "ms"),
    "p_axis": Term(16128, "MDC_ECG_ANGLE_P_FRONT", "P axis", "deg"),
    "qrs_axis": Term(16132, "MDC_ECG_ANGLE_QRS_FRONT", "QRS axis", "deg"),
    "t_axis": Term(16136, "MDC_ECG_ANGLE_T_FRONT", "T axis", "deg"),
}


def lead_number(lead: str) -> int | None:
    """The number of a lead; None where the nomenclature has none, or we do not know it."""
    return next((number for number, name in (NUMBERED | MDC_ONLY).items() if name == lead), None)


def code(number: int) -> int:
    """The code of the term with this number."""
    return (PARTITION << 16) + number
