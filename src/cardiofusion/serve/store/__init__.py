"""What a clinic keeps, on SQLite or PostgreSQL."""

from cardiofusion.serve.store.looking import PAGE, unknown
from cardiofusion.serve.store.packing import damaged_answer, unpack
from cardiofusion.serve.store.searching import Search
from cardiofusion.serve.store.store import Answered, Store
from cardiofusion.serve.store.tables import Batch, Case, CaseFile, Outcome, Patient, Preference

__all__ = [
    "PAGE",
    "Answered",
    "Batch",
    "Case",
    "CaseFile",
    "Outcome",
    "Patient",
    "Preference",
    "Search",
    "Store",
    "damaged_answer",
    "unknown",
    "unpack",
]
