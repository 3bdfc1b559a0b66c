"""What a clinic keeps, on SQLite or PostgreSQL."""

from cardiofusion.serve.store.packing import unpack
from cardiofusion.serve.store.searching import Search
from cardiofusion.serve.store.store import PAGE, Answered, Store, unknown
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
    "unknown",
    "unpack",
]
